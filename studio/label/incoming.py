"""Uploads wait here under their own names until an ingest job has read them: a job outlives the page that sent it."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from studio.errors import InputError, NotFoundError, ResourceError
from studio.records.base import new_id

KEEP_S = 2 * 86_400
"""How long files of a job that failed wait for another try."""
MAX_NAME_BYTES = 200
_BATCH = re.compile(r"^upl_[0-9a-f]{16}$")


class Incoming:
    """The folder of uploads of one home."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def receive(self, files: Sequence[tuple[Path, str]]) -> str:
        """Keep (file, the name it had on the sender's disk) as one batch; returns the batch's id.

        Photos and their side files come to lie in one folder, so that they find each other. A second file of the same
        name goes into a second folder.

        Raises:
            InputError: no file at all.
            ResourceError: no room on the disk.
        """
        if not files:
            raise InputError("There was no file in it.", "Drop photos, or a zip of them.")
        self._sweep()
        batch = new_id("upl")
        times: dict[str, int] = {}
        try:
            for source, given in files:
                name = name_on_disk(given)
                times[name] = times.get(name, 0) + 1
                folder = self._root / batch / str(times[name])
                folder.mkdir(parents=True, exist_ok=True)
                _put(source, folder / name)
        except OSError as error:
            shutil.rmtree(self._root / batch, ignore_errors=True)
            raise ResourceError(
                f"The files could not be kept: {error.strerror}.", "Free some disk space and drop them again."
            ) from error
        return batch

    def paths(self, batch: str) -> list[Path]:
        """The files of a batch.

        Raises:
            NotFoundError: they are gone.
        """
        folder = self._root / batch
        if not _BATCH.match(batch) or not folder.is_dir():
            raise NotFoundError("These files are not here any more.", "Drop them again.")
        return sorted(path for path in folder.glob("*/*"))

    def discard(self, batch: str) -> None:
        """Remove a batch that has been read."""
        if _BATCH.match(batch):
            shutil.rmtree(self._root / batch, ignore_errors=True)

    def _sweep(self) -> None:
        for folder in self._root.glob("upl_*"):
            with suppress(OSError):  # another process swept it
                if folder.stat().st_mtime < time.time() - KEEP_S:
                    shutil.rmtree(folder, ignore_errors=True)


def name_on_disk(given: str) -> str:
    """A name as it was, but for what no file can be called."""
    name = given.encode("utf-8", "backslashreplace").decode().replace("/", "_").replace("\0", "_").strip()
    if name.strip(".") == "":
        return "unnamed"
    stem, dot, suffix = name.rpartition(".")
    while len(name.encode()) > MAX_NAME_BYTES:
        stem, suffix = (stem[:-1], suffix) if stem else (stem, suffix[:-1])
        name = f"{stem}{dot}{suffix}"
    return name


def _put(source: Path, target: Path) -> None:
    try:
        os.link(source, target)  # costs nothing for an archive of gigabytes
    except OSError:
        shutil.copyfile(source, target)
