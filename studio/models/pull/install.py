"""Install: the gate in front of what was fetched, and the one move that makes it usable."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from studio.errors import GateError
from studio.models.gate import check_model_folder
from studio.models.onnx_gate import check_onnx
from studio.models.pull.staging import Staging, plain_disk_errors
from studio.models.pull.wanted import Wanted
from studio.records.base import now
from studio.records.pullable import Manifest, Pullable, PulledFile
from studio.shelf import MANIFEST, Shelf


def install(item: Pullable, source: str, wanted: Sequence[Wanted], staging: Staging, shelf: Shelf) -> Manifest:
    """Holds the fetched files against the gate and puts them in their place, all at once.

    Raises:
        GateError: a file was refused; then none is kept.
        ResourceError: the disk is full.
    """
    digests = {file.path: staging.sha256(file) or "" for file in wanted}
    try:
        _pass_gate(staging.files, digests)
    except GateError:
        staging.clear()
        raise
    manifest = Manifest(
        name=item.name,
        kind=item.kind,
        source=source,
        pulled_at=now(),
        files=tuple(
            PulledFile(
                path=file.path,
                size_bytes=file.size_bytes,
                sha256=digests[file.path],
                repo=file.repo,
                commit=file.commit,
                source_path=file.source_path,
            )
            for file in wanted
        ),
    )
    with plain_disk_errors(staging.files):
        _write(staging.files / MANIFEST, manifest.model_dump_json(indent=2))
        _put(staging.files, shelf.place(item))
    staging.clear()
    return manifest


def _pass_gate(folder: Path, digests: dict[str, str]) -> None:
    """Raises GateError: a file that no library may see, or that is not what was fetched."""
    onnx = {path for path in digests if path.lower().endswith(".onnx")}
    for path in sorted(onnx):
        check_onnx(folder / path, allow={digests[path]})
    for path, header in check_model_folder(folder, passed=onnx).items():
        if header.sha256 != digests[path]:
            raise GateError(f"{path} has changed since it was fetched.", "Pull it again.")


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _put(files: Path, place: Path) -> None:
    """Moves a folder to its place; what was damaged there goes away first, under a name that counts for nothing."""
    if place.exists():
        aside = place.with_name(f".{place.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(place, aside)
        os.replace(files, place)
        shutil.rmtree(aside)
    else:
        os.replace(files, place)
