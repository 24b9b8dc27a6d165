"""One arm's numbers: what the judge reads in its pictures, against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.cut_lengths import PIECES, Figure, Piece, lengths_mm, measurable
from foundry.items import LOWER, UPPER, Items
from foundry.judge import MIRRORED
from studio.errors import InputError
from studio.measure.colour import ciede2000, median_colour
from studio.measure.judge import Reading
from studio.measure.pattern import pattern_similarity
from studio.records.attributes import ATTRIBUTE_VALUES

Array = npt.NDArray[Any]
FAR_MM = 150.0
NEAR_MM = 80.0
LEAST_CLOTH_PX = 20


@dataclass(frozen=True)
class Joints:
    """Joint errors of one item, mm.

    Attributes:
        seen: errors of the joints that count, each against its own true joint.
        hidden: the same of occluded joints inside of the picture.
        other_side: of the joints in `seen`, the distance to the true joint of the figure's other side.
    """

    seen: Array
    hidden: Array
    other_side: Array


def joints_of(items: Items, i: int, reading: Reading) -> Joints:
    """The errors of item i."""
    true, scale, counted = items.joints_px[i], items.px_per_mm[i], items.counted(i)
    away = np.linalg.norm(reading.joints_px - true, axis=1) / scale
    across = np.linalg.norm(reading.joints_px - true[list(MIRRORED)], axis=1) / scale
    size = np.array([items.images.shape[2], items.images.shape[1]])
    inside = ((true >= 0) & (true < size)).all(1)
    return Joints(away[counted], away[~items.visible[i] & inside], across[counted])


def silhouette_iou(a: Array, b: Array) -> float:
    """Overlap of two bool masks."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def colour_away(picture_a: Array, mask_a: Array, picture_b: Array, mask_b: Array) -> float | None:
    """CIEDE2000 of the median colours inside of two bool masks; None where one shows next to nothing."""
    if min(mask_a.sum(), mask_b.sum()) <= LEAST_CLOTH_PX:
        return None
    colours = (median_colour(picture_a, mask_a), median_colour(picture_b, mask_b))
    return float(ciede2000(np.array(colours[0]), np.array(colours[1])))


def pattern_or_zero(picture_a: Array, mask_a: Array, picture_b: Array, mask_b: Array) -> float:
    """Pattern similarity; 0 where no cloth is seen to compare, so that a picture without the garment counts."""
    try:
        return pattern_similarity(picture_a, mask_a, picture_b, mask_b)
    except InputError:
        return 0.0


def measure(items: Items, readings: list[Reading], pictures: list[Array], trusted: frozenset[str]) -> dict[str, Any]:
    """One arm's numbers against the truth. `trusted`: the attributes that count."""
    joints = [joints_of(items, i, reading) for i, reading in enumerate(readings)]
    unions = [silhouette_iou(r.figure_mask > 0.5, items.labels[i] > 0) for i, r in enumerate(readings)]
    deltas = [
        colour_away(pictures[i], r.upper_mask > 0.5, items.images[i], items.labels[i] == UPPER)
        for i, r in enumerate(readings)
    ]
    right = {
        name: [r.attributes[name][0] == items.attributes[i][name] for i, r in enumerate(readings)]
        for name in ATTRIBUTE_VALUES
    }
    counted = [np.mean(right[name]) for name in ATTRIBUTE_VALUES if name in trusted]
    odd = [np.mean(right[name][1::2]) for name in ATTRIBUTE_VALUES if name in trusted]
    seen, hidden = (np.concatenate([getattr(j, part) for j in joints]) for part in ("seen", "hidden"))
    return {
        "joint_mm_median": median(seen, 1),
        "joint_mm_p95": round(float(np.quantile(seen, 0.95)), 1),
        "joint_mm_median_occluded": median(hidden, 1),
        "iou": median(unions, 3),
        "delta_e": median(deltas, 2),
        "attributes": round(float(np.mean(counted)), 3) if counted else None,
        "attributes_unseen_wording": round(float(np.mean(odd)), 3) if odd else None,
        "each_attribute": {name: round(float(np.mean(values)), 3) for name, values in right.items()},
        "sides": sides(joints),
        "by_view": by_value(items, "view", joints, unions),
        "by_action": by_value(items, "action", joints, unions),
        "lengths": length_errors(items, readings),
    }


def sides(joints: Sequence[Joints]) -> dict[str, float | None]:
    """How much of the tail is left taken for right: not a better score, a reading of the one above.

    Returns:
        `p95_either_side`: every joint against the nearer of the two true ones that bear its name;
        `far`: joints off by more than FAR_MM; `far_on_other_side`: the share of these that lie within NEAR_MM of the
        other side's true joint; `items_better_swapped`: items whose mean error falls when the sides change names.
    """
    seen = np.concatenate([j.seen for j in joints])
    across = np.concatenate([j.other_side for j in joints])
    far = seen > FAR_MM
    better = [bool(j.other_side.mean() < j.seen.mean()) for j in joints if len(j.seen)]
    return {
        "p95_either_side": round(float(np.quantile(np.minimum(seen, across), 0.95)), 1),
        "far": int(far.sum()),
        "far_on_other_side": round(float((across[far] < NEAR_MM).mean()), 3) if far.any() else None,
        "items_better_swapped": round(float(np.mean(better)), 3),
    }


def by_value(items: Items, name: str, joints: Sequence[Joints], unions: Sequence[float]) -> dict[str, Any]:
    """Joint errors and overlap for every value of an attribute that occurs."""
    card: dict[str, Any] = {}
    for value in ATTRIBUTE_VALUES[name]:
        rows = [i for i, a in enumerate(items.attributes) if a[name] == value]
        if not rows:
            continue
        own = [joints[i] for i in rows]
        errors = np.concatenate([j.seen for j in own])
        card[value] = {
            "items": len(rows),
            "joint_mm_median": median(errors, 1),
            "joint_mm_p95": round(float(np.quantile(errors, 0.95)), 1),
            "p95_either_side": sides(own)["p95_either_side"],
            "iou": median([unions[i] for i in rows], 3),
        }
    return card


def length_errors(items: Items, readings: Sequence[Reading]) -> dict[str, dict[str, float | None]]:
    """How far hem and sleeve are from those of the true render, mm; see `foundry.cut_lengths`."""
    away: dict[Piece, list[float]] = {piece: [] for piece in PIECES}
    for i, reading in enumerate(readings):
        a, scale, labels = items.attributes[i], float(items.px_per_mm[i]), items.labels[i]
        limbs = measurable(items.joints_px[i], items.visible[i], scale, a["garment"], a["action"])
        true = Figure((labels == UPPER) * 1.0, (labels >= LOWER) * 1.0, items.joints_px[i], scale)
        drawn = Figure(reading.upper_mask, reading.garment_mask, reading.joints_px, scale)
        asked, found = (lengths_mm(figure, limbs, a["garment"]) for figure in (true, drawn))
        for piece in asked:
            away[piece].append(abs(found[piece] - asked[piece]))
    return {piece: {"mm_median": median(errors, 1), "items": len(errors)} for piece, errors in away.items()}


def median(values: Iterable[float | None], digits: int) -> float | None:
    """The rounded median of what could be measured; None if nothing could."""
    known = [value for value in values if value is not None]
    return round(float(np.median(known)), digits) if known else None
