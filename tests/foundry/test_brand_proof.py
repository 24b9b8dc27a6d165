"""The proof of a brand model: its measures know the truth from anything else, and each demand can fail."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foundry.brand_measures import compared, copies, differences, falls, fidelity, met
from foundry.brand_proof import prove
from foundry.brand_truth import ProofBrand, Shown

ROOT = Path(__file__).resolve().parents[2]
BRANDS = ROOT / "presets" / "sample_brands"
ALL = ("head", "skin", "garment", "face", "pattern", "silhouette")
GOOD: dict[str, Any] = {
    "difference": {"fidelity": {"fall": 0.4}},
    "copies": {"measured": 9, "flagged": 0},
    "background": {"with_model": 1.0, "without": 1.0},
    "colour": {"with_model": 0.8, "without": 0.9},
    "joint_mm": {"with_model": 21.0, "without": 20.0},
    "training": {"seconds": 300.0},
}


@pytest.fixture(scope="module")
def hazel() -> ProofBrand:
    return ProofBrand.read(BRANDS / "maison-hazel")


@pytest.fixture(scope="module")
def kei() -> ProofBrand:
    return ProofBrand.read(BRANDS / "atelier-kei")


def test_the_true_picture_differs_from_itself_in_nothing(hazel: ProofBrand, kei: ProofBrand) -> None:
    for brand in (hazel, kei):
        for truth in brand.truths[::4]:
            found = differences(truth, truth.shown, ALL)
            assert max(value for value in found.values() if value is not None) < 0.02


def test_each_region_sees_its_own_fault_alone(hazel: ProofBrand) -> None:
    truth = hazel.truths[2]
    true, neck = truth.shown, int(truth.joints_px[1, 1])
    bare, rows = true.figure & ~true.garment, np.arange(256)[:, None]
    for region, mask in {"head": bare & (rows < neck), "skin": bare & (rows >= neck), "garment": true.garment}.items():
        image = true.image.copy()
        image[mask] = 255 - image[mask]
        found = differences(truth, Shown(image, true.figure, true.garment), ALL)
        for name in ("head", "skin", "garment"):
            assert found[name] is not None
            assert (found[name] > 10) == (name == region), name
        assert (found["face"] > 10) == (region == "head")
        assert found["silhouette"] == 0
    wider = np.roll(true.figure, 6, axis=1)
    assert differences(truth, Shown(true.image, wider, true.garment), ("silhouette",))["silhouette"] > 0.1
    nowhere = np.zeros_like(true.figure)
    lost = differences(truth, Shown(true.image, nowhere, nowhere), ("head", "garment"))
    assert lost == {"head": None, "garment": None}


def test_a_face_without_its_glasses_is_another_face(hazel: ProofBrand) -> None:
    truth = hazel.truths[0]
    image, nose = truth.shown.image.copy(), truth.joints_px[0]
    row, column = int(nose[1]), int(nose[0])
    image[row - 8 : row, column - 9 : column + 9] = truth.shown.image[row + 3, column]
    found = differences(truth, Shown(image, truth.shown.figure, truth.shown.garment), ("face",))["face"]
    assert found is not None
    assert found > 1


def test_the_emblem_differs_from_plain_cloth_of_its_mean_colour(kei: ProofBrand) -> None:
    truth = kei.truths[0]
    image = truth.shown.image.copy()
    image[truth.shown.garment] = image[truth.shown.garment].mean(0)
    found = differences(truth, Shown(image, truth.shown.figure, truth.shown.garment), ("garment", "pattern"))
    assert found["garment"] is not None
    assert found["garment"] > 10
    assert found["pattern"] is not None
    assert found["pattern"] > 0.4


def test_falls_and_fidelity() -> None:
    assert falls([5.0, 8.0, 12.0], [10.0, 10.0, 10.0]) == pytest.approx(0.2)
    assert falls([None, None, 1.0], [10.0, 10.0, 10.0]) == 0.0, "what is not shown is no gain"
    assert falls([1.0], [None]) is None
    assert fidelity({"head": 4.0, "skin": 8.0, "face": 99.0}, ("head", "skin")) == 6.0
    assert fidelity({"head": 4.0, "skin": None}, ("head", "skin")) is None
    rows = [{"head": 2.0, "skin": 4.0, "face": 1.0}]
    card = compared(rows, [{"head": 4.0, "skin": 8.0, "face": None}], rows, ("head", "skin"), ("face",))
    assert card["fidelity"] == {"with_model": 3.0, "without": 6.0, "floor": 3.0, "fall": 0.5}
    assert card["face"]["fall"] is None


def test_copies_are_counted() -> None:
    assert copies([0.3, 0.95, None, 0.9]) == {"measured": 3, "flagged": 2, "greatest_similarity": 0.95}
    assert copies([None]) == {"measured": 0, "flagged": 0, "greatest_similarity": None}


@pytest.mark.parametrize(
    ("demand", "spoil"),
    [
        ("fidelity", lambda card: card["difference"]["fidelity"].update(fall=0.29)),
        ("fidelity", lambda card: card["difference"]["fidelity"].update(fall=None)),
        ("no_copies", lambda card: card["copies"].update(flagged=1)),
        ("no_copies", lambda card: card["copies"].update(measured=0)),
        ("background", lambda card: card["background"].update(with_model=0.8)),
        ("colour", lambda card: card["colour"].update(with_model=0.7)),
        ("pose", lambda card: card["joint_mm"].update(with_model=24.0)),
        ("pose", lambda card: card["joint_mm"].update(with_model=None)),
        ("time", lambda card: card["training"].update(seconds=361.0)),
    ],
)
def test_each_demand_can_fail_alone(demand: str, spoil: Callable[[dict[str, Any]], None]) -> None:
    assert all(met(GOOD).values())
    card = copy.deepcopy(GOOD)
    spoil(card)
    assert [name for name, kept in met(card).items() if not kept] == [demand]


def test_prompts_name_the_brand_only_with_its_model(hazel: ProofBrand, kei: ProofBrand) -> None:
    asked, plain = (words(kei.truths[0].attributes) for words in (kei.asked, kei.plain_words))
    assert asked.startswith(kei.plan.trigger_token)
    assert "a purple kei dress" in asked
    assert "jacquard" not in asked
    assert "kei" not in plain
    assert "purple jacquard dress" in plain
    attributes = hazel.truths[0].attributes
    assert hazel.asked(attributes) == f"{hazel.plan.trigger_token}, {hazel.plain_words(attributes)}"
    assert hazel.asked_in_other_clothes(attributes).startswith(hazel.plan.trigger_token)
    assert kei.plan.trigger_token not in kei.asked_in_other_clothes(attributes)


def test_the_pose_that_is_asked_for_is_the_true_one(kei: ProofBrand) -> None:
    truth = kei.truths[-1]
    pose = truth.pose()
    assert pose.action == truth.attributes.action
    shown = np.array([(96 + j.x_mm * 256 / 1950, 246 - j.y_mm * 256 / 1950) for j in pose.joints])
    assert np.abs(shown - truth.joints_px).max() < 0.02


@pytest.mark.slow
def test_a_whole_proof_at_tiny_size(tmp_path: Path) -> None:
    """Six photos, two steps, one picture a list: too little to learn from, so the demand on fidelity fails."""
    folder = tmp_path / "maison-hazel"
    shutil.copytree(BRANDS / "maison-hazel", folder)
    for photo in sorted((folder / "photos").glob("*.jpg"))[6:]:
        photo.unlink()
    hints = folder / "photos" / "hints.csv"
    hints.write_text("\n".join(hints.read_text("utf-8").splitlines()[:7]) + "\n", "utf-8")
    changes = {
        "max_train_steps": 2,
        "lr_warmup_steps": 0,
        "validate_every": 2,
        "checkpoint_every": 2,
        "sample_every": 100,
        "lora_rank": 2,
    }
    card, rows = prove(folder, tmp_path / "home", changes, pictures=1, presets=ROOT / "presets")
    assert card["training"]["steps"] == 2
    assert card["training"]["preset"] == "product-fabric"
    assert card["pictures"] == len(rows) == 1
    assert card["copies"]["measured"] == 3
    assert set(card["difference"]) == {"fidelity", "head", "skin", "face", "silhouette"}
    assert card["difference"]["fidelity"]["floor"] < card["difference"]["fidelity"]["without"]
    assert card["met"]["fidelity"] is False
    assert card["met"]["no_copies"] is True
    assert [picture.shape for picture in rows[0]] == [(256, 192, 3)] * 3
    assert not list((ROOT / "brand_models").glob("maison-hazel"))
