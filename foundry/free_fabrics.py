"""Fabrics without a name: a number stands for one, its family, measures and two colours are drawn from it.

No caption can say them, so they teach croquis to look at a reference picture. `RESERVED` ones are for measuring only:
training never draws their families.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.brand_fabrics import BRAND_FABRICS
from foundry.fabrics import cells, hashed, seigaiha, wave

Array = npt.NDArray[Any]
Rng = np.random.Generator
Pattern = Callable[[Array, Array, float], tuple[Array, Array]]
PREFIX = "free-"
LIGHTNESS = (0.299, 0.587, 0.114)


def _turned(u: Array, v: Array, degrees: float) -> tuple[Array, Array]:
    angle = np.deg2rad(degrees)
    return u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)


def _inside(distance: Array, softness: float = 0.025) -> Array:
    """1 where the distance to a motif's edge, in cells, is negative."""
    share: Array = 1 / (1 + np.exp(np.clip(distance / softness, -40, 40)))
    return share


def _stripes(rng: Rng) -> Callable[[Array, Array], Array]:
    period, angle, duty = (
        rng.uniform(36, 110),
        rng.choice([0, 90, 45, -45, rng.uniform(-90, 90)]),
        rng.uniform(-0.6, 0.6),
    )
    bend, length = rng.choice([0.0, rng.uniform(8, 26)]), rng.uniform(60, 160)

    def share(u: Array, v: Array) -> Array:
        x, y = _turned(u, v, angle)
        phase = (y + bend * np.sin(2 * np.pi * x / length)) / period
        return 1 / (1 + np.exp(-7 * (np.cos(2 * np.pi * phase) + duty)))

    return share


def _plaid(rng: Rng) -> Callable[[Array, Array], Array]:
    across, along = rng.uniform(50, 130, 2)
    angle, weight, duty = rng.choice([0.0, 45.0]), rng.uniform(0.35, 0.65), rng.uniform(-0.7, 0.4)

    def share(u: Array, v: Array) -> Array:
        x, y = _turned(u, v, angle)
        bars = [1 / (1 + np.exp(-8 * (np.cos(2 * np.pi * t) + duty))) for t in (x / across, y / along)]
        return weight * bars[0] + (1 - weight) * bars[1]

    return share


def _motifs(rng: Rng) -> Callable[[Array, Array], Array]:
    size, brick, angle = rng.uniform(48, 120), bool(rng.random() < 0.6), rng.uniform(-20, 20)
    corners, depth, reach = int(rng.integers(3, 9)), rng.uniform(0, 0.4), rng.uniform(0.2, 0.36)
    ring, stretch, spin = rng.choice([0.0, rng.uniform(0.4, 0.7)]), rng.uniform(0.7, 1.4), rng.uniform(0, 6.3)
    tumbling = bool(rng.random() < 0.4)

    def share(u: Array, v: Array) -> Array:
        x, y, column, row = cells(*_turned(u, v, angle), size, brick)
        turn = spin + (6.3 * hashed(column, row, 3.0) if tumbling else 0.0)
        around = np.arctan2(y, x * stretch) + turn
        edge = reach * (1 - depth * (0.5 + 0.5 * np.cos(corners * around)))
        away = np.hypot(x * stretch, y)
        hole = _inside(away - edge * ring) if ring else 0.0
        return np.clip(_inside(away - edge) - hole, 0, 1)

    return share


def _lozenges(rng: Rng) -> Callable[[Array, Array], Array]:
    size, reach, slim, lines = rng.uniform(55, 120), rng.uniform(0.25, 0.5), rng.uniform(0.7, 1.5), rng.random() < 0.5

    def share(u: Array, v: Array) -> Array:
        x, y, _, _ = cells(u, v * slim, size, False)
        inside = _inside(np.abs(x) + np.abs(y) - reach)
        crossing = _inside(np.abs(np.abs(x) - np.abs(y)) - 0.05) if lines else 0.0
        return np.clip(np.abs(inside - crossing), 0, 1)

    return share


def _zigzag(rng: Rng) -> Callable[[Array, Array], Array]:
    period, width, height, angle = rng.uniform(40, 90), rng.uniform(50, 120), rng.uniform(14, 40), rng.choice([0, 90])

    def share(u: Array, v: Array) -> Array:
        x, y = _turned(u, v, angle)
        return wave((y + height * np.abs(2 * np.mod(x / width, 1) - 1)) / period, 8)

    return share


def _blotches(rng: Rng) -> Callable[[Array, Array], Array]:
    count, size, level = 10, rng.uniform(45, 130), rng.uniform(-0.5, 0.6)
    angles, phases, lengths = (
        rng.uniform(0, np.pi, count),
        rng.uniform(0, 6.3, count),
        rng.uniform(0.7, 1.5, count) * size,
    )

    def share(u: Array, v: Array) -> Array:
        height = sum(
            np.sin(2 * np.pi * (u * np.cos(a) + v * np.sin(a)) / length + phase)
            for a, phase, length in zip(angles, phases, lengths, strict=True)
        )
        return _inside(level - np.asarray(height) / np.sqrt(count / 2), 0.12)

    return share


def _confetti(rng: Rng) -> Callable[[Array, Array], Array]:
    size, long, thin = rng.uniform(36, 80), rng.uniform(0.22, 0.42), rng.uniform(0.06, 0.16)

    def share(u: Array, v: Array) -> Array:
        x, y, column, row = cells(u, v, size, True)
        x, y = x + 0.2 * (hashed(column, row, 1.0) - 0.5), y + 0.2 * (hashed(column, row, 2.0) - 0.5)
        turn = 3.15 * hashed(column, row, 4.0)
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        return _inside(np.maximum(np.abs(along) - long, np.abs(across) - thin))

    return share


def _plain(rng: Rng) -> Callable[[Array, Array], Array]:
    return lambda u, v: np.zeros_like(u)


FAMILIES = (_stripes, _plaid, _motifs, _motifs, _lozenges, _zigzag, _blotches, _confetti, _plain)
"""Motifs count twice: they differ most among themselves."""


def houndstooth(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    size = 84 * scale
    x, y = np.mod(u / size, 1), np.mod(v / size, 1)
    twill = np.mod((u + v) / (size / 2), 1) < 0.5
    warp, weft = x < 0.5, y < 0.5
    return np.where(warp & weft, 1.0, np.where(warp | weft, twill, 0.0)).astype(float), np.ones_like(u)


def leopard(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    x, y, column, row = cells(u, v, 64 * scale, True)
    x, y = x + 0.25 * (hashed(column, row, 1.0) - 0.5), y + 0.25 * (hashed(column, row, 2.0) - 0.5)
    around = np.arctan2(y, x) + 6.3 * hashed(column, row, 3.0)
    ring = _inside(np.abs(np.hypot(x, y * 1.2) - 0.27) - 0.085, 0.03)
    return ring * (np.cos(around) + 0.55 * np.cos(3 * around) > -0.75), np.ones_like(u)


def basket(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    size = 72 * scale
    across = np.mod(np.floor(u / size) + np.floor(v / size), 2) < 1
    return np.where(across, wave(3 * v / size, 6), wave(3 * u / size, 6)), np.ones_like(u)


RESERVED: dict[str, Pattern] = {
    "seigaiha": seigaiha, "houndstooth": houndstooth, "leopard": leopard, "basket": basket,
}  # fmt: skip
"""Fabrics that training never draws, named or not."""


@lru_cache(maxsize=64)
def pattern_of(name: str) -> Pattern:
    """The pattern of a reserved name, of a sample brand's, or of `free-<number>`.

    Raises:
        KeyError: none of them.
    """
    if (known := RESERVED.get(name) or BRAND_FABRICS.get(name)) is not None:
        return known
    if not name.startswith(PREFIX):
        raise KeyError(name)
    rng = np.random.default_rng([int(name.removeprefix(PREFIX)), 5])
    share = FAMILIES[int(rng.integers(len(FAMILIES)))](rng)
    return lambda u, v, scale: (share(u / scale, v / scale), np.ones_like(u))


def free_colours(rng: Rng) -> tuple[Array, Array]:
    """Ground and second colour of a fabric without a name, sRGB (3,): any two that can be told apart."""
    while True:
        ground, second = rng.uniform(14, 245, (2, 3))
        if rng.random() < 0.4:  # greyish cloth is commoner than the cube of colours has it
            ground = ground.mean() + (ground - ground.mean()) * 0.35
        if np.linalg.norm(ground - second) > 90 and abs((ground - second) @ LIGHTNESS) > 25:
            return ground, second
