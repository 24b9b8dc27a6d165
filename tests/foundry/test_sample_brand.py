"""The sample brand: whole, cleared, outside what the base was trained on, and what the foundry draws."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foundry import sample_brand
from foundry.body import BodyPack
from foundry.fabrics import FABRICS
from foundry.render import render
from foundry.scene import SPLITS, sample_scene
from studio.demo import read_sample
from studio.demo.plan import Sample
from studio.label import LabelService
from studio.label.trigger import check_trigger
from studio.presets import Presets
from studio.records.attributes import ATTRIBUTE_VALUES
from studio.records.look import Look
from studio.records.pose import Pose
from studio.settings import Settings
from studio.store import Store

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "presets" / "sample_brand"


@pytest.fixture(scope="module")
def sample() -> Sample:
    return read_sample(FOLDER)


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Presets:
    return Presets(ROOT / "presets", tmp_path_factory.mktemp("none"))


@pytest.fixture(scope="module")
def looks(presets: Presets) -> dict[str, Look]:
    return presets.looks()


@pytest.fixture(scope="module")
def poses(presets: Presets) -> dict[str, Pose]:
    return presets.poses()


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def test_thirty_photos_ship(sample: Sample) -> None:
    photos = sorted(sample.photos.glob("*.jpg"))
    assert [photo.name for photo in photos] == [f"{number:03d}.jpg" for number in range(1, 31)]
    assert sum(photo.stat().st_size for photo in photos) < 3.5e6
    for photo in (*photos, sample.product_photo):
        with Image.open(photo) as image:
            assert image.size == (768, 1024)


def test_rights_trigger_and_sizes_are_in_order(sample: Sample) -> None:
    assert sample.rights.missing(date(2026, 1, 1)) == ()
    assert sample.rights.licence == "Apache-2.0"
    check_trigger(sample.plan.trigger_token)
    table = sample.product.size_table_mm
    assert list(table) == ["S", "M", "L"]
    assert all(table["S"][name] < table["M"][name] < table["L"][name] for name in table["M"])
    assert table["M"]["skirt"] == sample_brand.LENGTHS.hem_mm


def test_the_plan_names_what_ships(sample: Sample, looks: dict[str, Look], poses: dict[str, Pose]) -> None:
    plan = sample.plan
    assert len(plan.poses) == 4
    assert len(plan.looks) == 3
    assert set(plan.poses) <= set(poses)
    chosen = [looks[name] for name in plan.looks]
    assert len({look.background for look in chosen}) == 3
    assert len({look.age_group for look in chosen}) > 1
    model = sample_brand.MODEL
    for look in chosen:
        assert (look.gender, look.body, look.skin, look.hair, look.hair_colour) == (
            model.gender, model.body, model.skin, model.hair, model.hair_colour
        )  # fmt: skip
        assert look.garment == f"a {sample.product.colourway} {sample.product.name}".lower()


def test_no_training_has_seen_this_fabric_cut_or_body(pack: BodyPack) -> None:
    assert "seigaiha" not in FABRICS
    assert "seigaiha" not in ATTRIBUTE_VALUES["fabric"]
    body = sample_brand.house_body(pack)
    assert pack.kinds[body] == (sample_brand.MODEL.gender, sample_brand.MODEL.age_group, sample_brand.MODEL.body)
    assert sample_brand.LENGTHS.slant != 0
    for split in set(SPLITS) - {"sample-brand"}:
        scenes = [sample_scene(pack, seed, split) for seed in range(150)]
        assert all(scene.lengths.slant == 0 and scene.contrast_band is None for scene in scenes)
        assert body not in {scene.body_index for scene in scenes}
        first, last = SPLITS[split]
        members = [index for index, kind in enumerate(pack.kinds) if kind == pack.kinds[body]]
        assert body not in members[first:last]


def test_the_photos_vary(pack: BodyPack) -> None:
    scenes = [scene for scene, _ in sample_brand.photo_scenes(pack)]
    for name in ("view", "action", "background"):
        assert {getattr(scene.attributes, name) for scene in scenes} == set(ATTRIBUTE_VALUES[name])
    turned = [scene.attributes.view in ("front", "three-quarter") for scene in scenes]
    assert sum(turned) >= 15
    assert {scene.body_index for scene in scenes} == {sample_brand.house_body(pack)}


def test_the_files_are_what_the_foundry_draws(pack: BodyPack, sample: Sample) -> None:
    """Up to a level here and there: another number of threads, or another JPEG encoder, rounds differently."""
    scene, framing = sample_brand.photo_scenes(pack)[4]
    assert np.abs(picture(sample.photos / "005.jpg") - render(pack, scene, framing).image).mean() < 2.5
    for (pose, look), truth in list(sample_brand.truth_scenes(pack, ROOT / "presets").items())[::5]:
        drawn = render(pack, truth)
        difference = np.abs(picture(sample.truth(pose, look)) - drawn.image)
        assert difference.max(axis=2).mean() < 0.05
        with Image.open(FOLDER / "truth" / f"{pose}_{look}.garment.png") as mask:
            assert ((np.asarray(mask) > 0) == (drawn.garment_mask > 127)).mean() > 0.999
    assert sample.product == sample_brand.product(pack)


def test_the_true_pictures_show_the_pattern_in_the_asked_poses(sample: Sample, poses: dict[str, Pose]) -> None:
    rows = json.loads((FOLDER / "truth" / "truth.json").read_text(encoding="utf-8"))
    assert len(rows) == 12
    for row in rows.values():
        image = picture(FOLDER / "truth" / row["image"])
        with Image.open(FOLDER / "truth" / row["garment_mask"]) as mask:
            garment = image[np.asarray(mask) > 0]
        colours = {"teal": sample_brand.TEAL, "cream": sample_brand.CREAM, "persimmon": sample_brand.PERSIMMON}
        distances = [np.linalg.norm(garment / garment.max() * 255 - colour, axis=1) for colour in colours.values()]
        shares = np.bincount(np.argmin(distances, axis=0), minlength=3) / len(garment)
        assert shares[0] > 0.3
        assert shares[1] > 0.15
        assert 0.02 < shares[2] < 0.3
        asked = np.array([(joint.x_mm, joint.y_mm) for joint in poses[row["pose"]].joints])
        shown = (np.array(row["joints_px"]) - (96, 246)) / (256 / 1950) * (1, -1)
        assert np.median(np.linalg.norm(asked - shown, axis=1)) < 50


def test_the_label_stage_takes_everything_without_a_warning(sample: Sample, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", presets=ROOT / "presets", brand_models=tmp_path, device="cpu")
    store = Store.open(settings)
    try:
        label = LabelService(store, settings)
        store.products.put(sample.product)
        report = label.ingest(
            [sample.photos],
            dataset=sample.plan.dataset,
            rights=sample.rights,
            trigger_token=sample.plan.trigger_token,
            sku=sample.product.sku,
        )
    finally:
        store.close()
    assert len(report.photos) == 30
    assert report.files == ()
    warned = [(p.file_name, f.message) for p in report.photos for f in p.findings if f.level in ("warning", "refused")]
    assert warned == []
    for photo in report.photos:
        assert photo.caption.startswith(f"{sample.plan.trigger_token}, a slim woman in her 30s")
        assert "wearing a teal nami dress, " in photo.caption
        assert "plain fabric" not in photo.caption
