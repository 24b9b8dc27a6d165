"""Overview: every base and what can be added to it in one list, with state, size, licence, memory and abilities.

Presets are read once for the whole list: they are files, and asking for each thing by name would read all of them anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from studio.errors import GateError, NotFoundError
from studio.models.family import DTYPE_BYTES, AddOn
from studio.models.installed import Installed, bytes_of
from studio.models.pull.wanted import check_asked
from studio.models.registry import Registry
from studio.presets import Presets
from studio.records.capabilities import BaseCard, Capabilities, Capability, MemoryNeed
from studio.records.model_row import MemoryFit, ModelRow, ModelState
from studio.records.pullable import Licence, LicenceAcceptance, Pullable
from studio.store import Store

Room = tuple[str, int]
"""(dtype, bytes of memory) of the device."""


class Overview:
    """The list. Nothing is loaded or fetched for it."""

    def __init__(self, store: Store, presets: Presets, installed: Installed, registry: Registry) -> None:
        self._store, self._presets, self._installed, self._registry = store, presets, installed, registry

    def rows(self, room: Room | None = None) -> list[ModelRow]:
        """Bases in their order, then what can be added, each with how it stands now.

        Args:
            room: what the device computes in, and its memory; None: not known yet.

        Raises:
            FaultsError: presets that cannot be read.
        """
        bases, items = self._presets.bases(), self._presets.pullables()
        states: dict[str, ModelState] = {name: "bundled" for name, card in bases.items() if card.pullable is None}
        states |= {name: self._installed.shelf.state(item) for name, item in items.items()}
        said = self._store.licence_acceptances.find()
        rows = [self._base(card, items.get(card.name), states, said, room) for card in bases.values()]
        rows += [self._pullable(item, states, said) for item in items.values() if item.kind != "base"]
        return rows

    def _base(
        self, card: BaseCard, item: Pullable | None, states: Mapping[str, ModelState],
        said: list[LicenceAcceptance], room: Room | None,
    ) -> ModelRow:  # fmt: skip
        row = self._bundled(card) if item is None else self._pullable(item, states, said)
        trained = [model.name for model in self._presets.brand_models().values() if model.base == card.name]
        row = row.model_copy(
            update={
                "memory": tuple(_fits(card.memory, room)), "memory_source": card.memory_source,
                "brand_models": tuple(trained),
            }
        )  # fmt: skip
        try:
            able = dict(_flat(self._registry.capabilities(card.name)))
            needs = dict(self._needs(card, states))
        except NotFoundError as error:
            return row.model_copy(update={"refused": error.message})
        cannot = {thing: can.reason for thing, can in able.items() if not can.supported}
        needs = {thing: name for thing, name in needs.items() if thing not in cannot}
        can = tuple(thing for thing in able if thing not in cannot and thing not in needs)
        return row.model_copy(update={"can": can, "cannot": cannot, "needs": needs})

    def _bundled(self, card: BaseCard) -> ModelRow:
        try:
            disk_bytes, refused = bytes_of(self._presets.base_folder(card.name)), ""
        except NotFoundError as error:
            disk_bytes, refused = 0, error.message
        return ModelRow(
            name=card.name, title=card.title, kind="base", family=card.family, state="bundled", notes=card.notes,
            licence=Licence(name=card.licence, commercial_use=card.commercial_use, source=card.licence_source),
            disk_bytes=disk_bytes, refused=refused,
        )  # fmt: skip

    def _pullable(self, item: Pullable, states: Mapping[str, ModelState], said: list[LicenceAcceptance]) -> ModelRow:
        files = [file for source in item.sources for file in source.files]
        accepted = next((one for one in reversed(said) if (one.name, one.licence) == (item.name, item.licence)), None)
        try:
            check_asked(item)
            refused = ""
        except GateError as error:
            refused = error.message
        shelf = self._installed.shelf
        return ModelRow(
            name=item.name, title=item.title, kind=item.kind, state=states[item.name], licence=item.licence,
            family=item.family if item.kind in ("base", "controlnet", "ip_adapter") else "",
            accepted_by=accepted.accepted_by if accepted else "",
            accepted_at=accepted.accepted_at if accepted else None,
            pull_bytes=sum(file.size_bytes for file in files), pull_bytes_known=all(file.size_bytes for file in files),
            disk_bytes=bytes_of(shelf.place(item)) + bytes_of(shelf.staging(item)),
            notes=item.notes, sources=tuple(source.repo for source in item.sources), refused=refused,
        )  # fmt: skip

    def _needs(self, card: BaseCard, states: Mapping[str, ModelState]) -> Iterator[tuple[str, str]]:
        """Abilities whose add-on is not on this machine, with the add-on that is preferred for each."""
        family = self._registry.family(card.name)
        choices = {f"controlnet:{kind}": addons for kind, addons in family.controlnets.items()}
        choices["reference_image"] = family.ip_adapters
        for thing, addons in choices.items():
            fitting = [addon for addon in addons if addon.base in ("", card.name)]
            if fitting and not any(_is_here(addon, card.name, states) for addon in fitting):
                yield thing, fitting[0].name


def _is_here(addon: AddOn, base: str, states: Mapping[str, ModelState]) -> bool:
    """Whether an add-on is on this machine; what is a component of the base itself comes with the base."""
    return addon.name in ("", base) or states.get(addon.name) == "installed"


def _flat(capabilities: Capabilities) -> Iterator[tuple[str, Capability]]:
    """Every ability of a base in the order in which a person reads them."""
    yield "text_to_image", capabilities.text_to_image
    yield "lora_load", capabilities.lora_load
    yield "lora_train", capabilities.lora_train
    yield from ((f"controlnet:{kind}", capability) for kind, capability in capabilities.controlnet.items())
    yield "reference_image", capabilities.reference_image
    yield "inpaint", capabilities.inpaint


def _fits(needs: tuple[MemoryNeed, ...], room: Room | None) -> Iterator[MemoryFit]:
    """The needs of a base in the dtype that the device computes in, each held against its memory."""
    dtype, room_bytes = room or ("bf16", None)
    for need in needs:
        if need.dtype == "bf16":
            kept, size = dtype, need.weights_bytes * DTYPE_BYTES[dtype] // DTYPE_BYTES["bf16"]
        elif dtype == "bf16":
            kept, size = need.dtype, need.weights_bytes
        else:
            continue  # weights are only kept in fp8 where the device computes in bf16
        fits = None if room_bytes is None else size <= room_bytes
        yield MemoryFit(dtype=kept, offload=need.offload, weights_bytes=size, fits=fits)
