"""LocalFolder: files that somebody has brought by other means, for networks that no hub can be reached from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from studio.errors import Fault, FaultsError, GateError, NotFoundError
from studio.models.pull.wanted import CHUNK_BYTES, Wanted, kept_as
from studio.records.pullable import HubFile, HubSource


class LocalFolder:
    """A folder that holds copies of the repositories: `<folder>/<owner>/<name>/<path>`, or a single one directly.

    Args:
        folder: read only, never changed.

    Raises:
        NotFoundError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotFoundError(f"There is no folder {folder}.", "Check the path.")
        self._folder = folder
        self.name = str(folder)

    def look_up(self, source: HubSource) -> list[Wanted]:
        """The files of one repository. Raises FaultsError with all that are missing, GateError for a wrong size."""
        found = [(file, self._find(source.repo, file)) for file in source.files]
        faults = [Fault(f"{source.repo}/{file.path}", "is not in the folder.") for file, path in found if path is None]
        if faults:
            raise FaultsError(
                f"Folder {self._folder}", faults, f"Put the files of a repository into {self._folder}/OWNER/NAME/."
            )
        return [self._wanted(source, file, path) for file, path in found if path is not None]

    @contextmanager
    def read(self, file: Wanted, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """A file's bytes from `start` on (see `Source.read`)."""
        path = self._find(file.repo, HubFile(path=file.source_path, save_as=file.path))
        if path is None:
            raise NotFoundError(f"{file.source_path} is gone from {self._folder}.", "Put it back, and pull again.")
        with path.open("rb") as stream:
            stream.seek(start)
            yield start, _chunks(stream)

    def _find(self, repo: str, file: HubFile) -> Path | None:
        places = (self._folder / repo / file.path, self._folder / file.path, self._folder / kept_as(file))
        return next((place for place in places if place.is_file()), None)

    def _wanted(self, source: HubSource, file: HubFile, path: Path) -> Wanted:
        size = path.stat().st_size
        if file.size_bytes and size != file.size_bytes:
            raise GateError(
                f"{path} is not the file that the preset names: it has {size} bytes, not {file.size_bytes}.",
                "Fetch it again where there is a connection.",
            )
        return Wanted(source.repo, "", file.path, kept_as(file), size, file.sha256)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
