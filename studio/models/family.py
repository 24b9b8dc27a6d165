"""Family: what all bases of one architecture share, as data: capabilities, components and how each is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from studio.models.architecture import Architecture
from studio.models.prompt_frame import PromptFrame
from studio.records.capabilities import Capabilities, Capability

DTYPE_BYTES: Mapping[str, int] = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1}
"""Dtypes that a component can be loaded in -> bytes of one number."""


def computed_in(component: str, dtype: str) -> str:
    """The dtype in which a component draws on a device that computes in `dtype`.

    Autoencoders of this line overflow in fp16 (SDXL's says so itself: force_upcast) and draw black.
    """
    return "fp32" if component == "vae" and dtype == "fp16" else dtype


class Loader(Protocol):
    """Loads one component from its own folder, frozen and in eval mode, from local files only."""

    def __call__(self, folder: Path, *, dtype: str, device: str) -> Any: ...


YES = Capability(supported=True)


def no(reason: str) -> Capability:
    """What does not work, and why."""
    return Capability(supported=False, reason=reason)


IMAGE_ENCODER = "image_encoder"
"""The component beside every IP-Adapter that reads its pictures."""


@dataclass(frozen=True)
class AddOn:
    """Weights beside a base's own: pulled by `name`, or a component of the base itself where `name` is empty.

    `base`: the only one of the family that they were made for; empty: all of it.
    """

    name: str
    component: str
    base: str = ""


@dataclass(frozen=True)
class Family:
    """One family of bases.

    Attributes:
        name: as in `BaseCard.family`.
        capabilities: what works, and why the rest does not.
        components: component name (its folder in the base, or its kind in an add-on) -> loader.
        lora_targets: names of the denoiser's layers that a LoRA is trained on, as peft's `target_modules`.
        architecture: how its networks are called.
        controlnets: kind of control map -> the ControlNets that follow it, the preferred one first.
        previewers: tiny autoencoders that decode previews; without one the base's own does, at half the size.
        ip_adapters: what looks at a reference picture, the preferred one first; each has its image encoder beside it.
        frame: what its texts stand in when they are tokenized.
    """

    name: str
    capabilities: Capabilities
    components: Mapping[str, Loader]
    lora_targets: tuple[str, ...]
    architecture: Architecture
    controlnets: Mapping[str, tuple[AddOn, ...]] = field(default_factory=dict)
    ip_adapters: tuple[AddOn, ...] = ()
    previewers: tuple[AddOn, ...] = ()
    frame: PromptFrame = field(default_factory=PromptFrame)


_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
"""What huggingface_hub takes for yes."""
CLOSED_HERE = "STUDIO_CLOSED_THE_HUB"
"""Set beside `HF_HUB_OFFLINE` where the studio has set it, so that a person's own choice can be told from that."""


def person_is_offline(environ: Mapping[str, str]) -> bool:
    """Whether a person, not the studio, has set `HF_HUB_OFFLINE`."""
    return environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE and CLOSED_HERE not in environ


def close_the_door() -> None:
    """Forbid remote code and downloads to libraries that are about to be imported; both are read at their import.

    A person who has set `HF_HUB_OFFLINE` keeps their choice: loaders read local folders only in any case.
    """
    os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] = "1"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() not in _TRUE:
        os.environ[CLOSED_HERE] = "1"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def torch_dtype(dtype: str) -> Any:
    """`fp32`, `bf16` or `fp16` as torch names it; `fp8` is for keeping weights, what is computed with it is bf16."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.bfloat16}[dtype]
