"""Shelf: where pulled models lie, and how a whole one is told from a half-pulled one.

`<models>/<kind>/<name>/` is put there in one move once every file has passed the gate; the manifest inside says what it
consists of. Until then the files grow in `<models>/<kind>/.<name>/`, a name that no model can have.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from studio.errors import CapabilityError, ConflictError, GateError
from studio.records.pullable import Manifest, Pullable

MANIFEST = "pulled.json"

State = Literal["absent", "partial", "installed", "damaged"]
"""`partial`: a pull was begun and not ended. `damaged`: a file is missing, or has another size than was pulled."""


class Shelf:
    """The folder of pulled models."""

    def __init__(self, models: Path) -> None:
        self._models = models

    def place(self, item: Pullable) -> Path:
        """Where a thing lies once it is pulled."""
        return self._models / item.kind / item.name

    def staging(self, item: Pullable) -> Path:
        """Where its files grow during a pull."""
        return self._models / item.kind / f".{item.name}"

    def manifest(self, item: Pullable) -> Manifest:
        """What was pulled. Raises CapabilityError: nothing was; GateError: the record of it cannot be read."""
        path = self.place(item) / MANIFEST
        if not path.is_file():
            raise self._missing(item)
        try:
            return Manifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise GateError(f"{path} cannot be read.", again(item)) from error

    def state(self, item: Pullable) -> State:
        """Whether it is here, by names and sizes; the content is read only by a check that is asked for."""
        folder = self.place(item)
        if not folder.is_dir():
            return "partial" if self.staging(item).is_dir() else "absent"
        try:
            files = self.manifest(item).files
        except (CapabilityError, GateError):
            return "damaged"
        return "installed" if all(_has_size(folder / f.path, f.size_bytes) for f in files) else "damaged"

    def folder(self, item: Pullable) -> Path:
        """The folder of a thing that is whole. Raises CapabilityError that names the command which mends it."""
        if self.state(item) != "installed":
            raise self._missing(item)
        return self.place(item)

    def _missing(self, item: Pullable) -> CapabilityError:
        state = self.state(item) if not self.place(item).is_dir() else "damaged"
        if state == "partial":
            return CapabilityError(f"{item.title} ({item.name}) is only half pulled.", f"Go on with `{command(item)}`.")
        if state == "damaged":
            return CapabilityError(f"Files of {item.title} ({item.name}) are missing or cut short.", again(item))
        return CapabilityError(
            f"{item.title} ({item.name}) is not on this machine yet.", f"Fetch it once with `{command(item)}`."
        )


@contextmanager
def alone(staging: Path) -> Iterator[None]:
    """Only one process at a time has a hand on the growing files. Raises ConflictError."""
    with (staging / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                f"{staging.name.lstrip('.')} is being pulled already.", "Wait for it; see the jobs."
            ) from error
        yield


def command(item: Pullable) -> str:
    """The command that pulls a thing."""
    return f"python app.py models pull {item.name}"


def again(item: Pullable) -> str:
    """The next step where what was pulled has been damaged."""
    return f"Run `python app.py models remove {item.name}`, then `{command(item)}`."


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes
