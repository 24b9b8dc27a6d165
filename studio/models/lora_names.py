"""Names of a LoRA's layers: from every layout to our components, by diffusers' own converters.

A converter is asked one layer at a time, so that the layer's alpha, which it would fold into the weights or file under
a name of its own, stays with its layer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from diffusers.loaders.lora_pipeline import StableDiffusionXLLoraLoaderMixin, ZImageLoraLoaderMixin
from diffusers.utils.state_dict_utils import (
    StateDictType,
    convert_state_dict_to_peft,
    convert_unet_state_dict_to_peft,
)
from torch import Tensor

from studio.models.lora_family import Z_IMAGE_LAYER

_unet_to_peft: Any = convert_unet_state_dict_to_peft
_text_to_peft: Any = convert_state_dict_to_peft
COMPONENTS = ("unet", "transformer", "text_encoder_2", "text_encoder")
_WRAPPERS = ("base_model.model.", "diffusion_model.")
_UNET = re.compile(r"(down_blocks|mid_block|up_blocks|conv_in|conv_out|time_embedding|add_embedding)\b")
_LDM_UNET = re.compile(r"(input_blocks|middle_block|output_blocks|time_embed|label_emb|out)\.")
_TEXT = re.compile(r"(text_model\.|encoder\.layers\.)")
_SDXL_ONLY = {f"lora_unet_add_embedding_linear_{n}": f"lora_unet_label_emb_0_{2 * n - 2}" for n in (1, 2)}
"""Names of diffusers that the converter reads only as the original code calls them."""
_LAYERS_PER_BLOCK = SimpleNamespace(layers_per_block=2)
"""Of SD1.5 and SDXL alike; the converter asks for it to count the `input_blocks` of the original code."""


class Named(NamedTuple):
    """Where a layer belongs: the component, and (down, up) under the component's own names.

    More than one layer comes of a projection that the original code fuses: Z-Image's `qkv`.
    """

    component: str
    layers: Mapping[str, tuple[Tensor, Tensor]]


def place(module: str, down: Tensor, up: Tensor, among: Collection[str]) -> Named | None:
    """The layer that a file calls `module`; None where no name that is known here comes of it.

    Args:
        down, up: its matrices.
        among: all modules of the file.
    """
    if module.startswith("lora_"):
        return _z_image(module, down, up, among) if Z_IMAGE_LAYER.match(module) else _kohya(module, down, up)
    component, inner = _component_of(module)
    if component == "transformer":
        return _z_image(f"diffusion_model.{inner}", down, up, {f"diffusion_model.{_component_of(n)[1]}" for n in among})
    if component == "unet" and _LDM_UNET.match(inner):
        return _kohya(f"lora_unet_{inner.replace('.', '_')}", down, up)
    return Named(component, {_plain(component, inner): (down, up)}) if component else None


def _component_of(name: str) -> tuple[str, str]:
    """The component that a dotted name is in, and the name inside it; an empty one where nothing tells."""
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    for component in COMPONENTS:
        if name.startswith(f"{component}."):
            return component, name.removeprefix(f"{component}.").removeprefix("base_model.model.")
    if Z_IMAGE_LAYER.match(name):
        return "transformer", name
    if _UNET.match(name) or _LDM_UNET.match(name):
        return "unet", name
    return ("text_encoder", name) if _TEXT.match(name) else ("", name)


def _kohya(module: str, down: Tensor, up: Tensor) -> Named | None:
    module = _SDXL_ONLY.get(module, module)
    try:
        keys, _ = StableDiffusionXLLoraLoaderMixin.lora_state_dict(
            {f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": up}, unet_config=_LAYERS_PER_BLOCK
        )
    except (ValueError, KeyError, IndexError):  # what the converter raises for a name that it cannot split
        return None
    component, _, key = min(keys).partition(".")
    if component not in COMPONENTS:
        return None
    name = _PEFT_HALF.sub("", _in_peft_naming(component, key))
    return Named(component, {_whole_text_name(component, name): (down, up)})


def _z_image(module: str, down: Tensor, up: Tensor, among: Collection[str]) -> Named | None:
    """Dotted names are handed over as `.lora.down`: it is the form whose fused projections the converter splits."""
    again = re.fullmatch(r"(.+[._])(?:qkv|out)", module)
    if again and any(f"{again[1]}{name}" in among for name in _OUR_SAY[module.rsplit(again[1][-1], 1)[-1]]):
        return Named("transformer", {})
    joint = ".lora_" if module.startswith("lora_") else ".lora."
    try:
        made: dict[str, Any] = ZImageLoraLoaderMixin.lora_state_dict(
            {f"{module}{joint}down.weight": down, f"{module}{joint}up.weight": up}
        )
    except (ValueError, KeyError):
        return None
    names = {_PEFT_HALF.sub("", key).removeprefix("transformer.") for key in made}
    layers = {n: (made[f"transformer.{n}.lora_A.weight"], made[f"transformer.{n}.lora_B.weight"]) for n in names}
    return Named("transformer", layers)


_OUR_SAY = {"qkv": ("to_q", "to.q"), "out": ("to_out.0", "to_out_0")}
"""The original code's projection -> one of ours beside which it says the same once more, as Anime-Z's files do."""
_PEFT_HALF = re.compile(r"\.lora_[AB](\.weight)?$")


def _plain(component: str, name: str) -> str:
    """A dotted name as the component calls its layer: `attn1.processor.to_out` is `attn1.to_out.0`."""
    if component.startswith("text_encoder"):
        old = re.sub(r"\.(to_[qkv]|to_out)$", r".\1_lora.down", name)
        return _whole_text_name(component, _PEFT_HALF.sub("", _in_peft_naming(component, old)))
    if ".processor." not in name:
        return name
    return _PEFT_HALF.sub("", _in_peft_naming(component, f"{name}_lora.down"))


def _in_peft_naming(component: str, key: str) -> str:
    if not component.startswith("text_encoder"):
        return str(next(iter(_unet_to_peft({key: None}))))
    for kind in (StateDictType.DIFFUSERS_OLD, StateDictType.DIFFUSERS):
        key = next(iter(_text_to_peft({key: None}, original_type=kind)))
    return key


def _whole_text_name(component: str, name: str) -> str:
    """With `text_model.`, which one release of transformers keeps and the next drops; the slot knows both."""
    return f"text_model.{name}" if component.startswith("text_encoder") and name.startswith("encoder.") else name
