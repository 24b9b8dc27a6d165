"""Hem and sleeve lengths: read where they can be, in the millimetres that they were cut at."""

from __future__ import annotations

import numpy as np
import pytest

from foundry.body import BodyPack
from foundry.cut_lengths import Figure, lengths_mm, measurable
from foundry.dataset import sample_framing
from foundry.garments import map_body
from foundry.items import LOWER, UPPER, labels_of
from foundry.render import render
from foundry.scene import sample_scene

SEEDS = range(24)


def bars(sleeve_px: int, hem_px: int) -> Figure:
    """A figure of bars: arms level, legs down, cloth for so many px of each; 1 px is 10 mm."""
    joints = np.zeros((18, 2))
    joints[[2, 3, 4]] = (80, 60), (50, 60), (25, 60)
    joints[[5, 6, 7]] = (110, 60), (140, 60), (165, 60)
    joints[[8, 9, 10]] = (86, 110), (86, 160), (86, 210)
    joints[[11, 12, 13]] = (104, 110), (104, 160), (104, 210)
    upper, cloth = np.zeros((256, 192)), np.zeros((256, 192))
    upper[50:111, 80:111] = 1
    upper[54:67, 80 - sleeve_px : 111 + sleeve_px] = 1
    cloth[110 : 110 + hem_px, 78:113] = 1
    return Figure(upper, np.maximum(upper, cloth), joints, 0.1)


@pytest.mark.parametrize(("sleeve_px", "hem_px"), [(0, 20), (15, 45), (42, 85)])
@pytest.mark.parametrize("garment", ["trousers", "skirt", "dress"])
def test_lengths_of_bars_are_exact(sleeve_px: int, hem_px: int, garment: str) -> None:
    found = lengths_mm(bars(sleeve_px, hem_px), {"sleeve": [0, 1], "hem": [0]}, garment)
    assert found["sleeve"] == pytest.approx(sleeve_px * 10, abs=10)
    assert found["hem"] == pytest.approx(hem_px * 10, abs=10)


def test_a_hand_over_the_cloth_does_not_end_it() -> None:
    figure = bars(15, 70)
    figure.cloth[130:138, 78:113] = 0
    assert lengths_mm(figure, {"hem": [0]}, "skirt")["hem"] == pytest.approx(700, abs=10)


def test_limbs_that_come_towards_the_camera_or_are_hidden_tell_nothing() -> None:
    figure = bars(15, 45)
    joints, seen = figure.joints_px, np.ones(18, bool)
    assert measurable(joints, seen, 0.1, "trousers", "standing") == {"sleeve": [0, 1], "hem": [0, 1]}
    assert measurable(joints, seen, 0.1, "skirt", "sitting") == {"sleeve": [0, 1], "hem": []}
    foreshortened, hidden = joints.copy(), seen.copy()
    foreshortened[4] = joints[3] + (-3, 0)
    hidden[12] = False
    assert measurable(foreshortened, hidden, 0.1, "trousers", "standing") == {"sleeve": [1], "hem": [0]}


def test_renders_are_cut_where_their_scenes_say(pack: BodyPack) -> None:
    """Only cuts that end on the figure: an ankle-length hem or a long sleeve ends where the body does."""
    sleeves, hems = [], []
    for seed in SEEDS:
        scene = sample_scene(pack, seed, "held-out")
        picture, a = render(pack, scene, sample_framing(seed)), scene.attributes
        labels, scale = labels_of(picture), picture.framing.px_per_mm
        figure = Figure((labels == UPPER) * 1.0, (labels >= LOWER) * 1.0, picture.joints_px, scale)
        limbs = measurable(picture.joints_px, picture.visible, scale, a.garment, a.action)
        found = lengths_mm(figure, limbs, a.garment)
        if "sleeve" in found and a.sleeve != "long":
            sleeves.append(abs(found["sleeve"] - max(scene.lengths.sleeve_mm, 0)))
        if "hem" in found and a.hem != "ankle":
            body = map_body(pack, pack.body(scene.body_index, scene.height_m))
            hips_z = pack.joints(body.rest.vertices)[[8, 11], 2].mean()
            hems.append(abs(found["hem"] - (scene.lengths.hem_mm - (body.waist_z - hips_z) * 1000)))
    assert len(sleeves) >= 6
    assert len(hems) >= 6
    assert np.median(sleeves) < 30
    assert np.median(hems) < 15
