"""Family: what all bases of one architecture share, as data: capabilities, components and how each is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from studio.records.capabilities import Capabilities

DTYPE_BYTES: Mapping[str, int] = {"fp32": 4, "bf16": 2, "fp16": 2}
"""Dtypes that a component can be loaded in -> bytes of one number."""


class Loader(Protocol):
    """Loads one component from its own folder, frozen and in eval mode, from local files only."""

    def __call__(self, folder: Path, *, dtype: str, device: str) -> Any: ...


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        name: as in `BaseCard.family`.
        capabilities: what works, and why the rest does not.
        components: component name (its folder in the base) -> loader.
        lora_targets: names of the UNet's layers that a LoRA is trained on, as peft's `target_modules`.
    """

    name: str
    capabilities: Capabilities
    components: Mapping[str, Loader]
    lora_targets: tuple[str, ...]


def close_the_door() -> None:
    """Forbid remote code and downloads to libraries that are about to be imported; both are read at their import.

    A person who has set `HF_HUB_OFFLINE` keeps their choice: loaders read local folders only in any case.
    """
    os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] = "1"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def torch_dtype(dtype: str) -> Any:
    """`fp32`, `bf16` or `fp16` as torch names it."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
