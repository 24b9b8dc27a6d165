"""Keeps a process off the network, so that "no network after the install" is proved by every run of the demo."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LOCAL_NAMES = ("localhost", "", None)


class OutsideBlocked(OSError):
    """Something tried to reach another machine. An OSError, so that libraries treat it as a network that is down."""


@contextmanager
def no_network() -> Iterator[list[str]]:
    """Inside, connecting to another machine or asking for its address raises OutsideBlocked.

    Sockets of this machine (loopback addresses, Unix paths) work on. Yields the list of refused addresses, which grows
    as things are refused: a library may swallow the exception, the list still tells.
    """
    refused: list[str] = []
    plain = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}
    resolve = socket.getaddrinfo

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, *args: Any) -> Any:
            # sendto(data, address) and sendto(data, flags, address); connect(address).
            if not _is_local(self, args[-1]):
                refused.append(str(args[-1]))
                raise OutsideBlocked(f"no network here: {args[-1]} was not contacted")
            return method(self, *args)

        return call

    def resolve_locally(host: Any, *args: Any, **options: Any) -> Any:
        if not (host in LOCAL_NAMES or _is_loopback(host)):
            refused.append(str(host))
            raise OutsideBlocked(f"no network here: {host} was not looked up")
        return resolve(host, *args, **options)

    for name, method in plain.items():
        setattr(socket.socket, name, guarded(method))
    socket.getaddrinfo = resolve_locally
    try:
        yield refused
    finally:
        for name in plain:
            # The plain methods are inherited from the C class: taking ours off uncovers them.
            delattr(socket.socket, name)
        socket.getaddrinfo = resolve


def _is_local(sock: socket.socket, address: Any) -> bool:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return True
    host = address[0] if isinstance(address, tuple) else address
    return host in LOCAL_NAMES or _is_loopback(host)


def _is_loopback(host: Any) -> bool:
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False
