"""A stack of LoRAs as one: each held against the model that it is for, then joined along the rank.

With A_i (r_i, in), B_i (out, r_i) and s_i = weight_i * alpha_i / r_i, the sum of s_i B_i A_i is
[s_1 B_1 ... s_n B_n] [A_1; ...; A_n], which is what peft's `set_adapters` computes one by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from studio.errors import CapabilityError
from studio.models.lora_file import LoraLayer, LoraPart

KEY = re.compile(
    r"(?:base_model\.model\.)?(?:unet\.|transformer\.)?(?P<module>.+?)\.(?P<part>lora_A|lora_B)(?:\.[\w-]+)?\.weight"
)
Stack = Sequence[tuple[Mapping[str, Tensor] | LoraPart, float, float]]
"""(weights, lora_alpha, adapter weight) of each adapter.

Weights are what a file holds for this model, where each layer has its own alpha and lora_alpha says nothing; or a state
dict in peft's naming, all of whose layers have lora_alpha.
"""
TEXT_MODEL = "text_model."


class Joined(NamedTuple):
    """One layer of a stack.

    A is (r, in) or (r, in, kh, kw); B is (out, r) or (out, r, 1, 1), already times weight * alpha / r.
    """

    a: Tensor
    b: Tensor


Layers = Mapping[str, Joined]
"""Layer name -> its A and B."""


def concatenated(parts: Sequence[tuple[LoraPart, float]]) -> Layers:
    """Parts with their weights as one LoRA: A stacked by rows, scaled B by columns, in fp32."""
    found: dict[str, list[Joined]] = {}
    for part, weight in parts:
        for name, layer in part.layers.items():
            scale = weight * layer.alpha / layer.down.shape[0]
            up = layer.up.float()
            found.setdefault(name, []).append(Joined(layer.down.float(), up if scale == 1 else up * scale))
    return {name: layers[0] if len(layers) == 1 else _joined(layers) for name, layers in found.items()}


def _joined(layers: Sequence[Joined]) -> Joined:
    return Joined(torch.cat([layer.a for layer in layers]), torch.cat([layer.b for layer in layers], dim=1))


def parts_of(stack: Stack) -> list[tuple[LoraPart, float]]:
    """The adapters of a stack that change anything in this model. Raises CapabilityError."""
    parts = [(w if isinstance(w, LoraPart) else _read(w, alpha), weight) for w, alpha, weight in stack]
    return [(part, weight) for part, weight in parts if part.layers]


def fitted(part: LoraPart, modules: Mapping[str, nn.Module]) -> LoraPart:
    """The part under the model's own names and shapes: a 1x1 convolution and a linear layer are the same.

    Raises:
        CapabilityError: a layer that the model does not have, or has in another shape.
    """
    flat = "text_model" not in modules  # as CLIPTextModel is since transformers 5
    layers: dict[str, LoraLayer] = {}
    unknown: list[str] = []
    for said, layer in part.layers.items():
        name = said.removeprefix(TEXT_MODEL) if flat else said
        weight = _weight(modules.get(name))
        if weight is None:
            unknown.append(said)
            continue
        layers[name] = _shaped(part.file, said, layer, weight.shape)
    if unknown:
        raise CapabilityError(
            f"{part.file} changes layers that this base does not have ({unknown[0]} and {len(unknown) - 1} more).",
            "It was trained on another base; choose that one.",
        )
    return LoraPart(part.file, layers)


def _weight(module: nn.Module | None) -> Tensor | None:
    inner: Any = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
    weight = getattr(inner, "weight", None)
    return weight if isinstance(weight, Tensor) and weight.dim() in (2, 4) else None


def _shaped(file: str, name: str, layer: LoraLayer, shape: torch.Size) -> LoraLayer:
    """The layer for a weight of this shape. Raises CapabilityError."""
    down, up = layer.down, layer.up
    if down.dim() == 4 and len(shape) == 2 and down.shape[2:] == (1, 1):
        down, up = down[:, :, 0, 0], up[:, :, 0, 0]
    elif down.dim() == 2 and shape[2:] == (1, 1):
        down, up = down[:, :, None, None], up[:, :, None, None]
    changed = (up.shape[0], *down.shape[1:])
    if changed != tuple(shape):
        raise CapabilityError(
            f"{file}: {name} changes a layer of {_by(changed)}, this base's has {_by(tuple(shape))}.",
            "It was trained on another base; choose that one.",
        )
    return LoraLayer(down, up, layer.alpha)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _read(state_dict: Mapping[str, Tensor], alpha: float) -> LoraPart:
    """A state dict in peft's naming, all of one alpha. Raises CapabilityError."""
    halves: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state_dict.items():
        match = KEY.fullmatch(key)
        if match is None or match["module"].startswith("text_encoder"):
            raise CapabilityError(
                f"The LoRA holds {key[:120]!r}, which cannot be applied here.",
                "Only LoRAs on the UNet in diffusers' layout (lora_A, lora_B) are; convert it first.",
            )
        halves.setdefault(match["module"], {})[match["part"]] = tensor
    lone = [name for name, parts in halves.items() if not _whole(parts)]
    if lone or not halves:
        raise CapabilityError(
            f"The LoRA's layer {lone[0] if lone else '(none)'} is not whole.", "Get the file again, or train it anew."
        )
    layers = {name: LoraLayer(parts["lora_A"], parts["lora_B"], alpha) for name, parts in halves.items()}
    return LoraPart("The LoRA", layers)


def _whole(parts: Mapping[str, Tensor]) -> bool:
    return len(parts) == 2 and parts["lora_A"].shape[0] == parts["lora_B"].shape[1]
