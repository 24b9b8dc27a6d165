"""Dressed figures painted with a few shapes: pictures whose subject, colour and blur are known exactly."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from studio.measure.pictures import RGB, Mask

Arms = Literal["down", "out", "up"]
NAVY, RUST, BLACK = (38, 52, 110), (170, 74, 40), (28, 28, 32)


@dataclass(frozen=True)
class Painting:
    """A picture with its truth: the whole figure and the dress alone."""

    rgb: RGB
    figure: Mask
    dress: Mask


def paint(
    *,
    colour: tuple[int, int, int] = NAVY,
    stripe: tuple[int, int, int] | None = (230, 226, 214),
    size: tuple[int, int] = (384, 512),
    arms: Arms = "down",
    background: Literal["plain", "busy"] = "plain",
    shift: float = 0.0,
    hem: float = 0.66,
    grain: float = 2.0,
    subject_blur: float = 0.0,
    background_blur: float = 0.0,
    seed: int = 0,
) -> Painting:
    """Paint a figure of `size` (width, height) px; blurs are Gaussian sigmas in px, `shift` a share of the width."""
    width, height = size
    rng = np.random.default_rng(seed)
    backdrop = _backdrop(width, height, background, rng)
    unit = height / 512

    def point(x: float, y: float) -> tuple[int, int]:
        return round((x + shift) * width), round(y * height)

    figure, dress = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    body = np.zeros((height, width, 3), np.uint8)
    skin = (205, 160, 132)

    def limb(ends: list[tuple[int, int]], thickness: float, fill: tuple[int, int, int]) -> None:
        for start, end in pairwise(ends):
            cv2.line(body, start, end, fill, round(thickness * unit), cv2.LINE_AA)
            cv2.line(figure, start, end, 1, round(thickness * unit))

    hands = {"down": (0.36, 0.56), "out": (0.22, 0.40), "up": (0.30, 0.08)}[arms]
    limb([point(0.46, 0.60), point(0.45, 0.92)], 20, skin)
    limb([point(0.54, 0.60), point(0.55, 0.92)], 20, skin)
    limb([point(0.50, 0.15), point(0.50, 0.24)], 16, skin)
    limb([point(0.42, 0.24), point(0.37, 0.40), point(*hands)], 14, skin)
    limb([point(0.58, 0.24), point(0.63, 0.40), point(1 - hands[0], hands[1])], 14, skin)
    outline = np.array([point(0.41, 0.21), point(0.59, 0.21), point(0.57, 0.40), point(0.66, hem), point(0.34, hem),
                        point(0.43, 0.40)])  # fmt: skip
    cv2.fillPoly(dress, [outline], 1)
    cloth = np.empty((height, width, 3), np.uint8)
    cloth[:] = colour
    if stripe is not None:
        cloth[(np.arange(height) // max(2, round(9 * unit))) % 3 == 0] = stripe
    shade = 0.75 + 0.25 * np.cos((np.arange(width) / width - 0.42 - shift) * 5.0)
    body[dress > 0] = (cloth * shade[None, :, None])[dress > 0].astype(np.uint8)
    figure |= dress
    for centre, radius, fill in (((0.5, 0.12), 27, (70, 46, 30)), ((0.5, 0.135), 22, skin)):
        cv2.circle(body, point(*centre), round(radius * unit), fill, -1, cv2.LINE_AA)
        cv2.circle(figure, point(*centre), round(radius * unit), 1, -1)
    for x in (0.48, 0.52):
        cv2.circle(body, point(x, 0.13), max(1, round(3 * unit)), (30, 24, 22), -1, cv2.LINE_AA)
    cv2.line(body, point(0.485, 0.155), point(0.515, 0.155), (150, 60, 60), max(1, round(3 * unit)), cv2.LINE_AA)

    alpha = figure[..., None].astype(np.float32)
    behind = backdrop.astype(np.float32)
    front = np.where(alpha > 0, body, 0).astype(np.float32)
    if subject_blur:
        blurred = cv2.GaussianBlur(alpha, (0, 0), subject_blur)[..., None]
        front = cv2.GaussianBlur(front, (0, 0), subject_blur)
    else:
        blurred = alpha
    if background_blur:
        behind = cv2.GaussianBlur(behind, (0, 0), background_blur)
    mixed = front + (1 - blurred) * behind + rng.normal(0, grain, (height, width, 3))
    return Painting(mixed.clip(0, 255).astype(np.uint8), figure.astype(bool), dress.astype(bool))


def _backdrop(width: int, height: int, kind: str, rng: np.random.Generator) -> RGB:
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = (232, 231, 229)
    if kind == "busy":
        for _ in range(160):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            w, h = int(rng.integers(8, width // 6)), int(rng.integers(8, height // 8))
            base = rng.integers(90, 200)
            tint = tuple(int(v) for v in (base, base + rng.integers(0, 40), base - rng.integers(0, 40)))
            cv2.rectangle(canvas, (x, y), (x + w, y + h), tint, -1)
    return canvas


def encoded(rgb: RGB, kind: str = "PNG", **options: object) -> bytes:
    """The picture as the bytes of a file."""
    out = io.BytesIO()
    if kind == "PNG":
        options.setdefault("compress_level", 1)
    Image.fromarray(rgb).save(out, kind, **options)
    return out.getvalue()
