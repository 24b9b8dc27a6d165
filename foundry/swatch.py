"""Reference pictures of a cloth, as a shop has them: a swatch laid flat, or a product photo of a garment made of it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from foundry.scene import Cloth
from foundry.shade import printed

Array = npt.NDArray[Any]
Rng = np.random.Generator
SIDE = 64
"""What croquis's image encoder reads, in px."""
SWATCH_MM, PRODUCT_MM = 300, 900
"""What a picture shows across, give or take a sixth."""
DRESS = ((38, 6), (46, 12), (54, 12), (62, 6), (80, 18), (72, 34), (65, 29), (62, 48), (76, 96), (24, 96), (38, 48),
         (35, 29), (28, 34), (20, 18))  # fmt: skip
TOP = ((34, 10), (44, 18), (56, 18), (66, 10), (94, 26), (84, 48), (73, 40), (74, 92), (26, 92), (27, 40), (16, 48),
       (6, 26))  # fmt: skip
"""Outlines in hundredths of the picture."""


def reference(cloth: Cloth, rng: Rng, side: int = SIDE) -> Array:
    """(side, side, 3) uint8 sRGB: a swatch in two of three cases, else a product photo."""
    return swatch(cloth, rng, side) if rng.random() < 0.66 else product_photo(cloth, rng, side)


def swatch(cloth: Cloth, rng: Rng, side: int = SIDE) -> Array:
    """(side, side, 3) uint8 sRGB: the cloth alone, somewhere on it, turned a little, under a soft light."""
    return _rounded(_flat(cloth, rng, SWATCH_MM, side))


def product_photo(cloth: Cloth, rng: Rng, side: int = SIDE) -> Array:
    """(side, side, 3) uint8 sRGB: the cloth as a dress or a top before a light ground."""
    outline = np.array((DRESS, TOP)[int(rng.integers(2))] if rng.random() < 0.5 else DRESS, float)
    outline = (outline - 50) * rng.uniform(0.86, 1.0) + 50 + rng.uniform(-2, 2, 2)
    shape = np.zeros((side * 4, side * 4), np.uint8)
    cv2.fillPoly(shape, [np.round(outline * side * 4 / 100).astype(np.int32)], 255)
    share = cv2.resize(shape, (side, side), interpolation=cv2.INTER_AREA).astype(float)[..., None] / 255
    return _rounded(_flat(cloth, rng, PRODUCT_MM, side) * share + rng.uniform(225, 255) * (1 - share))


def _flat(cloth: Cloth, rng: Rng, across_mm: float, side: int) -> Array:
    fine, turn = side * 2, np.deg2rad(rng.uniform(-8, 8))
    step = across_mm * rng.uniform(0.85, 1.17) / fine
    v, u = np.mgrid[0:fine, 0:fine] * step
    u, v = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    colour = printed(cloth, (u + rng.uniform(0, 2000)).ravel(), (rng.uniform(0, 2000) - v).ravel())
    slope = rng.uniform(-0.08, 0.08, 2)
    y, x = np.mgrid[-0.5 : 0.5 : fine * 1j, -0.5 : 0.5 : fine * 1j]
    light = rng.uniform(0.86, 1.06) * (1 + slope[0] * x + slope[1] * y)
    picture = np.clip(colour.reshape(fine, fine, 3) * light[..., None], 0, 255)
    return picture.reshape(side, 2, side, 2, 3).mean((1, 3))


def _rounded(picture: Array) -> Array:
    return np.round(np.clip(picture, 0, 255)).astype(np.uint8)
