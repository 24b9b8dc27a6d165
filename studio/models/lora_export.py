"""A LoRA as a file that other tools read: kohya's layout for A1111 and ComfyUI, diffusers', and ai-toolkit's.

ComfyUI reads `lora_unet_` in front of the names of the original code and of diffusers alike (comfy/lora.py,
model_lora_keys_unet), A1111 those of diffusers for SD1.5 and of the original code for SDXL (extensions-builtin/Lora/
networks.py), which is what kohya's trainer writes for each.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio.errors import CapabilityError
from studio.models.lora_family import TITLES
from studio.models.lora_file import HEADER_KEY, LoraFile, LoraLayer, LoraPart
from studio.records.brand_model import LoraLayout

if TYPE_CHECKING:
    from torch import Tensor

MODELSPEC_ARCHITECTURES = {"sd15": "stable-diffusion-v1", "sdxl": "stable-diffusion-xl-v1-base"}
_KOHYA_VERSIONS = {"sd15": "sd_v1", "sdxl": "sdxl_base_v1-0"}
_TEXT_PREFIXES = {
    "sdxl": {"text_encoder": "lora_te1", "text_encoder_2": "lora_te2"},
}
_LDM_WHOLE = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
_LDM_RESNET = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_BLOCK = re.compile(r"(?P<side>down|up)_blocks\.(?P<block>\d+)\.(?P<kind>\w+)\.(?P<place>\d+)\.(?P<rest>.+)")
_MIDDLE = re.compile(r"mid_block\.(?P<kind>\w+)\.(?P<place>\d+)\.(?P<rest>.+)")


def export(lora: LoraFile, layout: LoraLayout, family: str, said: Mapping[str, str]) -> bytes:
    """The file's bytes.

    Args:
        family: of the base that it was made for.
        said: further entries of the header, such as `modelspec.title`.

    Raises:
        CapabilityError: no tool reads this family in this layout.
    """
    from safetensors.torch import save

    wanted = "ai-toolkit" if "transformer" in lora.parts else "kohya"
    if layout not in (wanted, "diffusers"):
        title = TITLES.get(family, family)
        raise CapabilityError(
            f"No tool reads a LoRA for {title} in the layout {layout}.", f"Export it as {wanted} or as diffusers."
        )
    writers = {"kohya": _kohya, "diffusers": _diffusers, "ai-toolkit": _ai_toolkit}
    tensors, header = writers[layout](lora, family)
    architecture = {"modelspec.architecture": f"{MODELSPEC_ARCHITECTURES.get(family, family)}/lora"}
    return bytes(
        save({k: v.contiguous() for k, v in tensors.items()}, {"format": "pt", **architecture, **said, **header})
    )


def _kohya(lora: LoraFile, family: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    import torch

    tensors: dict[str, Tensor] = {}
    prefixes = {"unet": "lora_unet", "text_encoder": "lora_te"} | _TEXT_PREFIXES.get(family, {})
    for component, part in lora.parts.items():
        for name, layer in part.layers.items():
            own = original_name(name) if component == "unet" and family == "sdxl" else name
            key = f"{prefixes[component]}_{own.replace('.', '_')}"
            tensors[f"{key}.lora_down.weight"] = layer.down
            tensors[f"{key}.lora_up.weight"] = layer.up
            tensors[f"{key}.alpha"] = torch.tensor(layer.alpha)
    rank, alpha = usual(lora)
    header = {"ss_network_module": "networks.lora", "ss_network_dim": f"{rank}", "ss_network_alpha": f"{alpha:g}"}
    if family in _KOHYA_VERSIONS:
        header["ss_base_model_version"] = _KOHYA_VERSIONS[family]
    return tensors, header


def _diffusers(lora: LoraFile, family: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors: dict[str, Tensor] = {}
    configs: dict[str, Any] = {}
    for component, part in lora.parts.items():
        for name, layer in part.layers.items():
            tensors[f"{component}.{name}.lora_A.weight"] = layer.down
            tensors[f"{component}.{name}.lora_B.weight"] = layer.up
        configs |= {f"{component}.{key}": value for key, value in _peft_config(part).items()}
    return tensors, {HEADER_KEY: json.dumps(configs, sort_keys=True)}


def _ai_toolkit(lora: LoraFile, family: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """It keeps no alphas: they are multiplied in."""
    tensors: dict[str, Tensor] = {}
    for name, layer in lora.denoiser.layers.items():
        scaled = layer.up.float() * (layer.alpha / layer.down.shape[0])
        tensors[f"diffusion_model.{name}.lora_A.weight"] = layer.down
        tensors[f"diffusion_model.{name}.lora_B.weight"] = scaled.to(layer.up.dtype)
    return tensors, {}


def original_name(name: str) -> str:
    """A layer of SDXL's UNet as the original code calls it, two resnets a block.

    The same table is ComfyUI's `unet_to_diffusers` (comfy/utils.py).
    """
    if name in _LDM_WHOLE:
        return _LDM_WHOLE[name]
    if match := _MIDDLE.fullmatch(name):
        number = 1 if match["kind"] == "attentions" else 2 * int(match["place"])
        return f"middle_block.{number}.{_LDM_RESNET.get(match['rest'], match['rest'])}"
    match = _BLOCK.fullmatch(name)
    if match is None:
        return name
    block, place, kind, rest = int(match["block"]), int(match["place"]), match["kind"], match["rest"]
    first, side = (1, "input") if match["side"] == "down" else (0, "output")
    if kind == "downsamplers":
        return f"input_blocks.{3 * block + 3}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{3 * block + 2}.2.{rest}"
    number = 3 * block + place + first
    return f"{side}_blocks.{number}.{1 if kind == 'attentions' else 0}.{_LDM_RESNET.get(rest, rest)}"


def usual(lora: LoraFile) -> tuple[int, float]:
    """Rank and alpha of most layers."""
    return _usual(lora.layers)


def _usual(layers: tuple[LoraLayer, ...]) -> tuple[int, float]:
    return Counter((layer.down.shape[0], layer.alpha) for layer in layers).most_common(1)[0][0]


def _peft_config(part: LoraPart) -> dict[str, Any]:
    """What `peft.LoraConfig` is rebuilt from. Text encoders' layers go without `text_model.`, which not all have."""
    layers = {name.removeprefix("text_model."): layer for name, layer in part.layers.items()}
    rank, alpha = _usual(tuple(layers.values()))
    return {
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": sorted(layers),
        "rank_pattern": {n: layer.down.shape[0] for n, layer in layers.items() if layer.down.shape[0] != rank},
        "alpha_pattern": {n: layer.alpha for n, layer in layers.items() if layer.alpha != alpha},
    }
