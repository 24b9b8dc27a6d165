"""Draws a picture larger part by part, so that memory does not grow with the picture, without a seam between parts.

Parts overlap. The outer quarter of an overlap is thrown away, because a network sees zeros beyond a part's edge; over
the middle half one part fades into the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

TILE_PX = 256
OVERLAP_PX = 64
"""Of this, 16 px at each side are context only; x4plus' answer to a pixel fades out within about 12."""


class Enlarger(Protocol):
    """Draws (H, W, 3) in 0..1 as (factor * H, factor * W, 3)."""

    @property
    def factor(self) -> int: ...
    def __call__(self, rgb: Floats) -> Floats: ...


def in_tiles(
    rgb: Floats,
    enlarger: Enlarger,
    *,
    tile_px: int = TILE_PX,
    overlap_px: int = OVERLAP_PX,
    on_tile: Callable[[int, int], None] | None = None,
) -> Floats:
    """The whole picture, (H, W, 3) in 0..1, drawn larger.

    Args:
        on_tile: called with (done, all), first with (0, all); what it raises stops the work.
    """
    height, width = rgb.shape[:2]
    factor = enlarger.factor
    places = [(top, left) for top in starts(height, tile_px, overlap_px) for left in starts(width, tile_px, overlap_px)]
    total = np.zeros((height * factor, width * factor, 3), np.float32)
    weights = np.zeros((height * factor, width * factor, 1), np.float32)
    for done, (top, left) in enumerate(places):
        if on_tile is not None:
            on_tile(done, len(places))
        part = rgb[top : top + tile_px, left : left + tile_px]
        weight = np.multiply.outer(
            fade(top, part.shape[0], height, overlap_px, factor), fade(left, part.shape[1], width, overlap_px, factor)
        )[:, :, None]
        rows = slice(top * factor, (top + part.shape[0]) * factor)
        columns = slice(left * factor, (left + part.shape[1]) * factor)
        total[rows, columns] += weight * enlarger(part)
        weights[rows, columns] += weight
    if on_tile is not None:
        on_tile(len(places), len(places))
    return np.asarray(total / weights, np.float32)


def starts(length: int, tile_px: int, overlap_px: int) -> list[int]:
    """Where parts begin along one side; the last one ends with the picture."""
    if length <= tile_px:
        return [0]
    step = tile_px - overlap_px
    return [*range(0, length - tile_px, step), length - tile_px]


def fade(start: int, size: int, length: int, overlap_px: int, factor: int) -> Floats:
    """How much each row (or column) of a part counts: 1 inside and at the picture's own edge, rising from 0 where
    another part lies beside it.
    """
    place = (np.arange(size * factor, dtype=np.float32) + 0.5) / factor
    ramp = max(overlap_px / 2, 1e-3)
    before = np.ones_like(place) if start == 0 else np.clip((place - overlap_px / 4) / ramp, 0, 1)
    after = np.ones_like(place) if start + size == length else np.clip((size - place - overlap_px / 4) / ramp, 0, 1)
    return np.minimum(before, after).astype(np.float32)
