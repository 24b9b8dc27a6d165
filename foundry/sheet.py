"""Sheets of pictures, to be looked at: no number says whether a hand looks like a hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
GAP_PX = 6


def sheet(groups: Sequence[Sequence[Array]], columns: int, scale: float = 1.0) -> Array:
    """(H, W, 3) uint8: the pictures of a group side by side, `columns` groups a row, light gaps between groups.

    Args:
        groups: each holds as many pictures (h, w, 3), all of one size.
        scale: how much each picture is enlarged.
    """
    cells = [np.concatenate([enlarged(picture, scale) for picture in group], 1) for group in groups]
    height, width = cells[0].shape[0] + GAP_PX, cells[0].shape[1] + GAP_PX
    rows = -(-len(cells) // columns)
    canvas = np.full((rows * height - GAP_PX, columns * width - GAP_PX, 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        top, left = number // columns * height, number % columns * width
        canvas[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return canvas


def enlarged(picture: Array, scale: float) -> Array:
    """A picture at another size; its own pixels stay visible rather than being sharpened."""
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def write_sheet(path: Path, groups: Sequence[Sequence[Array]], columns: int = 6, scale: float = 1.5) -> None:
    """Saves a sheet; the suffix says how (PNG, or WebP at a quality that keeps the drawings' own flaws)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet(groups, columns, scale)).save(path, quality=88)
