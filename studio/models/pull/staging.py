"""Staging: where the files of one pull grow, so that the next try goes on where the last one was cut.

`files/` holds what is whole, `parts/` what is growing, `known/` the sha256 of each whole file under its key: a file
counts only with the key of the commit that is pulled now.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import ResourceError
from studio.models.pull.wanted import CHUNK_BYTES, Wanted
from studio.shelf import alone

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
KEEP_FREE_BYTES = 256 * 2**20
"""What a pull leaves on the disk for everything else."""


class Staging:
    """The half-done files of one thing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files = folder / "files"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Only one process pulls a thing at a time. Raises ConflictError, ResourceError."""
        with plain_disk_errors(self._folder):
            for name in ("files", "parts", "known"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
        with alone(self._folder):
            try:
                yield
            finally:
                if not any(path.is_file() for name in ("files", "parts") for path in (self._folder / name).rglob("*")):
                    self.clear()  # refused before its first byte: nothing is half done

    def sha256(self, file: Wanted) -> str | None:
        """The sha256 of a file that is whole; None while it is not."""
        known, path = self._folder / "known" / file.key, self.files / file.path
        if not known.is_file() or not path.is_file() or path.stat().st_size != file.size_bytes:
            return None
        return known.read_text(encoding="ascii")

    def part(self, file: Wanted) -> Path:
        """Where a file grows."""
        return self._folder / "parts" / file.key

    def keep(self, file: Wanted, sha256: str) -> None:
        """The file has grown and is what it should be."""
        path = self.files / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        (self._folder / "known" / file.key).write_text(sha256, encoding="ascii")
        os.replace(self.part(file), path)

    def have_bytes(self, file: Wanted) -> int:
        """Bytes of a file that need not be fetched any more."""
        if self.sha256(file) is not None:
            return file.size_bytes
        part = self.part(file)
        return part.stat().st_size if part.is_file() else 0

    def make_room(self, wanted: Iterable[Wanted]) -> None:
        """Looks before the first byte whether the disk can hold what is missing. Raises ResourceError."""
        missing = sum(file.size_bytes - self.have_bytes(file) for file in wanted)
        free = shutil.disk_usage(self._folder).free
        if missing + KEEP_FREE_BYTES > free:
            raise ResourceError(
                f"{missing / 1e9:.1f} GB are to be fetched, {free / 1e9:.1f} GB are free at {self._folder.parent}.",
                "Make room, or set STUDIO_HOME to a larger disk. Nothing was fetched.",
            )

    def drop_foreign(self, wanted: Iterable[Wanted]) -> None:
        """Takes away what an earlier commit, or an earlier preset, has left behind."""
        files = list(wanted)
        own = {self.files / file.path for file in files if self.sha256(file) is not None}
        own |= {self.part(file) for file in files} | {self._folder / "known" / file.key for file in files}
        for name in ("files", "parts", "known"):
            found = list((self._folder / name).rglob("*"))
            for path in (path for path in found if not path.is_dir() and path not in own):
                path.unlink()

    def clear(self) -> None:
        """Takes everything away."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Part:
    """A growing file with the digests of what it holds. Use it as a context manager."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._stream = path.open("a+b")
        self._size_bytes = size_bytes
        self._begin()
        self._stream.seek(0)
        while chunk := self._stream.read(CHUNK_BYTES):
            self._count(chunk)
        if self.size > size_bytes:
            self.restart()

    def restart(self) -> None:
        """Forgets everything: the source cannot begin in the middle."""
        self._stream.truncate(0)
        self._begin()

    def write(self, chunk: bytes) -> None:
        """Appends bytes. Raises OSError."""
        self._stream.write(chunk)
        self._count(chunk)

    @property
    def sha256(self) -> str:
        """Of all bytes so far."""
        return self._sha256.hexdigest()

    @property
    def git_sha1(self) -> str:
        """Git's name for a file of the expected size with these bytes."""
        return self._git_sha1.hexdigest()

    def _begin(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._git_sha1 = hashlib.sha1(b"blob %d\0" % self._size_bytes, usedforsecurity=False)

    def _count(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._sha256.update(chunk)
        self._git_sha1.update(chunk)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        with self._stream:
            self._stream.flush()
            os.fsync(self._stream.fileno())


@contextmanager
def plain_disk_errors(place: Path) -> Iterator[None]:
    """A disk that is full, or that nobody may write to, in words. Raises ResourceError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ResourceError(
                f"The disk is full: {place}.", "Make room, and pull again: what was fetched is kept."
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise ResourceError(
                f"{place} cannot be written ({error.strerror}).", "Set STUDIO_HOME elsewhere."
            ) from error
        raise
