"""The one device of a home: a locked file, so that two processes never load models side by side.

The kernel drops the lock when its process ends, however it ends; no timeout has to pass after a `kill -9`.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from io import FileIO
from pathlib import Path

from studio.records.base import Record


class Holder(Record):
    """Who has the device."""

    host: str
    pid: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid} on {self.host})"


class DeviceLease:
    """The right to run device jobs in one home; held by one object in one process at a time."""

    def __init__(self, home: Path) -> None:
        self.path = home / "device.lock"
        self._handle: FileIO | None = None

    @property
    def held(self) -> bool:
        """Whether this object has it."""
        return self._handle is not None

    def acquire(self, what: str) -> bool:
        """Take it if it is free, without waiting; `what` tells others what it is for."""
        if self._handle is not None:
            return False  # one job at a time also among the threads that share this object
        handle = self.path.open("a+b", buffering=0)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        self._handle = handle
        with suppress(OSError):  # on a full disk the lock holds without a name
            handle.truncate(0)
            handle.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "what": what}).encode())
        return True

    def release(self) -> None:
        """Give it back; does nothing when not held."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def holder(self) -> Holder | None:
        """Who has it, or None when it is free."""
        try:
            with self.path.open("rb", buffering=0) as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _read(handle)
        except FileNotFoundError:
            pass
        return None


def _read(handle: FileIO) -> Holder:
    try:
        return Holder.model_validate_json(handle.read())
    except ValueError:  # between its lock and its name
        return Holder(host=socket.gethostname(), pid=0, what="another process")
