"""What a pull asks for: which kinds of files at all, and each file as the place it comes from describes it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from studio.errors import Fault, GateError
from studio.records.pullable import HubFile, HubSource, Pullable

SUFFIXES = frozenset({".safetensors", ".json", ".txt"})
"""Weights, configs, vocabularies. A pickle is never asked for, whatever a preset says."""
ONNX_KINDS = frozenset({"annotator", "tool"})
"""Kinds of things that may be ONNX files."""
CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Wanted:
    """One file of a pull.

    Attributes:
        path: where it is kept, relative to the thing's folder.
        sha256: what it must be; None where the place it comes from keeps none for small files.
        git_sha1: git's name of the same bytes, which hubs keep for small files.
    """

    repo: str
    commit: str
    source_path: str
    path: str
    size_bytes: int
    sha256: str | None = None
    git_sha1: str | None = None

    @property
    def key(self) -> str:
        """Tells this file at this commit from any other; safe as a file name."""
        words = "\n".join((self.repo, self.commit, self.source_path, self.path, str(self.size_bytes)))
        return hashlib.sha256(words.encode()).hexdigest()[:32]


class Source(Protocol):
    """A place that files come from."""

    @property
    def name(self) -> str:
        """The hub's address, or the folder."""
        ...

    def look_up(self, source: HubSource) -> list[Wanted]:
        """The files of one repository as this place has them. Raises StudioError."""
        ...

    def read(self, file: Wanted, start: int) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """A file's bytes from `start` on, in chunks, with the byte at which they really begin (`start`, or 0 where
        the place cannot begin in the middle). Raises ConnectionError where the way is cut; StudioError.
        """
        ...


def kept_as(file: HubFile) -> str:
    """Where a file is kept, relative to the thing's folder."""
    return file.save_as or file.path


def check_asked(item: Pullable) -> None:
    """Holds what a preset asks for against what may be asked for. Raises GateError with every fault."""
    allowed = SUFFIXES | ({".onnx"} if item.kind in ONNX_KINDS else set())
    files = [file for source in item.sources for file in source.files]
    faults = [fault for file in files for fault in _faults(file, allowed)]
    twice = [path for path, count in Counter(map(kept_as, files)).items() if count > 1]
    faults += [Fault(path, "is the place of two files.") for path in twice]
    if faults:
        lines = "\n".join(f"  {fault.where}: {fault.what}" for fault in faults)
        raise GateError(
            f"{item.name} asks for files that are never fetched:\n{lines}",
            f"Weights come as .safetensors only{' or .onnx' if item.kind in ONNX_KINDS else ''}; mend the preset.",
        )


def _faults(file: HubFile, allowed: frozenset[str] | set[str]) -> Iterator[Fault]:
    kept = PurePosixPath(kept_as(file))
    suffix = PurePosixPath(file.path).suffix.lower()
    if suffix not in allowed:
        yield Fault(file.path, f"is of a kind that can run code, or that nothing here reads ({suffix or 'no suffix'}).")
    if kept.suffix.lower() != suffix:
        yield Fault(file.path, f"would be kept under another kind's name ({kept}).")
    for path in (kept, PurePosixPath(file.path)):
        if path.is_absolute() or "\\" in str(path) or any(part.startswith(".") for part in path.parts):
            yield Fault(str(path), "leads out of the folder, or is hidden.")
