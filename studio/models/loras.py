"""LoraDesk: LoRAs from elsewhere become brand models, and brand models become files for other tools."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from studio.errors import ConflictError, Fault, FaultsError, InputError, NotFoundError, StudioError
from studio.models.gate import check_weights
from studio.models.lora_export import export, usual
from studio.models.lora_family import check_family, misfits
from studio.models.lora_file import LoraFile, read_lora
from studio.records.base import field_faults, now
from studio.records.brand_model import BrandModel, ImportedLora, LoraLayout
from studio.records.capabilities import BaseCard
from studio.store import write_atomic

if TYPE_CHECKING:
    from studio.presets import Presets

SHOWN = 5
"""Layers that an error names; a LoRA for another base has hundreds of them."""


class LoraDesk:
    """LoRA files in and out of one folder of brand models."""

    def __init__(self, presets: Presets, brand_models: Path) -> None:
        self._presets = presets
        self._brand_models = brand_models

    def bring_in(
        self, path: Path, *, name: str, base: str, trigger_token: str | None = None, source: str, owner: str,
        licence: str, commercial_use: bool | None = None, by: str,
    ) -> tuple[BrandModel, tuple[str, ...]]:  # fmt: skip
        """Make a brand model of a LoRA file, whose bytes are kept as they are.

        Args:
            trigger_token: the word that calls it; None takes what the file's header says.
            source, owner, licence, commercial_use, by: what a person says of its rights, and who.

        Returns:
            Its card, and what could not be checked or has to be known, in words.

        Raises:
            NotFoundError, GateError: no such file or base, or a file that the gate refuses.
            FaultsError: facts that are missing, or layers that the base does not have.
            CapabilityError: no LoRA that can be applied, or one for another family.
            ConflictError: there is a brand model of that name.
        """
        card = self._presets.base(base)
        if (self._brand_models / name).exists():
            raise ConflictError(f"There is already a brand model {name}.", "Choose another name.")
        _complete(source=source, owner=owner, licence=licence, by=by)
        lora = read_lora(path)
        said = ImportedLora(
            file_name=path.name, layout=lora.layout, source=source, owner=owner, licence=licence,
            commercial_use=commercial_use, by=by,
        )  # fmt: skip
        trigger = lora.metadata.get("modelspec.trigger_phrase", "") if trigger_token is None else trigger_token
        model = _card(lora, card, name, trigger, said)
        notes = self._check(lora, card)
        self._put(path, model)
        return model, notes

    def read(self, name: str) -> LoraFile:
        """The LoRA of a brand model. Raises as `read_lora`, and NotFoundError."""
        card, folder = self._presets.brand_models().get(name), self._presets.brand_model_folder(name)
        assert card is not None, "its folder was found by the card"
        return read_lora(folder / card.weights_file, allow={card.weights_sha256})

    def export(self, name: str, layout: LoraLayout, to: Path) -> int:
        """Write a brand model's LoRA for other tools; returns the file's size in bytes.

        Raises:
            NotFoundError: no such brand model or folder.
            InputError: the path has another suffix than .safetensors.
            ConflictError: there is a file already.
            CapabilityError: no tool reads this family in this layout.
        """
        if to.suffix != ".safetensors":
            raise InputError(f"{to.name} is no name of a LoRA file.", "End it in .safetensors.")
        if to.exists():
            raise ConflictError(f"There is already a file {to}.", "Choose another name, or remove that one.")
        if not to.parent.is_dir():
            raise NotFoundError(f"There is no folder {to.parent}.", "Make it, or choose another path.")
        lora, card = self.read(name), self._presets.brand_models()[name]
        said = {
            "modelspec.sai_model_spec": "1.0.0", "modelspec.title": card.name,
            "modelspec.trigger_phrase": card.trigger_token, "modelspec.license": _licences(card),
        }  # fmt: skip
        data = export(lora, layout, self._presets.base(card.base).family, said)
        write_atomic(to, data)
        return len(data)

    def _check(self, lora: LoraFile, card: BaseCard) -> tuple[str, ...]:
        """Holds the LoRA against the base; returns what is worth knowing."""
        check_family(lora, card.family, card.name)
        notes = []
        if not lora.alpha_known:
            notes.append("The file does not say its alpha: alpha is taken as the rank, as other tools do.")
        try:
            folder = self._presets.base_folder(card.name)
        except StudioError as error:
            notes.append(f"Its layers were not checked against the base: {error.message}")
        else:
            faults = misfits(lora, folder)
            if faults:
                more = [Fault("and", f"{len(faults) - SHOWN} more.")] if len(faults) > SHOWN else []
                raise FaultsError(
                    f"{lora.name} does not fit the base {card.name}", [*faults[:SHOWN], *more], "Choose its own base."
                )
        notes.append("Its training photos are not known: review cannot look for copies of them.")
        return tuple(notes)

    def _put(self, path: Path, model: BrandModel) -> None:
        unfinished = self._brand_models / ".unfinished" / f"{model.name}-{secrets.token_hex(4)}"
        try:
            write_atomic(unfinished / model.weights_file, path.read_bytes())
            check_weights(unfinished / model.weights_file, allow={model.weights_sha256})
            write_atomic(unfinished / "card.json", model.model_dump_json(indent=1).encode())
            os.rename(unfinished, self._brand_models / model.name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _complete(**facts: str) -> None:
    faults = [
        Fault(name, "is not given.", "Say it; nobody else can.") for name, text in facts.items() if not text.strip()
    ]
    if faults:
        raise FaultsError("Rights of the LoRA", faults)


def _card(lora: LoraFile, base: BaseCard, name: str, trigger_token: str, said: ImportedLora) -> BrandModel:
    rank, alpha = usual(lora)
    try:
        return BrandModel(
            name=name, base=base.name, base_licence=base.licence, trigger_token=trigger_token,
            weights_sha256=lora.sha256, lora_rank=rank, lora_alpha=alpha, imported=said, created_at=now(),
        )  # fmt: skip
    except ValidationError as error:
        raise FaultsError("The brand model", field_faults(error)) from error


def _licences(card: BrandModel) -> str:
    if card.imported is None:
        return card.base_licence
    return f"{card.imported.licence}; base {card.base_licence}"
