"""Switching one word: what is compared, and that the renders themselves pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foundry.body import BodyPack
from foundry.dataset import sample_framing
from foundry.items import Items
from foundry.judge import SHIPPED
from foundry.render import render
from foundry.scene import sample_scene
from foundry.switching import SWITCHED, Shown, compare, switched
from studio.measure.judge import Judge
from studio.records.attributes import ATTRIBUTE_VALUES

COUNT = 6


@pytest.mark.parametrize("name", SWITCHED)
def test_exactly_one_word_changes(pack: BodyPack, name: str) -> None:
    before = sample_scene(pack, 0, "held-out").attributes
    after = switched(before, name)
    assert {n for n in ATTRIBUTE_VALUES if getattr(before, n) != getattr(after, n)} == {name}


def test_a_true_pair_keeps_everything_but_the_background(pack: BodyPack) -> None:
    scenes = [sample_scene(pack, seed, "held-out") for seed in range(COUNT)]
    asked = [switched(scene.attributes, "background") for scene in scenes]
    framings = [sample_framing(seed) for seed in range(COUNT)]
    renders = [render(pack, scene, framing) for scene, framing in zip(scenes, framings, strict=True)]
    other = [
        render(pack, replace(scene, attributes=text), framing).image
        for scene, text, framing in zip(scenes, asked, framings, strict=True)
    ]
    judge, items = Judge.load(SHIPPED), Items.of(renders)
    before, after = (Shown(pictures, judge.read(pictures)) for pictures in (list(items.images), other))
    kept = compare(before, after, items, "background", asked, judge.trusted)
    assert kept["iou"] > 0.85
    assert kept["joint_mm_median"] < 20
    assert kept["delta_e"] < 2
    assert kept["pattern_similarity"] > 0.85
    assert kept["read_as_asked"] == 1
    same = compare(before, before, items, "background", [scene.attributes for scene in scenes], judge.trusted)
    assert (same["iou"], same["joint_mm_median"], same["delta_e"], same["person_delta_e"], same["kept"]) == (
        1,
        0,
        0,
        0,
        1,
    )
    strangers = Shown(before.pictures[::-1], before.readings[::-1])
    lost = compare(before, strangers, items, "background", asked, judge.trusted)
    assert lost["joint_mm_median"] > 100
    assert lost["delta_e"] > 10
    assert lost["iou"] < 0.8
