"""Aspect buckets: the picture sizes of training, so that photos of every shape are cropped as little as possible.

All sizes keep the base's pixel count, because that is the scale of things that it has learned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MAX_ASPECT = 2.0
"""Longest side over shortest; a bucket beyond it would show a base shapes that it has never seen."""

LARGE_BASE_PX = 512 * 512
LARGE_STEP_PX = 64
"""The step that large bases were themselves trained in; theirs would allow finer ones."""


class Grid(NamedTuple):
    """What picture sizes a base can take.

    Attributes:
        latent_factor: pixels per latent cell and side.
        step_px: widths and heights are multiples of this, so that every level of the UNet divides evenly.
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
    """The grid of a base in diffusers layout, from its `vae/config.json` and `unet/config.json`.

    Args:
        base_px: width times height that the base was trained at.
    """
    vae_levels, unet_levels = (
        len(json.loads((base_folder / part / "config.json").read_text(encoding="utf-8"))["block_out_channels"])
        for part in ("vae", "unet")
    )
    latent_factor = 2 ** (vae_levels - 1)
    step = latent_factor * 2 ** (unet_levels - 1)
    return Grid(latent_factor, max(step, LARGE_STEP_PX) if base_px >= LARGE_BASE_PX else step)


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
