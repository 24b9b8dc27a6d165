"""Reads brand models' LoRAs: the card says what the file must be, the gate holds it to that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.errors import GateError
from studio.generate.pictures import Adapter
from studio.models.weights import load_weights

if TYPE_CHECKING:
    from studio.presets import Presets

MAX_LORA_BYTES = 2**30


def load_adapter(presets: Presets, name: str) -> Adapter:
    """A brand model's card and weights.

    Raises:
        NotFoundError: no such brand model, or its file is gone.
        GateError: the file is not the one that the card was written for, or not a plain file beside the card.
    """
    folder = presets.brand_model_folder(name)
    card = presets.brand_models()[name]
    path = folder / card.weights_file
    if path.parent.resolve() != folder.resolve() or path.is_symlink():
        raise GateError(
            f"The card of {name} points to weights outside its folder.", "Train or copy the brand model again."
        )
    _, state_dict = load_weights(path, max_bytes=MAX_LORA_BYTES, allow={card.weights_sha256})
    return Adapter(card, state_dict)
