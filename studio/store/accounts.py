"""Accounts: who may log in, and who of them may change what lies on the studio's machine.

Names with salted scrypt hashes in `users.json` of the home; sessions as signed cookies. Where nobody logs in,
the person sits at the machine and may do everything.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from studio.errors import InputError, NotFoundError, RightsError
from studio.records.base import LOCAL_PERSON, Slug
from studio.store.files import write_atomic

MIN_PASSWORD = 10
# OWASP's password storage cheat sheet: scrypt with N 2^17, r 8, p 1 (128 MiB a try).
_N, _R, _P = 2**17, 8, 1
OPERATOR = "operator"
"""The one role that there is."""


class Accounts:
    """The people of one home."""

    session_s = 12 * 3600
    """How long a login lasts."""

    def __init__(self, home: Path) -> None:
        self._users = home / "users.json"
        self._key_file = home / "session.key"
        # Every request asks who is there: the file is read again only when it has changed. Swapped as a whole, so that
        # threads see either the old pair or the new one.
        self._seen: tuple[tuple[int, int, int], dict[str, dict[str, str]]] | None = None

    def names(self) -> list[str]:
        """Everybody who may log in."""
        return sorted(self._read())

    def add(self, name: str, password: str) -> None:
        """Add a person, or give one a new password.

        Raises:
            InputError: a name that is no slug, or a password that is too short.
        """
        try:
            TypeAdapter(Slug).validate_python(name)
        except ValidationError as error:
            raise InputError(f"{name!r} is no user name.", "Use lower case letters, digits, - and _.") from error
        if name == LOCAL_PERSON:
            raise InputError(f"{name} is whoever sits at the machine.", "Choose another name.")
        if len(password) < MIN_PASSWORD:
            raise InputError("The password is too short.", f"Use at least {MIN_PASSWORD} characters.")
        salt, users = secrets.token_bytes(16), self._read()
        entry = users.get(name, {}) | {"salt": salt.hex(), "hash": _hash(password, salt).hex()}
        self._save(users | {name: entry})

    def remove(self, name: str) -> None:
        """Take a person out; open sessions end. Raises NotFoundError."""
        users = self._known(name)
        self._save({key: value for key, value in users.items() if key != name})

    def set_operator(self, name: str, operator: bool) -> None:
        """Let a person change what lies on the studio's machine, or no longer. Raises NotFoundError."""
        users = self._known(name)
        rest = {key: value for key, value in users[name].items() if key != "role"}
        self._save(users | {name: rest | ({"role": OPERATOR} if operator else {})})

    def is_operator(self, name: str) -> bool:
        """Whether a person may change what lies on the studio's machine: models, and folders to take them from."""
        return name == LOCAL_PERSON or self._read().get(name, {}).get("role") == OPERATOR

    def demand_operator(self, name: str) -> None:
        """Raises RightsError where a person may not."""
        if not self.is_operator(name):
            raise RightsError(
                "Only operators change which models lie on this machine.",
                f"Ask one, or let `python app.py users operator {name}` be run there.",
            )

    def check(self, name: str, password: str) -> bool:
        """Whether name and password belong together; takes as long for an unknown name."""
        entry = self._read().get(name, {"salt": "00" * 16, "hash": ""})
        found = _hash(password, bytes.fromhex(entry["salt"]))
        return hmac.compare_digest(found.hex(), entry["hash"])

    def session(self, name: str) -> str:
        """A signed token for a cookie, valid for `session_s`."""
        body = f"{name}|{int(time.time()) + self.session_s}"
        return base64.urlsafe_b64encode(f"{body}|{self._sign(name, body)}".encode()).decode()

    def person(self, token: str) -> str | None:
        """Whose token this is; None when it is forged, too old, or its person was taken out or got a new password."""
        try:
            name, until, signature = base64.urlsafe_b64decode(token.encode()).decode().split("|")
            # As bytes: texts outside ASCII cannot be compared so.
            valid = hmac.compare_digest(signature.encode(), self._sign(name, f"{name}|{until}").encode())
            return name if valid and int(until) > time.time() and name in self._read() else None
        except ValueError:
            return None

    def _known(self, name: str) -> dict[str, dict[str, str]]:
        users = self._read()
        if name not in users:
            raise NotFoundError(f"There is no user {name!r}.", f"There are: {', '.join(sorted(users)) or 'none'}.")
        return users

    def _sign(self, name: str, body: str) -> str:
        password_hash = self._read().get(name, {}).get("hash", "")
        return hmac.new(self._key() + password_hash.encode(), body.encode(), "sha256").hexdigest()

    def _key(self) -> bytes:
        if not self._key_file.is_file():
            write_atomic(self._key_file, secrets.token_bytes(32), private=True)
        return self._key_file.read_bytes()

    def _read(self) -> dict[str, dict[str, str]]:
        """Names with salts and hashes. Nobody changes what this returns."""
        try:
            # Looked at before it is read: a file that is replaced in between is read once more the next time.
            now = self._users.stat()
            state = (now.st_ino, now.st_mtime_ns, now.st_size)
            if self._seen is not None and self._seen[0] == state:
                return self._seen[1]
            found: dict[str, dict[str, str]] = json.loads(self._users.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise InputError(
                f"{self._users} is damaged.", "Restore it from a backup, or remove it and add the users again."
            ) from error
        self._seen = (state, found)
        return found

    def _save(self, users: dict[str, dict[str, str]]) -> None:
        write_atomic(self._users, json.dumps(users, indent=1).encode(), private=True)


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=2**28)
