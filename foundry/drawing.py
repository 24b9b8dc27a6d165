"""What croquis is asked for when it is measured, and its answers, drawn by diffusers' own pipelines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import StableDiffusionControlNetPipeline, StableDiffusionPipeline
from PIL import Image

from foundry.assemble import TARGET

Array = npt.NDArray[Any]
BATCH = 8
ADAPTER, ENCODER = "ip_adapter", "image_encoder"
"""Folders of the base that hold its IP-Adapter and the encoder that looks at the reference."""


@dataclass(frozen=True)
class Ask:
    """Pictures to draw, a row each.

    Attributes:
        captions, seeds: (N,).
        controls: (N, H, W, 3) uint8 OpenPose maps; None draws without the ControlNet.
        references: N pictures (h, w, 3) uint8 sRGB for the IP-Adapter, or None.
    """

    captions: list[str]
    seeds: list[int]
    controls: Array | None = None
    references: list[Array] | None = None


@dataclass(frozen=True)
class Sampling:
    """How many steps, how much guidance; from which base."""

    steps: int
    guidance: float
    base: Path = TARGET

    @property
    def has_adapter(self) -> bool:
        """Whether the base can look at a reference picture."""
        return (self.base / ADAPTER).is_dir()


@torch.inference_mode()
def answers(ask: Ask, sampling: Sampling, prepare: Callable[[Any], None] | None = None) -> list[Array]:
    """(H, W, 3) uint8 sRGB for every row.

    Args:
        prepare: changes the pipeline before anything is drawn.
    """
    pipeline = _pipeline(ask, sampling, prepare)
    images: list[Array] = []
    # The stock call takes several references as several of every caption, so those are drawn one by one.
    batch = BATCH if ask.references is None else 1
    for start in range(0, len(ask.captions), batch):
        rows = slice(start, start + batch)
        extra: dict[str, Any] = {}
        if ask.controls is not None:
            extra["image"] = torch.from_numpy(ask.controls[rows]).permute(0, 3, 1, 2).float() / 255
        if ask.references is not None:
            extra["ip_adapter_image"] = Image.fromarray(ask.references[start])
        result = pipeline(
            ask.captions[rows], num_inference_steps=sampling.steps, guidance_scale=sampling.guidance,
            height=256, width=192, generator=[torch.Generator().manual_seed(seed) for seed in ask.seeds[rows]],
            output_type="np", **extra,
        )  # fmt: skip
        images += [np.round(image * 255).astype(np.uint8) for image in result.images]
    return images


def _pipeline(ask: Ask, sampling: Sampling, prepare: Callable[[Any], None] | None) -> Any:
    with_control: Any = StableDiffusionControlNetPipeline
    without: Any = StableDiffusionPipeline
    pipeline = with_control.from_pretrained(sampling.base)
    if prepare is not None:
        prepare(pipeline)
    if ask.controls is None:
        parts = {name: part for name, part in pipeline.components.items() if name != "controlnet"}
        pipeline = without(**parts, requires_safety_checker=False)
    if ask.references is not None:
        (weights,) = (sampling.base / ADAPTER).glob("*.safetensors")
        # "./": diffusers looks for an encoder without a slash in its name inside of the adapter's folder
        pipeline.load_ip_adapter(
            str(sampling.base), subfolder=ADAPTER, weight_name=weights.name, image_encoder_folder=f"./{ENCODER}"
        )
        pipeline.set_ip_adapter_scale(1.0)
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu").set_progress_bar_config(disable=True)
    return pipeline
