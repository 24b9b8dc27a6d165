"""Which family of bases a LoRA was made for, and whether it fits a base.

Shapes speak first: the width of the texts that cross-attention reads is 768 in SD1.5, 1024 in SD2, 2048 in SDXL.
Names follow, then the two headers that trainers write (ModelSpec's architecture, kohya's ss_base_model_version).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import CapabilityError, Fault
from studio.models.header import read_header

if TYPE_CHECKING:
    from studio.models.lora_file import LoraFile, LoraLayer

TITLES: Mapping[str, str] = {
    "croquis": "Croquis",
    "sd15": "SD1.5",
    "sd2": "SD2",
    "sdxl": "SDXL",
    "sdxl-refiner": "SDXL's refiner",
    "z-image": "Z-Image",
}
"""Family, as in `BaseCard.family` where the studio has it -> how people call it."""
Z_IMAGE_LAYER = re.compile(
    r"(?:lora_unet_)?(?:layers|noise_refiner|context_refiner)[._]\d+[._](?:attention|feed_forward|adaLN)|"
    r"(?:lora_unet_)?(?:cap_embedder|all_x_embedder|all_final_layer|t_embedder)[._]"
)
_TEXT_WIDTHS: Mapping[int, str] = {768: "sd15", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
_ARCHITECTURES: Mapping[str, str] = {
    "stable-diffusion-v1": "sd15",
    "stable-diffusion-v2": "sd2",
    "stable-diffusion-xl-v1-base": "sdxl",
    "stable-diffusion-xl-v1-refiner": "sdxl-refiner",
    "zimage": "z-image",
    **{family: family for family in TITLES},
}
"""The part before the slash of `modelspec.architecture`: https://github.com/Stability-AI/ModelSpec and ours."""
_KOHYA_VERSIONS: Mapping[str, str] = {"sd_v1": "sd15", "sd_v2": "sd2", "sdxl_base": "sdxl", "zimage": "z-image"}
"""Beginnings of kohya's `ss_base_model_version`, which ai-toolkit writes too."""
_FOREIGN = (
    (re.compile(r"(double|single)_blocks[._]\d|single_transformer_blocks[._]\d"), "FLUX"),
    (re.compile(r"transformer_blocks[._]\d+[._](img|txt)_(mod|mlp)"), "Qwen-Image"),
    (re.compile(r"joint_blocks[._]\d"), "Stable Diffusion 3"),
    (re.compile(r"^transformer\.transformer_blocks\.\d+\.attn\.(add_|to_add_)"), "FLUX, Qwen-Image or SD3"),
    (re.compile(r"\bblocks[._]\d+[._](self|cross)_attn"), "Wan"),
    (re.compile(r"^lora_prior_"), "Stable Cascade"),
)


def foreign_title(keys: Iterable[str]) -> str:
    """The family that keys of a file give away, where none of its bases is known here; else empty."""
    keys = tuple(keys)
    return next((title for pattern, title in _FOREIGN if any(pattern.search(key) for key in keys)), "")


def family_of(parts: Mapping[str, Mapping[str, LoraLayer]], metadata: Mapping[str, str]) -> str | None:
    """The family of a LoRA with these layers; None where nothing tells."""
    for name, layer in parts.get("unet", {}).items():
        if re.search(r"attn2\.to_[kv]$", name) and layer.down.shape[1] in _TEXT_WIDTHS:
            return _TEXT_WIDTHS[layer.down.shape[1]]
    if any(Z_IMAGE_LAYER.match(name) for name in parts.get("transformer", {})):
        return "z-image"
    architecture = metadata.get("modelspec.architecture", "").split("/")[0]
    if architecture in _ARCHITECTURES:
        return _ARCHITECTURES[architecture]
    version = metadata.get("ss_base_model_version", "")
    said = next((family for start, family in _KOHYA_VERSIONS.items() if version.startswith(start)), None)
    return said or ("sdxl" if "text_encoder_2" in parts else None)


def check_family(lora: LoraFile, family: str, base: str) -> None:
    """Raises CapabilityError where the LoRA is for another family than the base's."""
    if lora.family is None or lora.family == family:
        return
    made_for, is_now = TITLES.get(lora.family, lora.family), TITLES.get(family, family)
    raise CapabilityError(
        f"{lora.name} is a LoRA for {made_for}; the base {base} is of the family {is_now}.",
        f"Choose a base of the family {made_for}, or a LoRA for {is_now}.",
    )


def misfits(lora: LoraFile, folder: Path) -> list[Fault]:
    """Every layer that the base in this folder does not have, or has in another shape; only headers are read.

    Raises:
        GateError: a weights file of the base is damaged.
    """
    faults: list[Fault] = []
    for component, part in lora.parts.items():
        shapes = _shapes(folder / component)
        for name, layer in part.layers.items():
            where = f"{component}: {name}"
            shape = shapes.get(name, shapes.get(name.removeprefix("text_model.")))
            if shape is None:
                faults.append(Fault(where, "is no layer of this base."))
            elif _outer(shape) != (changes := _outer((layer.up.shape[0], *layer.down.shape[1:]))):
                faults.append(Fault(where, f"is {_by(changes)} in the LoRA and {_by(_outer(shape))} in the base."))
    return faults


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Layer name -> the shape of its weights."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            header = read_header(stream, path.stat().st_size, path.name)
        shapes |= {t.name.removesuffix(".weight"): t.shape for t in header.tensors if t.name.endswith(".weight")}
    return shapes


def _outer(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A convolution of 1x1 is a linear layer."""
    return shape[:2] if shape[2:] == (1, 1) else tuple(shape)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
