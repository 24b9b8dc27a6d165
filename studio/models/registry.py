"""Registry: from a base's name to its family, its capabilities and its checked folder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import CapabilityError, NotFoundError
from studio.models.families import FAMILIES
from studio.models.family import IMAGE_ENCODER, AddOn, Family, Loader
from studio.models.few_step import FEW_STEP, few_steps_of
from studio.models.gate import WeightsHeader, check_model_folder
from studio.presets import pick
from studio.records.capabilities import BaseCard, Capabilities, Capability

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
        """What a base can do, without loading anything: its family's row, less what its own folder lacks."""
        family = self.family(base)
        known, adapters = family.capabilities, family.ip_adapters
        bundled_only = bool(adapters) and not any(addon.name for addon in adapters)
        if not bundled_only or any(self._has(base, addon.component, IMAGE_ENCODER) for addon in adapters):
            return known
        absent = Capability(supported=False, reason=f"{base} comes without the weights of an IP-Adapter.")
        return known.model_copy(update={"reference_image": absent})

    def control(self, base: str, kind: str) -> AddOn:
        """The ControlNet of a base for one kind of map: the preferred one of those that are on this machine.

        Raises:
            CapabilityError: the base follows no such map, or its ControlNet has yet to be pulled.
        """
        family = self.family(base)
        capability = family.capabilities.controlnet.get(kind)
        if capability is None or not capability.supported:
            reason = capability.reason if capability is not None else "its family has no ControlNet for it."
            what = "a pose" if kind == "openpose" else f"a map of {kind}"
            raise CapabilityError(f"{base} cannot follow {what}: {reason}", "Choose another base, or draw without it.")
        choices = tuple(addon for addon in family.controlnets[kind] if addon.base in ("", base))
        if not choices:
            raise CapabilityError(f"There is no ControlNet for {base} and a map of {kind}.", "Choose another base.")
        return self._first_present(base, choices)

    def reference(self, base: str) -> AddOn:
        """The IP-Adapter of a base: the preferred one of those that are on this machine.

        Raises:
            CapabilityError: the base keeps to no reference picture, or its IP-Adapter has yet to be pulled.
        """
        capability = self.capabilities(base).reference_image
        if not capability.supported:
            what = f"{base} cannot keep to a reference picture: {capability.reason}"
            raise CapabilityError(what, "Choose another base, or no reference.")
        return self._first_present(base, self.family(base).ip_adapters)

    def addons(self, base: str, kinds: Sequence[str], referenced: bool) -> list[AddOn]:
        """What a picture needs beside its base: a ControlNet for each kind of map, then the IP-Adapter where it has a
        reference. Raises as `control` and `reference`.
        """
        return [*(self.control(base, kind) for kind in kinds), *([self.reference(base)] if referenced else [])]

    def previewer(self, base: str) -> AddOn | None:
        """The tiny autoencoder that decodes a base's previews; None where none is on this machine."""
        choices = self.family(base).previewers
        try:
            return self._first_present(base, choices) if choices else None
        except (CapabilityError, NotFoundError):
            return None

    def few_steps(self, base: str) -> int | None:
        """In how many steps a live preview of a base is drawn with weights of its own for that; None: it brings none.

        Raises:
            GateError, FaultsError: it brings some, and they cannot be used.
        """
        if FEW_STEP not in self.family(base).components or not self._has(base, FEW_STEP):
            return None
        return few_steps_of(self.component_folder(base, FEW_STEP))

    def loader(self, base: str, component: str) -> Loader:
        """What loads a component of a base, or of an add-on. Raises CapabilityError, NotFoundError."""
        family = self.family_of(base)
        if component not in family.components:
            raise CapabilityError(
                f"The base {base} has no {component}.", f"It has {', '.join(sorted(family.components))}."
            )
        return family.components[component]

    def family_of(self, name: str) -> Family:
        """The family of a base or of an add-on. Raises NotFoundError."""
        if name in self._presets.bases():
            return self.family(name)
        return FAMILIES[pick(self._presets.pullables(), name, "base or add-on").family]

    def component_folder(self, name: str, component: str) -> Path:
        """The checked folder of a component: a folder of the base, or the add-on's own.

        Raises:
            CapabilityError: it is not there.
            NotFoundError, GateError: as `weights`.
        """
        self.weights(name)
        root = self._root(name)
        folder = root / component
        if folder.is_dir():
            return folder
        if name in self._presets.bases():
            raise CapabilityError(f"The base {name} lacks its folder {component}/.", "Install the base again.")
        return root

    def folder(self, base: str) -> Path:
        """The folder of a base or add-on, after it has passed the gate. Raises NotFoundError, GateError."""
        self.weights(base)
        return self._root(base)

    def weights(self, base: str) -> dict[str, WeightsHeader]:
        """The weights files of a base or add-on by relative path, with their sha256.

        Raises:
            NotFoundError, GateError.
            CapabilityError: it has yet to be pulled.
        """
        folder = self._root(base)
        fingerprint = _fingerprint(folder)
        with self._lock:
            known = self._checked.get(base)
            if known is None or known[0] != fingerprint:
                known = self._checked[base] = fingerprint, check_model_folder(folder)
        return dict(known[1])

    def component_weights(self, name: str, component: str) -> list[WeightsHeader]:
        """The weights files of one component."""
        weights = self.weights(name)
        own = [header for path, header in weights.items() if path.startswith(f"{component}/")]
        if own or name in self._presets.bases():
            return own
        return [header for path, header in weights.items() if "/" not in path]

    def _has(self, base: str, *components: str) -> bool:
        try:
            folder = self._presets.base_folder(base)
        except (CapabilityError, NotFoundError):
            return False
        return all((folder / component).is_dir() for component in components)

    def _root(self, name: str) -> Path:
        return self._presets.model_folder(name)

    def _first_present(self, base: str, choices: tuple[AddOn, ...]) -> AddOn:
        """The first add-on that is on this machine, its name filled in. Raises CapabilityError of the preferred one."""
        missing: CapabilityError | None = None
        for addon in choices:
            named = addon if addon.name else AddOn(base, addon.component)
            try:
                self._root(named.name)
            except CapabilityError as error:
                missing = missing or error
            else:
                return named
        assert missing is not None, f"{base}: a family that can do something names at least one add-on for it"
        raise missing


def _fingerprint(folder: Path) -> Fingerprint:
    """Cheap evidence that nothing changed: name, size and time of change of everything inside."""
    stats = ((path, path.lstat()) for path in sorted(folder.rglob("*")))
    return tuple((path.relative_to(folder).as_posix(), s.st_size, s.st_mtime_ns) for path, s in stats)
