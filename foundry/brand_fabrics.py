"""Fabrics that belong to a sample brand: no training of the base ever draws them, and no caption can name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.fabrics import cells

Array = npt.NDArray[Any]

CELL_MM = 150.0
"""Two emblems lie side by side on a chest; on a picture of 192x256 each is 20 px wide."""
STROKE = 0.06
"""Half of a stroke's width, in cells."""
SOFTNESS = 0.02


def monogram(u: Array, v: Array, scale: float) -> tuple[Array, Array]:
    """A woven emblem in brick order: the letter K inside of an upright lozenge, all of the same stroke."""
    x, y, _, _ = cells(u, v, CELL_MM * scale, True)
    frame = np.abs(np.abs(x) * 1.15 + np.abs(y) * 0.9 - 0.43)
    stem = np.where(np.abs(y) < 0.20, np.abs(x + 0.10), 1.0)
    arms = np.where((x > -0.10) & (x < 0.13), np.abs(np.abs(y) - 0.86 * (x + 0.10)) * 0.76, 1.0)
    distance = np.minimum(np.minimum(frame, stem), arms) - STROKE
    share = 1 / (1 + np.exp(np.clip(distance / SOFTNESS, -40, 40)))
    return share, np.ones_like(u)


BRAND_FABRICS: dict[str, Callable[[Array, Array, float], tuple[Array, Array]]] = {"monogram": monogram}
"""As `foundry.fabrics.FABRICS`: (u, v) in mm and a scale, to the share of the second colour and a brightness."""
