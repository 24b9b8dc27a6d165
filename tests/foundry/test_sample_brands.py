"""The two sample brands with their truth: whole, cleared, outside what the base was trained on, and reproducible."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foundry.body import BodyPack
from foundry.brand_fabrics import BRAND_FABRICS
from foundry.brand_truth import ProofBrand
from foundry.fabrics import FABRICS
from foundry.free_fabrics import RESERVED
from foundry.render import render
from foundry.sample_brands import BRANDS, HAZEL, PLACES, UNSEEN_PLACES, Brand, build
from foundry.scene import SPLITS
from studio.label import LabelService
from studio.label.trigger import check_trigger
from studio.records.attributes import ATTRIBUTE_VALUES
from studio.settings import Settings
from studio.store import Store

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "presets" / "sample_brands"
HAZELS, KEIS = BRANDS


@pytest.fixture(scope="module", params=BRANDS, ids=lambda brand: brand.name)
def brand(request: pytest.FixtureRequest) -> Brand:
    found: Brand = request.param
    return found


@pytest.fixture(scope="module")
def read(brand: Brand) -> ProofBrand:
    return ProofBrand.read(FOLDER / brand.name)


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def test_photos_rights_and_token_are_in_order(brand: Brand, read: ProofBrand) -> None:
    photos = sorted((read.folder / "photos").glob("*.jpg"))
    assert [photo.name for photo in photos] == [f"{number:03d}.jpg" for number in range(1, 25)]
    for photo in photos:
        with Image.open(photo) as image:
            assert image.size == (768, 1024)
    assert sum(path.stat().st_size for path in read.folder.rglob("*") if path.is_file()) < 2e6
    assert read.rights.missing(date(2026, 1, 1)) == ()
    check_trigger(read.plan.trigger_token)
    assert read.plan.dataset == brand.name
    assert read.product == brand.product


def test_the_truth_is_what_no_photo_shows(pack: BodyPack, brand: Brand, read: ProofBrand) -> None:
    shot = [brand.photo(pack, number)[0].attributes for number in range(24)]
    assert len(read.truths) == 12
    assert {truth.attributes.background for truth in read.truths} == set(UNSEEN_PLACES)
    assert {photo.background for photo in shot} == set(PLACES)
    assert {"arms-crossed", "sitting"} <= {truth.attributes.action for truth in read.truths}
    assert {"arms-crossed", "sitting"}.isdisjoint(photo.action for photo in shot)


def test_no_training_of_the_base_has_seen_fabric_or_body(pack: BodyPack) -> None:
    for name in BRAND_FABRICS:
        assert name not in FABRICS
        assert name not in RESERVED
        assert name not in ATTRIBUTE_VALUES["fabric"]
    (body,) = {HAZELS.photo(pack, number)[0].body_index for number in range(3)}
    assert pack.kinds[body] == (HAZEL["gender"], HAZEL["age_group"], HAZEL["body"])
    members = [index for index, kind in enumerate(pack.kinds) if kind == pack.kinds[body]]
    for split in set(SPLITS) - {"sample-brand"}:
        assert body not in members[slice(*SPLITS[split])]


def test_the_files_are_what_the_foundry_draws(pack: BodyPack, brand: Brand, read: ProofBrand) -> None:
    """Up to a level here and there: another number of threads, or another JPEG encoder, rounds differently."""
    scene, framing = brand.photo(pack, 4)
    small = render(pack, scene, framing.scaled(0.25), brand.paint).image
    shipped = Image.open(read.folder / "photos" / "005.jpg").resize((192, 256), Image.Resampling.BOX)
    assert np.abs(np.asarray(shipped).astype(float) - small).mean() < 2.5
    truths = {truth.name: truth for truth in read.truths}
    for name, asked in list(brand.truths(pack))[::5]:
        drawn, truth = render(pack, asked, None, brand.paint), truths[name]
        assert np.abs(truth.shown.image.astype(float) - drawn.image).max(axis=2).mean() < 0.05
        assert ((drawn.figure_mask > 127) == truth.shown.figure).mean() > 0.999
        assert ((drawn.garment_mask > 127) == truth.shown.garment).mean() > 0.999
        assert np.abs(drawn.joints_px - truth.joints_px).max() < 0.1
        assert truth.attributes == drawn.attributes


def test_the_same_seeds_give_the_same_bytes(pack: BodyPack, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        build(pack, HAZELS, tmp_path / folder, photos=1, truths=2)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / f).rglob("*.*")} for f in ("one", "two"))
    assert one == two
    assert {"001.jpg", "hints.csv", "rights.yaml", "truth.json", "relaxed-front_street.figure.png"} <= set(one)
    assert "product.yaml" not in one


def test_the_house_model_is_more_than_her_attributes(pack: BodyPack) -> None:
    name, scene = next(HAZELS.truths(pack))
    marked, plain = render(pack, scene, None, HAZELS.paint), render(pack, scene)
    changed = np.abs(marked.image.astype(int) - plain.image).max(2) > 20
    nose, neck = marked.joints_px[0], marked.joints_px[1]
    assert 30 < changed.sum() < 400, name
    assert np.flatnonzero(changed.any(1)).max() < neck[1] + 25, "long hair falls over the shoulders"
    eyes = changed[int(nose[1]) - 8 : int(nose[1]), int(nose[0]) - 10 : int(nose[0]) + 10]
    assert eyes.sum() > 15
    assert np.array_equal(marked.figure_mask, plain.figure_mask)


def test_the_emblem_is_a_letter_that_no_turn_hides() -> None:
    v, u = np.mgrid[0:300:1.0, 0:300:1.0]
    share, bright = BRAND_FABRICS["monogram"](u.ravel(), v.ravel(), 1.0)
    woven = share.reshape(300, 300)
    assert 0.25 < woven.mean() < 0.5
    assert (bright == 1).all()
    assert np.abs(woven - woven[:, ::-1]).mean() > 0.05, "a K is not its own mirror image"
    assert np.abs(woven[:, :150] - woven[:, 150:]).max() < 1e-6, "it repeats"


def test_the_label_stage_takes_the_photos_as_they_are(brand: Brand, read: ProofBrand, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", presets=ROOT / "presets", brand_models=tmp_path, device="cpu")
    store = Store.open(settings)
    try:
        if read.product is not None:
            store.products.put(read.product)
        report = LabelService(store, settings).ingest(
            [read.folder / "photos"], dataset=read.plan.dataset, rights=read.rights,
            trigger_token=read.plan.trigger_token, sku=read.product.sku if read.product else "",
        )  # fmt: skip
    finally:
        store.close()
    assert len(report.photos) == 24
    doubts = [f.code for p in report.photos for f in p.findings if f.level in ("warning", "refused")]
    assert doubts in ([], ["blur"]), "plain clothes before plain paper have few edges; nothing else is doubted"
    captions = {photo.file_name: photo.caption for photo in report.photos}
    for number in range(2):
        attributes = brand.photo(BodyPack(), number)[0].attributes
        assert captions[f"{number + 1:03d}.jpg"] == read.asked(attributes)
    assert all(("purple kei dress" in text) == (brand is KEIS) for text in captions.values())
