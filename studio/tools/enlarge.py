"""Upscaling: Lanczos, or a network with Lanczos for what its own factor leaves over; transparency goes along."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from studio.errors import InputError
from studio.tools.tiles import Enlarger, Floats, in_tiles

LEAST_FACTOR, MOST_FACTOR = 1.0, 8.0

OnStep = Callable[[int, int], None]
"""(done, all)"""


def target_size(width_px: int, height_px: int, factor: float, max_pixels: int) -> tuple[int, int]:
    """Width and height of the result.

    Raises:
        InputError: a factor that enlarges nothing or too much, or more pixels than are allowed.
    """
    if not LEAST_FACTOR < factor <= MOST_FACTOR:
        raise InputError(
            f"A picture cannot be made {factor:g} times as large.", f"Give a factor above 1, up to {MOST_FACTOR:g}."
        )
    size = round(width_px * factor), round(height_px * factor)
    if size[0] * size[1] > max_pixels:
        raise InputError(
            f"The result would have {size[0]}x{size[1]} px; at most {max_pixels} pixels are allowed.",
            "Give a smaller factor, or raise STUDIO_MAX_IMAGE_PIXELS.",
        )
    return size


def enlarge(
    image: Image.Image, size: tuple[int, int], enlarger: Enlarger | None = None, on_step: OnStep | None = None
) -> Image.Image:
    """A picture of mode RGB or RGBA at `size`.

    Args:
        enlarger: None: Lanczos alone.
    """
    if enlarger is None:
        return image.resize(size, Image.Resampling.LANCZOS)
    rgb: Floats = np.asarray(image.convert("RGB"), np.float32) / np.float32(255)
    while rgb.shape[1] < size[0]:
        rgb = in_tiles(rgb, enlarger, on_tile=on_step)
    larger = Image.fromarray(np.round(rgb * 255).astype(np.uint8))
    if larger.size != size:
        larger = larger.resize(size, Image.Resampling.LANCZOS)
    if image.mode == "RGBA":
        larger.putalpha(image.getchannel("A").resize(size, Image.Resampling.LANCZOS))
    return larger
