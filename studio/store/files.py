"""Files on disk: atomic writes, and a store that names every file by the sha256 of its bytes.

A file becomes visible only when it is whole and on the disk, so a crash leaves at most a temporary file. The writer
keeps that locked while it lives; what nobody has locked is a leftover, and the sweep removes it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from studio.errors import InputError, NotFoundError, ResourceError

_TEMPORARY = ".tmp-"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"(\.[a-z0-9]{1,12})?")
_CHUNK_BYTES = 2**20
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_atomic(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write the whole file or nothing; an older file stays until the new one is on the disk.

    Args:
        private: readable by nobody but the owner, from its first byte on.

    Raises:
        ResourceError: no room on the disk.
    """
    with _temporary_beside(path.parent) as (temporary, handle):
        if private:
            os.fchmod(handle.fileno(), 0o600)
        handle.write(data)
        _publish(temporary, handle, path)


def sweep_leftovers(folder: Path) -> list[Path]:
    """Remove temporary files below `folder` whose writer is gone; returns what was removed."""
    removed = []
    for path in sorted(folder.rglob(f"{_TEMPORARY}*")):
        try:
            with path.open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except (BlockingIOError, FileNotFoundError, IsADirectoryError):
            continue  # somebody is writing it, has just finished it, or it is none of ours
        removed.append(path)
    return removed


class FileStore:
    """Originals and results under `root/ab/ab12...<suffix>`. The same bytes are kept once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_bytes(self, data: bytes, suffix: str) -> str:
        """Keep `data`; `suffix` such as `.png` is only for people. Returns the sha256.

        Raises:
            InputError: a suffix that is not letters and digits.
            ResourceError: no room on the disk.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if self._find(sha256, size=len(data)) is None:
            write_atomic(self._target(sha256, suffix), data)
        return sha256

    def put_file(self, path: Path) -> str:
        """Keep a copy of a file of any size, read once in pieces. Returns the sha256.

        Raises:
            NotFoundError: no such file.
            InputError: a suffix that is not letters and digits.
            ResourceError: no room on the disk.
        """
        if not path.is_file():
            raise NotFoundError(f"There is no file {path}.", "Check the path.")
        digest = hashlib.sha256()
        with path.open("rb") as source, _temporary_beside(self.root) as (temporary, handle):
            for chunk in iter(lambda: source.read(_CHUNK_BYTES), b""):
                digest.update(chunk)
                handle.write(chunk)
            sha256 = digest.hexdigest()
            if self._find(sha256, size=handle.tell()) is None:
                _publish(temporary, handle, self._target(sha256, path.suffix))
        return sha256

    def path(self, sha256: str) -> Path:
        """Where the bytes lie; for reading only.

        Raises:
            NotFoundError: not in the store.
        """
        found = self._find(sha256)
        if found is None:
            raise NotFoundError(
                f"The file store has no file {sha256[:64]!r}.", "Was it deleted by hand? Restore it from a backup."
            )
        return found

    def sweep(self, known: set[str]) -> list[Path]:
        """Remove temporary leftovers and report files that no record in `known` (sha256) names.

        Orphans are reported, never deleted: a picture is written before the row that names it.
        """
        sweep_leftovers(self.root)
        files = (p for p in sorted(self.root.glob("??/*")) if not p.name.startswith("."))
        return [path for path in files if path.name.partition(".")[0] not in known]

    def _find(self, sha256: str, size: int | None = None) -> Path | None:
        """The stored file; with `size`, only when it has that many bytes (else it is written anew)."""
        if not _SHA256.fullmatch(sha256):
            return None
        files = sorted((self.root / sha256[:2]).glob(f"{sha256}*"))
        return next((f for f in files if size is None or f.stat().st_size == size), None)

    def _target(self, sha256: str, suffix: str) -> Path:
        if not _SUFFIX.fullmatch(suffix.lower()):
            raise InputError(f"{suffix!r} is not a file suffix.", "Use one such as .png or .jpg.")
        return self.root / sha256[:2] / f"{sha256}{suffix.lower()}"


@contextmanager
def _temporary_beside(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A locked temporary file in `folder`; gone afterwards unless it was published."""
    with _plain_errors(folder):
        _make_folder(folder)
        temporary, handle = _locked_temporary(folder)
        try:
            with handle:
                yield temporary, handle
        finally:
            temporary.unlink(missing_ok=True)


def _locked_temporary(folder: Path) -> tuple[Path, BinaryIO]:
    while True:
        temporary = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
        handle = temporary.open("xb")
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle.fileno()).st_nlink:
            return temporary, handle
        handle.close()  # a sweep took it between the two calls: begin again


def _publish(temporary: Path, handle: BinaryIO, path: Path) -> None:
    handle.flush()
    os.fsync(handle.fileno())
    _make_folder(path.parent)
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    # Without this a power cut may forget the new name although the bytes are safe.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise ResourceError(
                f"No room to write in {folder} ({os.strerror(error.errno)}).",
                "Free some disk space and try again; what was stored before is untouched.",
            ) from error
        raise
