"""Reads brand models' LoRAs: the card says what the file must be, the gate holds it to that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.errors import GateError
from studio.generate.pictures import Adapter
from studio.models.lora_file import read_lora

if TYPE_CHECKING:
    from studio.presets import Presets


def load_adapter(presets: Presets, name: str) -> Adapter:
    """A brand model's card and weights.

    Raises:
        NotFoundError: no such brand model, or its file is gone.
        GateError: the file is not the one that the card was written for, or not a plain file beside the card.
        CapabilityError: it is no LoRA that can be applied.
    """
    folder = presets.brand_model_folder(name)
    card = presets.brand_models()[name]
    path = folder / card.weights_file
    if path.parent.resolve() != folder.resolve() or path.is_symlink():
        raise GateError(
            f"The card of {name} points to weights outside its folder.", "Train or copy the brand model again."
        )
    return Adapter(card, read_lora(path, allow={card.weights_sha256}))
