"""Registry: from a base's name to its family, its capabilities and its checked folder."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import NotFoundError
from studio.models.families import FAMILIES
from studio.models.family import Family
from studio.models.gate import WeightsHeader, check_model_folder
from studio.records.capabilities import BaseCard, Capabilities

if TYPE_CHECKING:
    from studio.presets import Presets

Fingerprint = tuple[tuple[str, int, int], ...]


class Registry:
    """The bases under `presets/bases/`. A folder passes the gate once, and again whenever a file in it has changed."""

    def __init__(self, presets: Presets) -> None:
        self._presets = presets
        self._lock = threading.Lock()
        self._checked: dict[str, tuple[Fingerprint, dict[str, WeightsHeader]]] = {}

    def card(self, base: str) -> BaseCard:
        """The base's card. Raises NotFoundError."""
        cards = self._presets.bases()
        if base not in cards:
            known = ", ".join(sorted(cards)) or "none"
            raise NotFoundError(f"There is no base named {base!r}.", f"Known bases: {known}.")
        return cards[base]

    def family(self, base: str) -> Family:
        """The family of a base. Raises NotFoundError."""
        card = self.card(base)
        if card.family not in FAMILIES:
            raise NotFoundError(
                f"The base {base!r} is of the family {card.family!r}, which is not known here.",
                f"Known families: {', '.join(sorted(FAMILIES))}.",
            )
        return FAMILIES[card.family]

    def capabilities(self, base: str) -> Capabilities:
        """What a base can do, without loading anything."""
        return self.family(base).capabilities

    def folder(self, base: str) -> Path:
        """The base's folder, after it has passed the gate. Raises NotFoundError, GateError."""
        self.weights(base)
        return self._presets.base_folder(base)

    def weights(self, base: str) -> dict[str, WeightsHeader]:
        """The base's weights files by relative path, with their sha256. Raises NotFoundError, GateError."""
        folder = self._presets.base_folder(base)
        fingerprint = _fingerprint(folder)
        with self._lock:
            known = self._checked.get(base)
            if known is None or known[0] != fingerprint:
                known = self._checked[base] = fingerprint, check_model_folder(folder)
        return dict(known[1])


def _fingerprint(folder: Path) -> Fingerprint:
    """Cheap evidence that nothing changed: name, size and time of change of everything inside."""
    stats = ((path, path.lstat()) for path in sorted(folder.rglob("*")))
    return tuple((path.relative_to(folder).as_posix(), s.st_size, s.st_mtime_ns) for path, s in stats)
