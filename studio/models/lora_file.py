"""LoraFile: a LoRA of any common layout as layers under the names of our components, each with its own alpha.

Layouts differ in names alone: kohya's `lora_unet_...lora_down.weight` with an `.alpha` a layer, diffusers' `unet.` and
`transformer.` with `lora_A` (or its older `.lora.down` and `to_q_lora.down`), peft's `base_model.model.`, ai-toolkit's
`diffusion_model.`. The names are translated by diffusers' own converters (see `lora_names`). What stands in a file and
cannot be applied is an error, never left out: a part of a LoRA is another LoRA.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from studio.errors import CapabilityError
from studio.models.lora_family import family_of, foreign_title
from studio.models.weights import load_weights

if TYPE_CHECKING:
    from torch import Tensor

MAX_LORA_BYTES = 4 * 2**30
"""A LoRA of rank 256 on every layer of SDXL takes 3 GB in fp32."""
HEADER_KEY = "lora_adapter_metadata"
"""Where diffusers keeps peft's configs as JSON, each key behind its component's name."""
DENOISERS = ("unet", "transformer")

_PART = re.compile(
    r"(?P<module>.+?)(?:"
    r"\.lora_(?P<ab>[AB])(?:\.default)?\.weight|\.lora_(?P<way>down|up)\.weight|"
    r"(?P<old>_lora|\.lora|\.lora_linear_layer)\.(?P<half>down|up)\.weight|\.(?P<alpha>alpha))"
)
_CANNOT = (
    (re.compile(r"\.hada_"), "LoHa"),
    (re.compile(r"\.lokr_"), "LoKr"),
    (re.compile(r"dora_scale|lora_magnitude_vector|\.magnitude"), "DoRA"),
    (re.compile(r"\.lora_mid\."), "LoCon with a Tucker decomposition"),
    (re.compile(r"\.oft_|\.boft_"), "OFT"),
    (re.compile(r"\.on_input$|lora_ia3"), "(IA)³"),
    (re.compile(r"\.diff(_b)?$|\.[wb]_norm$|\.set_weight$"), "whole layers"),
    (re.compile(r"\.lora_B(\.default)?\.bias$"), "LoRA with biases"),
    (re.compile(r"^(bundle_emb|emb_params|string_to_param)"), "textual inversion"),
)


class LoraLayer(NamedTuple):
    """One layer's low-rank change, alpha / r * up @ down.

    Attributes:
        down: (r, in), or (r, in, kh, kw) of a convolution.
        up: (out, r), or (out, r, 1, 1).
    """

    down: Tensor
    up: Tensor
    alpha: float


@dataclass(frozen=True)
class LoraPart:
    """What a file changes in one component; `file` names it in errors."""

    file: str
    layers: Mapping[str, LoraLayer] = field(default_factory=dict)


@dataclass(frozen=True)
class LoraFile:
    """A LoRA that was read.

    Attributes:
        name: the file's name.
        layout: `kohya`, `diffusers`, `peft` or `ai-toolkit`.
        family: the family that it was made for; None where nothing tells.
        parts: component (`unet`, `transformer`, `text_encoder`, `text_encoder_2`) -> its layers.
        alpha_known: whether the file says its alphas; without, alpha is the rank, as diffusers reads it.
    """

    name: str
    sha256: str
    layout: str
    family: str | None
    parts: Mapping[str, LoraPart]
    metadata: Mapping[str, str]
    alpha_known: bool

    def part(self, component: str) -> LoraPart:
        """The layers of one component, for the slot; none where it is left as it is."""
        return self.parts.get(component, LoraPart(self.name))

    @property
    def denoiser(self) -> LoraPart:
        """The layers of the UNet or transformer."""
        return next((self.parts[name] for name in DENOISERS if name in self.parts), LoraPart(self.name))

    @property
    def changes_text(self) -> bool:
        """Whether texts are encoded otherwise with it."""
        return any(name not in DENOISERS for name in self.parts)

    @property
    def layers(self) -> tuple[LoraLayer, ...]:
        """All layers of all components."""
        return tuple(layer for part in self.parts.values() for layer in part.layers.values())


def read_lora(path: Path, *, allow: Collection[str] | None = None) -> LoraFile:
    """Read a LoRA through the gate.

    Raises:
        NotFoundError, GateError: as `load_weights`.
        CapabilityError: it holds something else than LoRA layers, is for a family that is not known here, or is not
            whole; file and key are named.
    """
    header, tensors = load_weights(path, max_bytes=MAX_LORA_BYTES, allow=allow)
    return lora_of(path.name, header.sha256, tensors, header.metadata)


def lora_of(name: str, sha256: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> LoraFile:
    """The LoRA that these tensors are. Raises CapabilityError."""
    from studio.models.lora_names import place

    _refuse(name, tensors)
    raw = _modules(name, tensors)
    layout = _layout(tensors)
    configs = _configs(name, metadata)
    parts: dict[str, dict[str, LoraLayer]] = {}
    alpha_known = bool(configs)
    for module, halves in raw.items():
        down, up = _matrices(name, module, halves)
        alpha_known |= "alpha" in halves
        placed = place(module, down, up, raw)
        if placed is None:
            raise CapabilityError(
                f"{name} changes {module[:120]!r}, which no base here has.", "Get the LoRA for one of these bases."
            )
        for layer, (a, b) in placed.layers.items():
            alpha = _alpha(name, module, halves, configs.get(placed.component, {}), layer, a.shape[0])
            parts.setdefault(placed.component, {})[layer] = LoraLayer(a, b, alpha)
    found = {component: LoraPart(name, layers) for component, layers in parts.items()}
    return LoraFile(name, sha256, layout, family_of(parts, metadata), found, metadata, alpha_known)


def _refuse(name: str, keys: Iterable[str]) -> None:
    """Whatever is no LoRA layer of a family that is known here."""
    keys = tuple(keys)
    for pattern, kind in _CANNOT:
        key = next((key for key in keys if pattern.search(key)), None)
        if key is not None:
            raise CapabilityError(
                f"{name} holds {kind} ({key[:120]!r}), which cannot be applied here.",
                "Export it as a plain LoRA where it was made, or get it as one.",
            )
    title = foreign_title(keys)
    if title:
        raise CapabilityError(f"{name} is a LoRA for {title}.", "No base of that family is known here; choose another.")


def _layout(keys: Iterable[str]) -> str:
    first = min(keys)
    if first.startswith("lora_"):
        return "kohya"
    if first.startswith("diffusion_model."):
        return "ai-toolkit"
    return "peft" if first.startswith("base_model.model.") else "diffusers"


def _modules(name: str, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Module, as the file calls it -> its `down`, `up` and, if there is one, `alpha`."""
    modules: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = _PART.fullmatch(key)
        if match is None:
            raise CapabilityError(
                f"{name} holds {key[:120]!r}, which is no layer of a LoRA.", "Get the file again, or another one."
            )
        ab = {"A": "down", "B": "up"}.get(match["ab"] or "")
        part = ab or match["way"] or match["half"] or match["alpha"]
        modules.setdefault(match["module"], {})[part] = tensor
    return modules


def _matrices(name: str, module: str, halves: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Down and up of one layer, of one rank and as many dimensions."""
    if not {"down", "up"} <= set(halves):
        raise CapabilityError(f"{name}: the layer {module[:120]} is not whole.", "Get the file again.")
    down, up = halves["down"], halves["up"]
    if up.dim() == 2 and down.dim() == 4:
        up = up[:, :, None, None]
    flat = up.dim() == 2 or up.shape[2:] == (1, 1)
    if down.dim() not in (2, 4) or up.dim() != down.dim() or not flat or not down.is_floating_point():
        raise CapabilityError(
            f"{name}: the layer {module[:120]} has matrices of the shapes {_shape(down)} and {_shape(up)}, which make "
            "no LoRA.",
            "Get the file again, or another one.",
        )
    if down.shape[0] != up.shape[1]:
        raise CapabilityError(
            f"{name}: the layer {module[:120]} has rank {down.shape[0]} on one side and {up.shape[1]} on the other.",
            "Get the file again.",
        )
    return down, up


def _alpha(
    name: str, module: str, halves: Mapping[str, Tensor], config: Mapping[str, Any], layer: str, rank: int
) -> float:
    """The layer's own alpha, or its pattern's in the header, or the rank."""
    if "alpha" in halves:
        if halves["alpha"].numel() != 1:
            raise CapabilityError(f"{name}: {module[:120]}.alpha is not one number.", "Get the file again.")
        return float(halves["alpha"])
    if "lora_alpha" not in config:
        return float(rank)
    from peft.utils.other import get_pattern_key

    patterns = config.get("alpha_pattern") or {}
    alpha = float(patterns.get(get_pattern_key(list(patterns), layer), config["lora_alpha"]))
    return alpha * float(rank) ** 0.5 if config.get("use_rslora") else alpha


def _configs(name: str, metadata: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Component -> what of peft's config the header holds for it."""
    text = metadata.get(HEADER_KEY)
    if text is None:
        return {}
    try:
        configs = _by_component(json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise CapabilityError(
            f"The header of {name} gives LoRA settings that cannot be read.", "Get the file again."
        ) from error
    if any(config.get("use_dora") for config in configs.values()):
        raise CapabilityError(f"{name} is a DoRA, which cannot be applied here.", "Get it as a plain LoRA.")
    return configs


def _by_component(values: Any) -> dict[str, dict[str, Any]]:
    """Raises ValueError, TypeError, AttributeError for what is no config."""
    configs: dict[str, dict[str, Any]] = {}
    for key, value in dict(values).items():
        component, _, field_name = key.partition(".")
        configs.setdefault(component, {})[field_name] = value
    for config in configs.values():
        numbers = [config.get("lora_alpha", 0), *(config.get("alpha_pattern") or {}).values()]
        if not all(type(number) in (int, float) for number in numbers):
            raise ValueError("alpha is a number")
    return configs


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
