"""How far a drawing is from the true picture, region by region, and what a brand model changes in that.

Each number is a difference: 0 is the true picture. `head`, `skin` and `garment` compare palettes (CIEDE2000, earth
mover's distance), as `make demo` compares the garment; `face` compares colours place by place, so it sees glasses and a
strand of hair where they belong; `pattern` is 1 - pattern similarity, `silhouette` 1 - overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.color import rgb2lab

from foundry.brand_truth import Region, Shown, TruePicture
from foundry.measures import LEAST_CLOTH_PX, pattern_or_zero, silhouette_iou
from studio.measure.colour import ciede2000, colour_difference
from studio.measure.copies import COPY_ABOVE
from studio.measure.judge import Reading

Array = npt.NDArray[Any]
NECK, ANKLES = 1, (10, 13)
"""Joints that part the head from the body, and the body from the shoes, which no caption names."""
BLUR_PX = 1.5
"""Standard deviation; a face that is drawn a pixel beside the true one is not another face."""
Differences = Mapping[Region, float | None]

LEAST_FALL, MOST_TRAINING_S = 0.30, 360.0
MOST_LOST, MOST_POSE_GROWTH = 0.15, 1.15
"""Share of asked words that may get lost under a brand model, beside croquis alone; growth of the joint error."""


def shown(image: Array, reading: Reading) -> Shown:
    """A drawing as the judge reads it."""
    return Shown(image, reading.figure_mask > 0.5, reading.garment_mask > 0.5)


def differences(truth: TruePicture, drawn: Shown, regions: Iterable[Region]) -> dict[Region, float | None]:
    """The difference in each region; None where one of both shows next to nothing of it."""
    return {region: _difference(region, truth, drawn) for region in regions}


def _difference(region: Region, truth: TruePicture, drawn: Shown) -> float | None:
    true = truth.shown
    if region == "silhouette":
        return 1 - silhouette_iou(true.figure, drawn.figure)
    if region == "pattern":
        return 1 - pattern_or_zero(true.image, true.garment, drawn.image, drawn.garment)
    if region == "face":
        return _place_by_place(true.image, drawn.image, _mask("head", true, truth.joints_px))
    masks = [_mask(region, one, truth.joints_px) for one in (true, drawn)]
    if min(int(mask.sum()) for mask in masks) <= LEAST_CLOTH_PX:
        return None
    return colour_difference(true.image, masks[0], drawn.image, masks[1]).distribution


def _mask(region: Region, one: Shown, joints_px: Array) -> Array:
    """(H, W) bool. Both pictures were asked for the same joints, so the true ones part them both."""
    if region == "garment":
        return one.garment
    rows = np.arange(len(one.figure))[:, None]
    neck, ankle = joints_px[NECK, 1], joints_px[list(ANKLES), 1].min()
    inside = rows < neck if region == "head" else (rows >= neck) & (rows < ankle)
    mask: Array = one.figure & ~one.garment & inside
    return mask


def _place_by_place(true: Array, drawn: Array, mask: Array) -> float | None:
    if mask.sum() <= LEAST_CLOTH_PX:
        return None
    labs = [rgb2lab(cv2.GaussianBlur(image.astype(np.float64) / 255, (0, 0), BLUR_PX))[mask] for image in (true, drawn)]
    return float(ciede2000(*labs).mean())


def fidelity(found: Differences, regions: Sequence[Region]) -> float | None:
    """The mean difference over what the brand is about; None where a part of it was not measured."""
    values = [value for region in regions if (value := found[region]) is not None]
    return sum(values) / len(values) if len(values) == len(regions) else None


def falls(with_model: Sequence[float | None], without: Sequence[float | None]) -> float | None:
    """By how much of itself a difference falls, in the median of pairs; None where no pair was measured.

    A picture of the brand model that does not show what croquis alone shows counts as no gain at all.
    """
    pairs = zip(with_model, without, strict=True)
    known = [0.0 if mine is None else 1 - mine / plain for mine, plain in pairs if plain]
    return median(known) if known else None


def compared(
    with_model: Sequence[Differences], without: Sequence[Differences], floor: Sequence[Differences],
    regions: Sequence[Region], beside: Sequence[Region],
) -> dict[str, Any]:  # fmt: skip
    """Medians of both arms and of the floor, and the fall, for the brand's fidelity and for every region."""
    arms = {"with_model": with_model, "without": without, "floor": floor}
    card: dict[str, Any] = {}
    for name in (None, *regions, *beside):
        values = {
            arm: [fidelity(one, regions) if name is None else one[name] for one in rows] for arm, rows in arms.items()
        }
        fall = _rounded(falls(values["with_model"], values["without"]))
        card[name or "fidelity"] = {arm: _rounded(_median(column)) for arm, column in values.items()} | {"fall": fall}
    return card


def copies(similarities: Sequence[float | None]) -> dict[str, Any]:
    """How many drawings are flagged as copies of a training photo, by their similarity to the nearest one."""
    found = [value for value in similarities if value is not None]
    return {
        "measured": len(found),
        "flagged": sum(value >= COPY_ABOVE for value in found),
        "greatest_similarity": round(max(found), 3) if found else None,
    }


def met(card: Mapping[str, Any]) -> dict[str, bool]:
    """Which of the demands a card meets. What was not measured is not met."""
    fall = card["difference"]["fidelity"]["fall"]
    joints = card["joint_mm"]
    both = None not in joints.values()
    return {
        "fidelity": fall is not None and fall >= LEAST_FALL,
        "no_copies": card["copies"]["measured"] > 0 and card["copies"]["flagged"] == 0,
        "background": card["background"]["with_model"] >= card["background"]["without"] - MOST_LOST,
        "colour": card["colour"]["with_model"] >= card["colour"]["without"] - MOST_LOST,
        "pose": both and joints["with_model"] <= joints["without"] * MOST_POSE_GROWTH,
        "time": card["training"]["seconds"] <= MOST_TRAINING_S,
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
