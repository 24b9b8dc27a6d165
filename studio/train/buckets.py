"""Aspect buckets: the picture sizes of training, so that photos of every shape are cropped as little as possible.

All sizes keep the base's pixel count, because that is the scale of things that it has learned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

MAX_ASPECT = 2.0
"""Longest side over shortest; a bucket beyond it would show a base shapes that it has never seen."""

LARGE_BASE_PX = 512 * 512
LARGE_STEP_PX = 64
"""The step that large bases were themselves trained in; theirs would allow finer ones."""


class Grid(NamedTuple):
    """What picture sizes a base can take.

    Attributes:
        latent_factor: pixels per latent cell and side.
        step_px: widths and heights are multiples of this, so that every level of a UNet, or a transformer's patches,
            divide evenly.
    """

    latent_factor: int
    step_px: int


class Bucket(NamedTuple):
    """One training size in pixels."""

    width_px: int
    height_px: int


class Assignment(NamedTuple):
    """The bucket of one photo, and the share of its area that cropping loses (0 to 1)."""

    bucket: Bucket
    crop_loss: float


def read_grid(base_folder: Path, base_px: int) -> Grid:
    """The grid of a base in diffusers layout, from the configs of its autoencoder and its denoiser.

    Args:
        base_px: width times height that the base was trained at.
    """
    denoiser = read_config(denoiser_folder(base_folder))
    latent_factor = 2 ** (len(read_config(base_folder / "vae")["block_out_channels"]) - 1)
    patch = denoiser["all_patch_size"][0] if "all_patch_size" in denoiser else None
    step = latent_factor * (patch or 2 ** (len(denoiser["block_out_channels"]) - 1))
    return Grid(latent_factor, max(step, LARGE_STEP_PX) if base_px >= LARGE_BASE_PX else step)


def denoiser_folder(base_folder: Path) -> Path:
    """What denoises in a base: its UNet, or its transformer."""
    transformer = base_folder / "transformer"
    return transformer if transformer.is_dir() else base_folder / "unet"


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a component."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def make_buckets(base: Bucket, step_px: int) -> tuple[Bucket, ...]:
    """All buckets of about the base's pixel count, narrow to wide.

    For each width the tallest height whose area does not pass the base's; the base's own size is always among them.
    """
    area = base.width_px * base.height_px
    found = {base}
    for width in range(step_px, int((area * MAX_ASPECT) ** 0.5) + step_px, step_px):
        height = area // width // step_px * step_px
        if height and max(width, height) <= MAX_ASPECT * min(width, height):
            found.add(Bucket(width, height))
    return tuple(sorted(found))


def crop_loss(width_px: int, height_px: int, bucket: Bucket) -> float:
    """Share of a photo's area (0 to 1) that is cut off when it is scaled to cover the bucket."""
    wide = width_px * bucket.height_px
    tall = height_px * bucket.width_px
    return 1.0 - min(wide, tall) / max(wide, tall)


def assign(width_px: int, height_px: int, buckets: Sequence[Bucket]) -> Assignment:
    """The bucket that loses least of a photo; of equals, the larger one."""
    best = min(buckets, key=lambda b: (crop_loss(width_px, height_px, b), -b.width_px * b.height_px))
    return Assignment(best, crop_loss(width_px, height_px, best))
