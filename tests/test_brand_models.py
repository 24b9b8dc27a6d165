"""The sample brand's trained model: made of the sample brand's photos, on the shipped base, and of use on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from studio.records.brand_model import BrandModel
from studio.records.generation import AdapterWeight
from studio.settings import Settings
from studio.studio import Studio

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "brand_models" / "atelier-uroko"
BRAND = ROOT / "presets" / "sample_brand"
POSE, LOOK = "relaxed-front", "sample-studio"
MEASURE = "garment_palette_delta_e"


@pytest.fixture(scope="module")
def card() -> BrandModel:
    return BrandModel.model_validate_json((FOLDER / "card.json").read_text(encoding="utf-8"))


def test_its_card_tells_whose_photos_it_was_trained_on(card: BrandModel) -> None:
    photos = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (BRAND / "photos").glob("*.jpg")}
    assert set(card.training_sha256) < photos, "some are held out"
    assert card.photo_count == len(card.training_sha256)
    assert card.rights_summary == {"Apache-2.0": len(photos)}
    assert card.verdict is not None
    assert all((FOLDER / sample).is_file() for sample in card.samples)


def test_it_weighs_little_and_is_safetensors_alone() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json", ".png"}
    assert sum(path.stat().st_size for path in files) < 6_000_000


def test_a_picture_comes_nearer_to_the_true_one_with_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", brand_models=FOLDER.parent, device="cpu", dtype="fp32")
    with Studio(settings) as studio:
        truth = studio.store.files.put_file(BRAND / "truth" / f"{POSE}_{LOOK}.png")
        found = []
        for adapters in ([AdapterWeight(brand_model=FOLDER.name)], []):
            asked = studio.generate.matrix([POSE], [LOOK], [11], adapters=adapters, negative_prompt="")
            (variant,) = studio.generate.run(asked)
            (measured,) = studio.review.measure([variant.id], product_photo=truth)
            measure = measured.measure(MEASURE)
            assert measure is not None
            assert measure.value is not None
            found.append(measure.value)
    assert found[0] < 0.9 * found[1]
