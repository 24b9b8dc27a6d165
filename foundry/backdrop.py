"""Studio and simple location backgrounds, painted per pixel, and the shadows that a figure throws on them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rng = np.random.Generator

STUDIO = {"white": (246, 246, 245), "grey": (158, 159, 160), "beige": (216, 198, 172), "blue": (142, 176, 212)}


def _grid(width: int, height: int) -> tuple[Array, Array]:
    """Coordinates x in [0, width/height] and y in [0, 1], pixel centres."""
    y, x = np.mgrid[0:height, 0:width]
    return (x + 0.5) / height, (y + 0.5) / height


def _blend(image: Array, colour: Any, share: Array) -> Array:
    return image + (np.asarray(colour, float) - image) * share[..., None]


def _edge(x: Array, softness: float = 0.004) -> Array:
    return 1 / (1 + np.exp(-np.clip(x / softness, -40, 40)))


def studio(rng: Rng, width: int, height: int, floor: float, colour: tuple[int, int, int]) -> Array:
    """A paper roll: wall and floor meet in a soft curve; the wall falls off towards the corners."""
    x, y = _grid(width, height)
    bright = colour[0] > 235
    base = np.array(colour, float) + rng.normal(0, 1.0 if bright else 5.0) + rng.normal(0, 0 if bright else 2.5, 3)
    centre = width / height * rng.uniform(0.3, 0.7)
    falloff = 1 - (0.02 if bright else 0.16) * ((x - centre) ** 2 * 1.6 + (y - 0.35) ** 2)
    curve = _edge(y - (floor - 0.09), 0.035)
    shade = falloff * (1 + (0.01 if bright else rng.uniform(0.02, 0.06)) * curve)
    return np.clip(base * shade[..., None], 0, 255)


def street(rng: Rng, width: int, height: int, floor: float) -> Array:
    """A facade with windows above a pavement."""
    x, y = _grid(width, height)
    wall = np.array(((176, 120, 96), (188, 176, 158), (150, 156, 164))[int(rng.integers(3))], float) + rng.normal(
        0, 6, 3
    )
    image = np.ones((height, width, 3)) * wall
    pitch, row = rng.uniform(0.24, 0.34), rng.uniform(0.30, 0.40)
    offset = rng.uniform(0, pitch)
    wx, wy = np.mod(x + offset, pitch) / pitch, np.mod(y + 0.06, row) / row
    pane = _edge(wx - 0.25, 0.02) * _edge(0.75 - wx, 0.02) * _edge(wy - 0.25, 0.02) * _edge(0.8 - wy, 0.02)
    image = _blend(image, (72, 84, 100), pane * (y < floor - 0.16) * 0.9)
    kerb = floor - rng.uniform(0.08, 0.12)
    image = _blend(image, wall * 0.72, _edge(y - (kerb - 0.05)))
    image = _blend(image, (142, 142, 144), _edge(y - kerb))
    joints = np.exp(-((np.mod(x + offset, 0.22) - 0.11) ** 2) / 0.00001)
    return _blend(image, (112, 112, 116), joints * _edge(y - kerb) * 0.6)


def park(rng: Rng, width: int, height: int, floor: float) -> Array:
    """Sky, trees, grass."""
    x, y = _grid(width, height)
    image = np.ones((height, width, 3)) * np.array((186, 212, 236.0))
    horizon = floor - rng.uniform(0.14, 0.24)
    for _ in range(9):
        cx, cy, r = rng.uniform(-0.1, 0.9), horizon - rng.uniform(0.08, 0.34), rng.uniform(0.10, 0.20)
        tone = np.array((70, 122, 66)) + rng.normal(0, 14, 3)
        image = _blend(image, tone, _edge(r - np.hypot(x - cx, y - cy), 0.03) * 0.9)
    image = _blend(image, (64, 104, 58), _edge(y - (horizon - 0.05), 0.02))
    grass = np.array((122, 158, 84)) + rng.normal(0, 7, 3)
    return _blend(image, grass, _edge(y - horizon, 0.01))


def room(rng: Rng, width: int, height: int, floor: float) -> Array:
    """A wall with a window or a picture, a skirting board, a floor of boards."""
    x, y = _grid(width, height)
    wall = np.array(((226, 220, 206), (196, 208, 198), (218, 198, 190))[int(rng.integers(3))], float) + rng.normal(
        0, 4, 3
    )
    image = np.ones((height, width, 3)) * wall
    left, top = rng.uniform(0.02, 0.5), rng.uniform(0.08, 0.18)
    frame = lambda pad: (  # noqa: E731
        _edge(x - left + pad) * _edge(left + 0.24 - x + pad) * _edge(y - top + pad) * _edge(top + 0.34 - y + pad)
    )
    image = _blend(image, (250, 250, 248), frame(0.018))
    image = _blend(image, (178, 206, 232), frame(0.0) * (np.abs(x - left - 0.12) > 0.006))
    line = floor - rng.uniform(0.09, 0.13)
    image = _blend(image, (246, 244, 240), _edge(y - (line - 0.035)))
    boards = np.array((166, 124, 84)) + rng.normal(0, 10) + rng.normal(0, 3, 3)
    image = _blend(image, boards, _edge(y - line))
    gaps = np.exp(-((np.mod(y, 0.045) - 0.02) ** 2) / 0.00001)
    return _blend(image, boards * 0.8, gaps * _edge(y - line) * 0.7)


def paint(rng: Rng, name: str, width: int, height: int, floor_px: float) -> Array:
    """(H, W, 3) float sRGB in [0, 255]. Locations are a little out of focus, as behind a portrait lens."""
    floor = floor_px / height
    if name in STUDIO:
        return studio(rng, width, height, floor, STUDIO[name])
    image = {"street": street, "park": park, "room": room}[name](rng, width, height, floor)
    return cv2.GaussianBlur(image, (0, 0), height * 0.0055)


def throw_shadow(background: Array, mask: Array, floor_px: float, side: float) -> Array:
    """The figure's soft shadow on the floor and its contact shadow under the soles.

    Args:
        mask: (H, W) float figure mask.
        floor_px: row of the floor under the figure.
        side: sine of the key light's side; the shadow falls the other way.
    """
    height, width = mask.shape
    squash, shear = 0.13, -side * 0.55
    matrix = np.array(
        [[1.0, shear * squash * 1.4, -shear * squash * 1.4 * floor_px], [0, squash, floor_px * (1 - squash)]]
    )
    cast = cv2.warpAffine(mask.astype(np.float32), matrix, (width, height))
    cast = cv2.GaussianBlur(cast, (0, 0), height * 0.010)
    rows = np.clip((np.arange(height) - (floor_px - 0.045 * height)) / (0.02 * height), 0, 1)
    feet = mask * rows[:, None].astype(np.float32)
    contact = cv2.GaussianBlur(feet.astype(np.float32), (0, 0), sigmaX=height * 0.012, sigmaY=height * 0.005)
    return background * (1 - np.clip(0.30 * cast + 0.38 * contact, 0, 0.6))[..., None]
