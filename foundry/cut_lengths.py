"""Hem and sleeve lengths in a picture, in mm, from masks and joints.

Both are read along a path: the sleeve from the shoulder along the arm, the hem of trousers from the hip along the leg,
that of a skirt or dress straight down from between the hips. A length ends where the path leaves the cloth. The same
method reads a render's truth and the judge's reading of any picture, so what the method itself leaves out (a waist
above the hips, a limb that comes towards the camera) is the same on both sides of a comparison.

A caption only states a class ("knee"), which stands for a range of mm (`SKIRT_MM` and its neighbours in
`foundry.scene`); the distance to the true render's length therefore holds up to half of such a range that croquis
cannot know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Piece = Literal["sleeve", "hem"]
PIECES: tuple[Piece, ...] = ("sleeve", "hem")

ARMS = ((2, 3, 4), (5, 6, 7))
LEGS = ((8, 9, 10), (11, 12, 13))
LEAST_MM: dict[Piece, tuple[float, float]] = {"sleeve": (170.0, 130.0), "hem": (260.0, 260.0)}
"""How long both parts of a limb must appear; a shorter one comes towards the camera and tells no length."""
BEYOND_MM: dict[Piece, float] = {"sleeve": 30.0, "hem": 70.0}
"""How far a path goes on after wrist or ankle."""
BREADTH_MM: dict[Piece, float] = {"sleeve": 30.0, "hem": 60.0}
"""Breadth of the strip that is looked at."""
STEP_MM = 5.0


@dataclass(frozen=True)
class Figure:
    """What lengths are read from.

    Attributes:
        upper, cloth: (H, W) in [0, 1]; the top or dress alone, and all of the outfit.
        joints_px: (18, 2).
    """

    upper: Array
    cloth: Array
    joints_px: Array
    px_per_mm: float


def measurable(joints_px: Array, visible: Array, px_per_mm: float, garment: str, action: str) -> dict[Piece, list[int]]:
    """Which limbs (0 right, 1 left) of a true render tell a length. Decided on the truth alone, whatever was drawn.

    Hems of seated figures are left out: a skirt lies on thighs that come towards the camera.
    """
    arms = [side for side, limb in enumerate(ARMS) if _tells(joints_px, visible, px_per_mm, limb, "sleeve")]
    legs = [side for side, limb in enumerate(LEGS) if _tells(joints_px, visible, px_per_mm, limb, "hem")]
    if garment != "trousers":
        legs = [0]  # one tube around both legs
    return {"sleeve": arms, "hem": legs if action != "sitting" else []}


def _tells(joints_px: Array, visible: Array, px_per_mm: float, limb: tuple[int, ...], piece: Piece) -> bool:
    """Whether a limb is seen whole and lies nearly in the picture's plane."""
    parts = np.linalg.norm(np.diff(joints_px[list(limb)], axis=0), axis=1) / px_per_mm
    return bool(visible[list(limb)].all() and (parts >= LEAST_MM[piece]).all())


def lengths_mm(figure: Figure, limbs: dict[Piece, list[int]], garment: str) -> dict[Piece, float]:
    """The lengths that `limbs` allow, each the mean of its sides."""
    found: dict[Piece, float] = {}
    for piece, sides in limbs.items():
        if sides:
            mask = figure.upper if piece == "sleeve" else figure.cloth
            found[piece] = float(
                np.mean([_covered(mask, _path(figure, piece, s, garment), figure, piece) for s in sides])
            )
    return found


def _path(figure: Figure, piece: Piece, side: int, garment: str) -> Array:
    """(K, 2) corners of the path in px."""
    joints = figure.joints_px
    if piece == "hem" and garment != "trousers":
        top = joints[[8, 11]].mean(0)
        return np.array([top, (top[0], figure.cloth.shape[0] - 1)])
    limb = joints[list((ARMS if piece == "sleeve" else LEGS)[side])]
    onward = limb[2] - limb[1]
    onward = onward / max(float(np.linalg.norm(onward)), 1e-6)
    return np.concatenate([limb, (limb[2] + onward * BEYOND_MM[piece] * figure.px_per_mm)[None]])


def _covered(mask: Array, path: Array, figure: Figure, piece: Piece) -> float:
    """mm of the path from its start to where the cloth ends: the cut that leaves most cloth before and most of
    everything else behind it, so that a hand over a skirt or a hole in a mask does not end it.
    """
    starts, parts = path[:-1], np.diff(path, axis=0)
    spans = np.maximum(np.linalg.norm(parts, axis=1), 1e-6)
    away = np.arange(0, spans.sum(), STEP_MM * figure.px_per_mm)
    part = np.clip(np.searchsorted(np.cumsum(spans), away, side="right"), 0, len(parts) - 1)
    share = (away - (np.cumsum(spans) - spans)[part]) / spans[part]
    centres = starts[part] + parts[part] * share[:, None]
    across = np.stack([-parts[:, 1], parts[:, 0]], 1)[part] / spans[part][:, None]
    offsets = np.linspace(-0.5, 0.5, 7) * BREADTH_MM[piece] * figure.px_per_mm
    places = np.round(centres[:, None] + across[:, None] * offsets[None, :, None]).astype(int)
    height, width = mask.shape
    inside = (places >= 0).all(2) & (places[..., 0] < width) & (places[..., 1] < height)
    values = mask[np.clip(places[..., 1], 0, height - 1), np.clip(places[..., 0], 0, width - 1)] * inside
    gain = np.concatenate([[0.0], np.cumsum(values.mean(1) - 0.5)])
    return float(np.argmax(gain)) * STEP_MM
