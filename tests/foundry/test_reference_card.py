"""Fabrics by reference: the items, their words, and the gap between ceiling and floor on true renders."""

from __future__ import annotations

import numpy as np
import pytest

from foundry.body import BodyPack
from foundry.fabrics import COLOURS, FABRICS
from foundry.free_fabrics import RESERVED
from foundry.reference_card import MAKERS, Seen, Worn, against_truth, limits, nearest_colour, seen, worn

COUNT = 8


@pytest.fixture(scope="module")
def outfits(pack: BodyPack) -> list[Worn]:
    return [worn(pack, number, tuple(RESERVED)) for number in range(COUNT)]


def test_every_fabric_meets_every_kind_of_reference(outfits: list[Worn]) -> None:
    assert {(o.scene.upper.fabric, o.kind) for o in outfits} == {(f, k) for f in RESERVED for k in MAKERS}
    assert all(o.picture.shape[2] == 3 and o.picture.dtype == np.uint8 for o in outfits)


def test_no_item_wears_what_training_can_name(outfits: list[Worn]) -> None:
    assert not {o.scene.upper.fabric for o in outfits} & set(FABRICS)


def test_the_silent_caption_leaves_the_cloth_out(outfits: list[Worn]) -> None:
    for outfit in outfits:
        lower = outfit.scene.attributes.garment != "dress"
        said = outfit.silent_text().replace(outfit.scene.attributes.background, "")
        words = [word for word in COLOURS if f"{word} top" in said or f"{word} dress" in said]
        assert not words
        assert ("top" in said) == lower
        assert len(outfit.text()) > len(outfit.silent_text())


@pytest.mark.parametrize("name", COLOURS)
def test_a_named_colour_is_nearest_to_itself(name: str) -> None:
    assert nearest_colour(np.array(COLOURS[name], float)) == name


def test_the_same_cloth_is_far_more_alike_than_another(outfits: list[Worn]) -> None:
    found = limits(outfits)
    assert found["ceiling"]["pattern_similarity"] > 0.85
    assert found["floor"]["pattern_similarity"] < found["ceiling"]["pattern_similarity"] - 0.3
    assert found["floor"]["pattern_similarity"] <= found["best_word"]["pattern_similarity"]
    assert found["best_word"]["pattern_similarity"] < found["ceiling"]["pattern_similarity"] - 0.15
    assert found["ceiling"]["delta_e"] < 6


def test_the_true_render_is_a_perfect_answer_and_an_empty_one_is_none(outfits: list[Worn]) -> None:
    card = against_truth([seen(o.true) for o in outfits], outfits)
    assert (card["delta_e"], card["pattern_similarity"]) == (0, 1)
    assert set(card["by_fabric"]) == set(RESERVED)
    empty = [Seen(o.true.image, np.zeros(o.true.upper_mask.shape, bool)) for o in outfits]
    assert against_truth(empty, outfits)["pattern_similarity"] == 0
    assert against_truth(empty, outfits)["delta_e"] is None
