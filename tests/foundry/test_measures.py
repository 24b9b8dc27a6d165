"""An arm's numbers: what they count, and that the tail is told apart from figures in the wrong place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foundry.body import BodyPack
from foundry.dataset import sample_framing
from foundry.items import LOWER, UPPER, Items
from foundry.judge import MIRRORED
from foundry.measures import colour_away, measure
from foundry.render import render
from foundry.scene import sample_scene
from studio.measure.judge import Reading

TRUSTED = frozenset({"view", "background"})


@pytest.fixture(scope="module")
def items(pack: BodyPack) -> Items:
    return Items.of([render(pack, sample_scene(pack, n, "held-out"), sample_framing(n)) for n in range(6)])


@pytest.fixture
def readings(items: Items) -> list[Reading]:
    """What a judge without fault reads in the true renders."""
    return [
        Reading(
            joints_px=items.joints_px[i].astype(float),
            joint_confidence=np.ones(18),
            figure_mask=(labels > 0).astype(np.float32),
            garment_mask=(labels >= LOWER).astype(np.float32),
            upper_mask=(labels == UPPER).astype(np.float32),
            attributes={name: (value, 1.0) for name, value in items.attributes[i].items()},
            in_domain=True,
        )
        for i, labels in enumerate(items.labels)
    ]


def test_the_truth_has_no_error(items: Items, readings: list[Reading]) -> None:
    card = measure(items, readings, list(items.images), TRUSTED)
    assert card["joint_mm_p95"] == card["delta_e"] == 0
    assert card["iou"] == card["attributes"] == card["attributes_unseen_wording"] == 1
    assert card["sides"]["far"] == 0
    assert card["sides"]["far_on_other_side"] is None
    assert card["lengths"]["sleeve"] == {"mm_median": 0, "items": card["lengths"]["sleeve"]["items"]}
    for group in ("by_view", "by_action"):
        assert sum(part["items"] for part in card[group].values()) == len(items)


def test_errors_are_in_millimetres(items: Items, readings: list[Reading]) -> None:
    step = np.array([30.0, 40.0])
    moved = [replace(r, joints_px=r.joints_px + step * items.px_per_mm[i]) for i, r in enumerate(readings)]
    card = measure(items, moved, list(items.images), TRUSTED)
    assert card["joint_mm_median"] == pytest.approx(50, abs=0.1)
    assert all(part["joint_mm_median"] == pytest.approx(50, abs=0.1) for part in card["by_view"].values())


def test_left_taken_for_right_is_named_and_still_counts(items: Items, readings: list[Reading]) -> None:
    mirrored = [replace(r, joints_px=r.joints_px[list(MIRRORED)]) for r in readings]
    card = measure(items, mirrored, list(items.images), TRUSTED)
    assert card["joint_mm_p95"] > 200
    assert card["sides"]["p95_either_side"] == 0
    assert card["sides"]["far_on_other_side"] == 1
    assert card["sides"]["items_better_swapped"] == 1
    elsewhere = [replace(r, joints_px=r.joints_px - (0, 60)) for r in readings]
    assert measure(items, elsewhere, list(items.images), TRUSTED)["sides"]["far_on_other_side"] < 0.5


def test_only_trusted_attributes_count(items: Items, readings: list[Reading]) -> None:
    wrong = [replace(r, attributes=r.attributes | {"fabric": ("none", 1.0)}) for r in readings]
    card = measure(items, wrong, list(items.images), TRUSTED)
    assert card["attributes"] == 1
    assert card["each_attribute"]["fabric"] == 0


def test_a_figure_without_cloth_has_length_nought(items: Items, readings: list[Reading]) -> None:
    bare = [replace(r, upper_mask=r.upper_mask * 0, garment_mask=r.garment_mask * 0) for r in readings]
    worn, lost = (measure(items, r, list(items.images), TRUSTED)["lengths"]["hem"] for r in (readings, bare))
    assert lost["items"] == worn["items"]
    assert lost["mm_median"] > 150


def test_colour_is_not_told_from_next_to_nothing(items: Items) -> None:
    some, nothing = items.labels[0] == UPPER, np.zeros_like(items.labels[0], bool)
    assert colour_away(items.images[0], some, items.images[0], nothing) is None
    assert colour_away(items.images[0], some, items.images[0], some) == 0
