"""A dressed figure drawn on a ground of one colour, with soft edges, whose true matte is known."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

OVER = 4
"""How many times as large it is drawn at first: its edges are then mixtures, as a camera's are."""
GREEN, GREY, WHITE = (60, 170, 70), (200, 200, 205), (255, 255, 255)


class Drawn(NamedTuple):
    """`rgb`: (H, W, 3); `matte`: (H, W), how much of each pixel is figure."""

    rgb: NDArray[np.uint8]
    matte: NDArray[np.float32]


def draw(ground: tuple[int, int, int], size: tuple[int, int] = (288, 384), noise: float = 2.0) -> Drawn:
    """The figure on a ground; the same figure whatever the ground."""
    width, height = size[0] * OVER, size[1] * OVER
    mask = np.zeros((height, width), np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * width), round(y * height)

    cv2.circle(mask, at(0.5, 0.13), round(0.07 * height), 1, -1)
    cv2.rectangle(mask, at(0.47, 0.15), at(0.53, 0.24), 1, -1)
    dress = [at(0.4, 0.22), at(0.6, 0.22), at(0.58, 0.4), at(0.68, 0.68), at(0.32, 0.68), at(0.42, 0.4)]
    cv2.fillPoly(mask, [np.array(dress)], 1)
    for x in (0.44, 0.56):
        cv2.line(mask, at(x, 0.66), at(x, 0.93), 1, round(0.035 * height))
    for x, hand in ((0.41, 0.24), (0.59, 0.76)):
        cv2.line(mask, at(x, 0.25), at(hand, 0.5), 1, round(0.03 * height))
    colours = np.empty((height, width, 3), np.uint8)
    colours[:] = (150, 60, 70)
    colours[(np.arange(height) // (8 * OVER)) % 3 == 0] = (225, 215, 210)
    colours[: round(0.22 * height)] = (205, 160, 135)
    colours[round(0.69 * height) :] = (200, 155, 130)
    large = np.where(mask[:, :, None] > 0, colours, np.array(ground, np.uint8))
    rgb = cv2.resize(large, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    rgb += np.random.default_rng(0).normal(0, noise, rgb.shape)
    matte = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return Drawn(np.clip(rgb, 0, 255).astype(np.uint8), np.asarray(matte, np.float32))


def green_excess(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(H, W): by how many levels green lies above the other two."""
    levels = rgb.astype(np.int64)
    return levels[:, :, 1] - np.maximum(levels[:, :, 0], levels[:, :, 2])
