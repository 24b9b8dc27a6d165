"""Site: where the studio is served and to whom."""

from __future__ import annotations

from dataclasses import dataclass

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Site:
    """One address.

    Attributes:
        names: host names that the page may be asked for by, besides the host itself; for a proxy in front.
        login: whether people must log in; None: only where the page is reached from other machines.
        https: whether a proxy in front speaks TLS, so that cookies are marked Secure.
    """

    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    login: bool | None = None
    https: bool = False

    @property
    def login_required(self) -> bool:
        """Off on the loopback address unless asked for; always on elsewhere, and behind a proxy, whatever was asked."""
        return bool(self.login) or self.https or not LOOPBACK.issuperset({self.host, *self.names})

    @property
    def host_names(self) -> frozenset[str]:
        """All names by which a browser may ask for the page."""
        local = LOOPBACK if self.host in LOOPBACK else {self.host}
        return frozenset(name.lower() for name in (*local, *self.names))
