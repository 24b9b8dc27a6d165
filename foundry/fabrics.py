"""Fabrics, evaluated per pixel in millimetres on the garment's own surface, so that they never alias into zebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rng = np.random.Generator

COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (240, 240, 238), "black": (32, 32, 34), "grey": (134, 136, 138), "red": (190, 36, 40),
    "orange": (232, 120, 36), "yellow": (236, 200, 56), "green": (58, 130, 66), "teal": (20, 126, 130),
    "blue": (56, 114, 202), "navy": (30, 42, 92), "purple": (112, 58, 150), "pink": (234, 142, 172),
    "beige": (212, 190, 156), "brown": (110, 70, 42),
}  # fmt: skip
"""sRGB of the colour names; jittered a little per picture."""


def wave(x: Array, softness: float = 6.0) -> Array:
    """A soft square wave in [0, 1] with period 1."""
    return 1 / (1 + np.exp(-softness * np.cos(2 * np.pi * x)))


def cells(u: Array, v: Array, size: float, brick: bool) -> tuple[Array, Array, Array, Array]:
    """Position inside the cell, in [-0.5, 0.5], and the cell's integer address."""
    row = np.floor(v / size)
    shifted = u / size + (0.5 * (row % 2) if brick else 0.0)
    column = np.floor(shifted)
    return shifted - column - 0.5, v / size - row - 0.5, column, row


def hashed(a: Array, b: Array, salt: float) -> Array:
    """A repeatable pseudo-random number in [0, 1) per cell."""
    return np.mod(np.sin(a * 12.9898 + b * 78.233 + salt) * 43758.5453, 1.0)


def plain(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    return np.zeros_like(u), np.ones_like(u)


def stripe(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    return wave(v / (74 * scale), 8), np.ones_like(u)


def check(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    a, b = wave(u / (96 * scale), 8), wave(v / (96 * scale), 8)
    return np.clip(0.5 * (a + b), 0, 1) * 0.95, np.ones_like(u)


def dots(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    x, y, _, _ = cells(u, v, 62 * scale, True)
    return 1 / (1 + np.exp((np.hypot(x, y) - 0.27) * 40)), np.ones_like(u)


def knit(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    rib = np.cos(2 * np.pi * u / (44 * scale))
    purl = np.cos(2 * np.pi * (v / (34 * scale) + 0.25 * np.abs(np.mod(u / (44 * scale), 1) - 0.5) * 4))
    return np.zeros_like(u), 1.0 + 0.17 * rib + 0.06 * purl


def denim(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    wash = 0.5 + 0.5 * np.sin(u / 61 + 2 * np.sin(v / 83)) * np.sin(v / 97 + np.sin(u / 71))
    seam = np.exp(-((np.mod(u / (150 * scale) + 0.5, 1) - 0.5) ** 2) * 900)
    return np.clip(0.34 * wash + 0.75 * seam, 0, 1), np.ones_like(u)


def floral(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    x, y, column, row = cells(u, v, 86 * scale, True)
    x = x + 0.2 * (hashed(column, row, 1.0) - 0.5)
    y = y + 0.2 * (hashed(column, row, 2.0) - 0.5)
    radius, angle = np.hypot(x, y), np.arctan2(y, x) + 6.3 * hashed(column, row, 3.0)
    petals = 1 / (1 + np.exp((radius - 0.25 - 0.09 * np.cos(5 * angle)) * 34))
    heart = np.exp(-((radius / 0.09) ** 2))
    return petals, 1.0 - 0.45 * heart


def jacquard(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    x, y, _, _ = cells(u, v, 78 * scale, True)
    lozenge = 1 / (1 + np.exp((np.abs(x) + np.abs(y) - 0.34) * 40))
    bar = 1 / (1 + np.exp((np.maximum(np.abs(x) * 2.6, np.abs(y)) - 0.17) * 40))
    return 0.62 * np.clip(lozenge - bar, 0, 1), np.ones_like(u)


def seigaiha(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    """Overlapping wave scales. Reserved for the sample brand: the foundry's training never draws it."""
    size = 92 * scale
    best = np.full_like(u, 9.0)
    for level in (1, 0, -1):  # the lower row of scales lies over the upper one
        row = np.floor(v / (size / 2)) + level
        x = np.mod(u / size + 0.5 * (row % 2), 1.0) - 0.5
        y = v / size - row / 2
        radius = np.hypot(x, y)
        best = np.where((radius < 0.5) & (y >= 0), radius, best)
    ring = wave(best * 5.2, 7)
    return np.where(best < 5, ring, 0.0), np.ones_like(u)


FABRICS: dict[str, Callable[[Array, Array, float], tuple[Array, Array]]] = {
    "plain": plain, "stripe": stripe, "check": check, "dots": dots, "knit": knit, "denim": denim,
    "floral": floral, "jacquard": jacquard,
}  # fmt: skip
"""Each takes surface coordinates (u, v) in mm and a scale, and gives the share of the second colour in [0, 1]
and a brightness factor, both shaped like `u`."""


def second_colour(rng: Rng, fabric: str, base: Array) -> Array:
    """The pattern's other colour: white on dark cloth, a dark tone on light cloth; tone in tone for weaves."""
    light = float(base @ (0.299, 0.587, 0.114)) > 150
    if fabric == "denim":
        return base + (255 - base) * 0.55
    if fabric == "jacquard":
        return base * 0.5 if light else base + (255 - base) * 0.5
    if fabric == "floral":
        picks = np.array(
            [(244, 236, 226), (240, 206, 96), (236, 150, 170)]
            if not light
            else [(176, 52, 66), (70, 92, 160), (90, 60, 110)]
        )
        return picks[int(rng.integers(3))].astype(float)
    return np.array((52, 54, 66.0)) if light else np.array((238, 236, 230.0))


def jitter(rng: Rng, colour: tuple[int, int, int], amount: float = 9.0) -> Array:
    """A named colour as a dye lot of it: (3,) float sRGB."""
    return np.clip(np.array(colour, float) + rng.normal(0, amount, 3) * 0.6 + rng.normal(0, amount) * 0.6, 8, 247)
