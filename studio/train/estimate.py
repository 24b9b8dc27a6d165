"""What a run will take, told before it starts: time from this home's own runs, else from a measured default; memory.

Both are estimates. Time counts optimiser steps, measurements of the held-out loss, and samples, each in passes through
the denoiser; encoding the photos once is left out. Memory counts the weights, what the optimiser keeps, and roughly the
values that a step holds for its gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from studio.models.header import read_header
from studio.records.base import Record
from studio.records.training import TrainingConfig
from studio.train.buckets import denoiser_folder, read_config, read_grid
from studio.train.heldout import MAX_HELD_OUT, MAX_TRAINED, TIMESTEPS_PER_PHOTO
from studio.train.metrics import Metric

FORWARD_SHARE = 0.54
"""Share of a step that its forward pass takes. Backward is cheap for a LoRA: frozen weights need no gradients."""
TRAINED_BYTES = 16
"""Bytes of one trained number: weight, gradient and the two moments of AdamW, each in fp32."""
HELD_VALUES_OF_RESNET = 8.5
HELD_VALUES_OF_ATTENTION = 25
"""Values that a UNet's resnet, and each transformer block after it, keep for their gradients, per channel and cell
(norms, activations, queries, keys ...). Counted by saved_tensors_hooks with a LoRA on the attention."""
HELD_VALUES_OF_TOKEN = 19
"""The same of a transformer's layer, per channel and token. Counted by saved_tensors_hooks on ZImageTransformer2DModel
with a LoRA on its attention: 19.2 to 19.4 at 64 to 256 channels."""
PEAK_OVER_HELD = 1.7
"""Gradients under way and what an operator needs beside what a UNet holds: croquis' measured
peak (see below) over its count."""
CAPTION_TOKENS = 128
"""Of a caption of some ninety words; a transformer carries them through every layer beside the picture's."""
LOADED = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2")
"""Parts of a base that training and its samples load, where it has them."""
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
        denoiser_elements: those of the UNet or transformer.
        cells: places of one picture that the denoiser computes: latent cells, or tokens of picture and caption.
        held_values: numbers that one picture's step holds for its gradients.
        lora_elements_per_rank: numbers of the LoRA matrices at rank 1.
    """

    elements: int
    denoiser_elements: int
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
    work = size.denoiser_elements * size.cells / (MEASURED_UNET_ELEMENTS * MEASURED_CELLS)
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
        sample_passes: passes through the denoiser for one sample.
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
    folder = denoiser_folder(base_folder)
    cells, held = _held(read_config(folder), (width_px // factor) * (height_px // factor))
    shapes = _shapes(folder)
    return BaseSize(
        elements=sum(_count(shape) for part in LOADED for _, shape in _shapes(base_folder / part)),
        denoiser_elements=sum(_count(shape) for _, shape in shapes),
        cells=cells,
        held_values=held,
        lora_elements_per_rank=sum(
            shape[0] + _count(shape[1:])
            for name, shape in shapes
            if len(shape) > 1 and name.removesuffix(".weight").endswith(tuple(f".{target}" for target in targets))
        ),
    )


def _held(denoiser: dict[str, Any], cells: int) -> tuple[int, int]:
    """Places that a denoiser of this config computes for so many latent cells, and the values it holds for a step."""
    if "all_patch_size" in denoiser:
        tokens = cells // denoiser["all_patch_size"][0] ** 2 + CAPTION_TOKENS
        layers = denoiser["n_layers"] + denoiser["n_refiner_layers"]
        return tokens, tokens * denoiser["dim"] * layers * HELD_VALUES_OF_TOKEN
    return cells, round(held_by_unet(denoiser, cells) * PEAK_OVER_HELD)


def held_by_unet(unet: dict[str, Any], cells: int) -> float:
    """Values that a UNet of this config holds for the gradients of one picture of so many latent cells."""
    kinds, blocks = unet["down_block_types"], unet.get("transformer_layers_per_block", 1)
    layers = unet.get("layers_per_block", 2)
    layers = max(layers) if isinstance(layers, list) else layers
    held = 0.0
    for level, channels in enumerate(unet["block_out_channels"]):
        attention = HELD_VALUES_OF_ATTENTION * (blocks[level] if isinstance(blocks, list) else blocks)
        each = HELD_VALUES_OF_RESNET + (attention if "CrossAttn" in kinds[level] else 0)
        values = each * (2 * layers + 1)  # down and up again, the way up with one layer more
        if level == len(kinds) - 1:
            values += 2 * HELD_VALUES_OF_RESNET + attention  # the middle, on the lowest level
        held += channels * cells / 4**level * values
    return held


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
