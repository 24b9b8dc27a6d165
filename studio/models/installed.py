"""Installed: which bases and add-ons are on this machine, and where; checks them again, and takes them away."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from studio.errors import ConflictError, Fault, FaultsError
from studio.models.gate import check_model_folder
from studio.presets import Presets, pick
from studio.records.capabilities import BaseCard
from studio.records.pullable import Manifest, Pullable
from studio.settings import Settings
from studio.shelf import Shelf, State, again, alone

OnRead = Callable[[int, int, str], None]
"""(bytes read so far, bytes in all, the file that is read); what it raises ends a check there."""
CHUNK_BYTES = 2**22


class Installed:
    """Everything that can be pulled, by name, and the bundled bases beside it."""

    def __init__(self, settings: Settings, presets: Presets) -> None:
        self._presets = presets
        self.shelf = Shelf(settings.models_dir)

    def state(self, name: str) -> State:
        """Whether it can be used now. A bundled base is `installed`. Raises NotFoundError."""
        item = self._pullable(name)
        return "installed" if item is None else self.shelf.state(item)

    def base_states(self) -> dict[str, State]:
        """Every base by name with whether it can be used now; the presets are read once. Raises FaultsError."""
        items = {name: card.pullable for name, card in self._presets.bases().items()}
        return {name: "installed" if item is None else self.shelf.state(item) for name, item in items.items()}

    def folder(self, name: str) -> Path:
        """The folder of what is installed under that name; a bundled base's own folder.

        Raises:
            NotFoundError: nothing is called so.
            CapabilityError: it is not here, only half here, or damaged; the next step names the command.
        """
        item = self._pullable(name)
        return self._presets.base_folder(name) if item is None else self.shelf.folder(item)

    def manifest(self, name: str) -> Manifest | None:
        """What was pulled, from where and when; None for a bundled base. Raises as `folder`."""
        item = self._pullable(name)
        if item is None:
            return None
        self.shelf.folder(item)
        return self.shelf.manifest(item)

    def verify(self, name: str, tell: OnRead = lambda done, total, path: None) -> dict[str, str]:
        """Reads every file and holds it against the manifest; a bundled base goes through the gate.

        Args:
            tell: called before every few megabytes of what was pulled.

        Returns:
            Relative path -> sha256 of what was read.

        Raises:
            NotFoundError, CapabilityError: as `folder`, but what is damaged is read all the same.
            FaultsError: every file that is missing, foreign or changed.
        """
        item = self._pullable(name)
        if item is None:
            headers = check_model_folder(self._presets.base_folder(name))
            return {path: header.sha256 for path, header in headers.items()}
        manifest, place = self.shelf.manifest(item), self.shelf.place(item)
        digests: dict[str, str] = {}
        faults: list[Fault] = []
        done, total = 0, sum(file.size_bytes for file in manifest.files)

        def told(size: int) -> None:
            tell(min(done + size, total), total, file.path)

        for file in manifest.files:
            if not (place / file.path).is_file():
                faults.append(Fault(file.path, "is missing."))
                continue
            digests[file.path] = sha256_of(place / file.path, told)
            done += file.size_bytes
            if digests[file.path] != file.sha256:
                faults.append(Fault(file.path, f"has the sha256 {digests[file.path]}, not {file.sha256} as pulled."))
        if faults:
            raise FaultsError(f"Files of {name}", faults, again(item))
        return digests

    def remove(self, name: str) -> int:
        """Takes it off the disk, also what a pull has left half done.

        Returns:
            Bytes that became free.

        Raises:
            NotFoundError: nothing is called so.
            ConflictError: it is bundled, or being pulled.
        """
        item = self._pullable(name)
        if item is None:
            raise ConflictError(f"{name} is part of the studio itself.", "Only what was pulled is removed.")
        place, staging = self.shelf.place(item), self.shelf.staging(item)
        with alone(staging) if staging.is_dir() else nullcontext():
            return _take_away(place) + _take_away(staging)

    def _pullable(self, name: str) -> Pullable | None:
        """None: a bundled base. Raises NotFoundError."""
        pullables, bases = self._presets.pullables(), self._presets.bases()
        known: dict[str, Pullable | BaseCard] = {**bases, **pullables}
        pick(known, name, "base or add-on")
        return pullables.get(name)


def bytes_of(folder: Path) -> int:
    """Bytes of the files in a folder that may not exist."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def _take_away(folder: Path) -> int:
    """Removes a folder that may not exist; returns the bytes of its files."""
    if not folder.is_dir():
        return 0
    freed = bytes_of(folder)
    shutil.rmtree(folder)
    return freed


def sha256_of(path: Path, tell: Callable[[int], None] = lambda size: None) -> str:
    """The sha256 of a file's bytes. `tell` hears before each chunk how many have been read."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            tell(size)
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest()
