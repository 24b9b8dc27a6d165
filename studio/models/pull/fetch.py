"""Fetches one file: goes on where an earlier try was cut, and keeps only what is the file that was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable

from studio.errors import ConflictError, GateError
from studio.models.pull.staging import Part, Staging, plain_disk_errors
from studio.models.pull.wanted import Source, Wanted

TRIES = 4
"""Tries in a row that bring not a single byte."""
PAUSE_S = 0.5

Tell = Callable[[Wanted, int], None]
"""Called before each chunk with the file and its bytes so far; what it raises ends the pull at this chunk."""


def fetch(source: Source, file: Wanted, staging: Staging, tell: Tell) -> str:
    """Brings one file into the staging folder.

    Returns:
        Its sha256.

    Raises:
        ConflictError: the connection was cut again and again; the bytes so far are kept.
        GateError: it is not the file it should be; it is thrown away.
        ResourceError: the disk is full.
        StudioError: what the source raises, or `tell`.
    """
    known = staging.sha256(file)
    if known is not None:
        tell(file, file.size_bytes)
        return known
    part_path = staging.part(file)
    with plain_disk_errors(staging.files.parent):
        with Part(part_path, file.size_bytes) as part:
            _grow(source, file, part, tell)
        try:
            _check(file, part)
        except GateError:
            part_path.unlink()
            raise
        staging.keep(file, part.sha256)
    return part.sha256


def _grow(source: Source, file: Wanted, part: Part, tell: Tell) -> None:
    """Reads until the file has its size; a cut is mended by asking for the rest."""
    tries = 0
    while part.size < file.size_bytes:
        before = part.size
        try:
            _append(source, file, part, tell)
        except ConnectionError as error:
            cut: Exception | None = error
        else:
            cut = None
        if part.size >= file.size_bytes:
            return
        tries = tries + 1 if part.size <= before else 1
        if tries >= TRIES:
            raise ConflictError(
                f"The connection to {source.name} broke at byte {part.size} of {file.size_bytes}, {file.source_path}.",
                "Pull again when it is back: it goes on from there.",
            ) from cut
        time.sleep(PAUSE_S * tries)


def _append(source: Source, file: Wanted, part: Part, tell: Tell) -> None:
    with source.read(file, part.size) as (begins, chunks):
        if begins != part.size:
            part.restart()
        for chunk in chunks:
            tell(file, part.size)
            part.write(chunk)
            if part.size > file.size_bytes:
                part.restart()
                raise GateError(f"{file.source_path} of {file.repo} is longer than announced.", "Pull it again.")
    tell(file, part.size)


def _check(file: Wanted, part: Part) -> None:
    expected, found = (file.sha256, part.sha256) if file.sha256 else (file.git_sha1, part.git_sha1)
    if expected is not None and expected != found:
        raise GateError(
            f"{file.source_path} of {file.repo} arrived changed: its checksum is {found}, not {expected}.",
            "It was thrown away. Pull again; if it happens twice, the source or a proxy changes it.",
        )
