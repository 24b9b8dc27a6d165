"""How sharp the subject is: peak-tile Laplacian variance, normalised for resolution, blind to the background."""

from __future__ import annotations

import cv2
import numpy as np

from studio.measure.pictures import RGB, Mask

WORK_PX = 512
"""Long side at which sharpness is measured; larger pictures are brought down to it."""
TILES = 8
"""Tiles along the long side; neighbours overlap by half."""
MIN_TILE_SHARE = 0.5
"""Share of a tile that must belong to the subject."""
CORE_SHARE = 0.02
"""How far from its edge the subject counts, as a share of the long side: a sharp background must not leak in."""
BLURRED_BELOW = 40.0
"""Under this a subject counts as blurred. It lies near a Gaussian blur of 2 px at `WORK_PX`; tests hold it against
pairs of one picture."""


def sharpness(rgb: RGB, mask: Mask | None = None) -> float | None:
    """Variance of the Laplacian of Gaussian in the subject's sharpest tile, in (8-bit levels)².

    The picture is lightly smoothed first, so that grain does not pass for detail. A picture below `WORK_PX` is not
    enlarged; its number is scaled by its long side, because its edges fill more of a tile.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) of the subject; the whole picture without one.

    Returns:
        The measure, or None where the subject is too small to be measured.
    """
    height, width = rgb.shape[:2]
    long_side = min(WORK_PX, max(height, width))
    scale = long_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    response = cv2.Laplacian(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0), cv2.CV_32F)
    inside = np.ones(grey.shape, bool) if mask is None else _core(mask, size, round(long_side * CORE_SHARE))
    tile = max(8, long_side // TILES)
    variances = [
        float(response[y : y + tile, x : x + tile][chosen].var())
        for y in range(0, size[1], tile // 2)
        for x in range(0, size[0], tile // 2)
        if (chosen := inside[y : y + tile, x : x + tile]).sum() >= MIN_TILE_SHARE * tile * tile
    ]
    return max(variances) * long_side / WORK_PX if variances else None


def _core(mask: Mask, size: tuple[int, int], margin_px: int) -> Mask:
    """The mask at `size` (width, height), without a margin at its edge."""
    resized = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return cv2.erode(resized, np.ones((2 * margin_px + 1, 2 * margin_px + 1), np.uint8)).astype(bool)
