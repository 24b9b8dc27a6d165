"""Pictures painted for the tests of listing."""

from __future__ import annotations

import numpy as np
from PIL import Image


def painted(width_px: int = 192, height_px: int = 256, seed: int = 0) -> Image.Image:
    """A dark textured figure on pure white, so that sizes of files mean something."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height_px, width_px, 3), 255, np.uint8)
    body = pixels[height_px // 16 : -(height_px // 16), width_px // 3 : -(width_px // 3)]
    body[:] = rng.integers(20, 110, body.shape)
    return Image.fromarray(pixels)
