"""What a run will take, told before it starts: time from this home's own runs, else from a measured default; memory.

Both are estimates. Time counts optimiser steps, measurements of the held-out loss, and samples, each in passes through
the UNet; encoding the photos once is left out. Memory counts the weights, what the optimiser keeps, and roughly the
values that a step holds for its gradients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from studio.models.header import read_header
from studio.records.base import Record
from studio.records.training import TrainingConfig
from studio.train.buckets import read_grid
from studio.train.heldout import MAX_HELD_OUT, MAX_TRAINED, TIMESTEPS_PER_PHOTO
from studio.train.metrics import Metric

FORWARD_SHARE = 0.54
"""Share of a step that its forward pass takes. Backward is cheap for a LoRA: frozen weights need no gradients."""
TRAINED_BYTES = 16
"""Bytes of one trained number: weight, gradient and the two moments of AdamW, each in fp32."""
HELD_VALUES = 44
"""Values that a layer keeps for its gradients, per channel and cell (norms, activations, queries, keys ...)."""
LOADED = ("unet", "vae", "text_encoder")
"""Parts of a base that training and its samples load."""
SKIPPED_STEPS = 2
ENOUGH_STEPS = 3
"""The first steps warm up and are skipped; fewer than this many after them say nothing."""


@dataclass(frozen=True)
class Pace:
    """How fast pictures go through a step.

    Attributes:
        seconds: of one picture in one step.
        own: measured by a run in this home on this base.
    """

    seconds: float
    own: bool


class Estimate(Record):
    """What a run will take. `measured` False: nothing like it has run in this home, so the time is a rough guess."""

    seconds: float
    seconds_per_step: float
    memory_bytes: int
    measured: bool


@dataclass(frozen=True)
class BaseSize:
    """How large a base is, as far as training minds.

    Attributes:
        elements: numbers in all weights that training or its samples load.
        unet_elements: those of the UNet.
        cells: latent cells of one picture.
        held_values: numbers that one picture's step holds for its gradients.
        lora_elements_per_rank: numbers of the LoRA matrices at rank 1.
    """

    elements: int
    unet_elements: int
    cells: int
    held_values: int
    lora_elements_per_rank: int


MEASURED_PACE_S = 0.10
MEASURED_UNET_ELEMENTS = 8_750_316
MEASURED_CELLS = 24 * 32
"""The default pace. Source, with the two numbers above: croquis' UNet with a LoRA of rank 8 at 192x256 px, forward,
backward and AdamW in fp32; the least of 9 steps, CPU seconds on one core of an AMD EPYC (avx2) with torch 2.14.1:
0.14 s a step with batch 1, 0.37 s with batch 4, of which forward alone 0.22 s; peak memory grew by 32 to 43 MB a
picture. Other bases are scaled from it by weights and cells, which is all that can be said before a first run."""


def default_pace(size: BaseSize) -> Pace:
    """The measured default, scaled to a base."""
    work = size.unet_elements * size.cells / (MEASURED_UNET_ELEMENTS * MEASURED_CELLS)
    return Pace(MEASURED_PACE_S * work, own=False)


def own_pace(rows: Sequence[Metric], pictures_per_step: int) -> Pace | None:
    """The pace of a run from its metrics; None while it has too few steps."""
    seconds = [row["seconds"] for row in rows if "seconds" in row][SKIPPED_STEPS:]
    return Pace(median(seconds) / pictures_per_step, own=True) if len(seconds) >= ENOUGH_STEPS else None


def pictures_per_step(config: TrainingConfig, trained: int) -> int:
    """Pictures that one step sees: a batch is never larger than what an epoch holds."""
    return max(1, min(config.train_batch_size, trained * config.repeats)) * config.gradient_accumulation_steps


def estimate(
    config: TrainingConfig,
    size: BaseSize,
    pace: Pace,
    *,
    trained: int,
    held_out: int,
    sample_passes: int,
    weight_bytes: int = 4,
) -> Estimate:
    """Time and memory of a run.

    Args:
        trained: photos that it learns from.
        held_out: photos that it is measured on.
        sample_passes: passes through the UNet for one sample.
        weight_bytes: bytes of one number of the frozen weights.
    """
    steps = config.max_train_steps
    per_step = pace.seconds * pictures_per_step(config, trained)
    questions = TIMESTEPS_PER_PHOTO * (min(held_out, MAX_HELD_OUT) + min(trained, MAX_TRAINED))
    prompts = len(config.sample_prompts) or 1
    passes = questions * (1 + -(-steps // config.validate_every)) + sample_passes * prompts * -(
        -steps // config.sample_every
    )
    batch = max(1, min(config.train_batch_size, trained * config.repeats))
    memory = (
        size.elements * weight_bytes
        + size.lora_elements_per_rank * config.lora_rank * TRAINED_BYTES
        + size.held_values * 4 * batch
    )
    return Estimate(
        seconds=steps * per_step + passes * pace.seconds * FORWARD_SHARE,
        seconds_per_step=per_step,
        memory_bytes=memory,
        measured=pace.own,
    )


def read_size(base_folder: Path, width_px: int, height_px: int, targets: Sequence[str]) -> BaseSize:
    """The size of a base in diffusers layout, from its configs and the headers of its weights.

    Raises:
        GateError: weights that are no safetensors files.
    """
    factor = read_grid(base_folder, width_px * height_px).latent_factor
    cells = (width_px // factor) * (height_px // factor)
    unet = json.loads((base_folder / "unet" / "config.json").read_text(encoding="utf-8"))
    layers = unet.get("layers_per_block", 2)
    layers = max(layers) if isinstance(layers, list) else layers
    levels = enumerate(unet["block_out_channels"])
    # Down and up again, the way up with one layer more, at a quarter of the cells on each level below.
    held = sum(channels * cells // 4**level for level, channels in levels) * (2 * layers + 1) * HELD_VALUES
    shapes = _shapes(base_folder / "unet")
    return BaseSize(
        elements=sum(_count(shape) for part in LOADED for _, shape in _shapes(base_folder / part)),
        unet_elements=sum(_count(shape) for _, shape in shapes),
        cells=cells,
        held_values=held,
        lora_elements_per_rank=sum(
            shape[0] + _count(shape[1:])
            for name, shape in shapes
            if len(shape) > 1 and name.removesuffix(".weight").endswith(tuple(f".{target}" for target in targets))
        ),
    )


def _shapes(folder: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor in the weights files of a folder."""
    found: list[tuple[str, tuple[int, ...]]] = []
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            header = read_header(stream, path.stat().st_size, path.name)
        found.extend((tensor.name, tensor.shape) for tensor in header.tensors)
    return found


def _count(shape: Sequence[int]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count
