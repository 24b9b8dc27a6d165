"""Out into the common trainers' layout and back in again."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.errors import ConflictError, InputError
from studio.label import LabelService
from studio.measure.pictures import RGB
from studio.records.photo import Rights
from studio.store import Store
from tests.measure.painting import encoded

CLEARED = Rights(source="own shoot", owner="=Brand", licence="all rights", model_release="signed")


@pytest.fixture
def dataset_id(label: LabelService, photo_folder: Path) -> str:
    dataset = label.ingest([photo_folder], dataset="summer", trigger_token="qvzkdr", rights=CLEARED).dataset
    label.split(dataset.id, held_out=0.3)
    return dataset.id


def test_the_layout_is_the_common_one(label: LabelService, dataset_id: str, tmp_path: Path) -> None:
    out = label.export(dataset_id, tmp_path / "out", class_word="woman", repeats=5)
    photos = label.photos(dataset_id)
    for photo in photos:
        side = "5_qvzkdr woman" if photo.split == "train" else "held-out/1_qvzkdr woman"
        assert (out / side / f"{photo.id}.txt").read_text(encoding="utf-8") == f"{photo.caption}\n"
        with Image.open(out / side / f"{photo.id}.png") as image:
            assert image.size == (photo.width_px, photo.height_px)
    assert {photo.split for photo in photos} == {"train", "held-out"}
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_what_went_out_comes_back_the_same(label: LabelService, store: Store, dataset_id: str, tmp_path: Path) -> None:
    first = label.photos(dataset_id)
    label.set_caption(first[0].id, "qvzkdr, 日本語 caption, with commas")
    out = label.export(dataset_id, tmp_path / "out", class_word="woman", repeats=7)
    report = label.ingest([out], dataset="again")
    assert report.refused == ()
    assert report.dataset.trigger_token == "qvzkdr"
    assert {layout.repeats for layout in report.layouts} == {7, 1}
    before = {photo.id: (photo.caption, photo.rights) for photo in label.photos(dataset_id)}
    after = {photo.file_name.removesuffix(".png"): (photo.caption, photo.rights) for photo in report.photos}
    assert before == after


def test_a_single_concept_folder_is_recognised_too(label: LabelService, tmp_path: Path, shots: tuple[RGB, ...]) -> None:
    folder = tmp_path / "10_zzqkfw dress"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded(shots[0]))
    (folder / "a.txt").write_text("zzqkfw dress on a chair", encoding="utf-8")
    report = label.ingest([folder], dataset="winter")
    assert report.dataset.trigger_token == "zzqkfw"
    assert report.layouts[0].class_word == "dress"
    assert report.photos[0].caption == "zzqkfw dress on a chair"


def test_positions_stay_at_home(label: LabelService, tmp_path: Path, shots: tuple[RGB, ...]) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x0112] = 3
    exif.get_ifd(0x8825)[2] = (35.0, 39.0, 31.0)
    (tmp_path / "a.jpg").write_bytes(encoded(np.rot90(shots[0], 2), "JPEG", quality=95, exif=exif.tobytes()))
    dataset = label.ingest([tmp_path / "a.jpg"], dataset="summer").dataset
    out = label.export(dataset.id, tmp_path / "out")
    (path,) = out.rglob("*.png")
    assert b"SecretCamera" not in path.read_bytes()
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert len(image.getexif()) == 0
        assert image.info == {}
        assert np.abs(np.asarray(image).astype(int) - shots[0]).mean() < 4


def test_a_crop_made_by_hand_is_exported(label: LabelService, store: Store, dataset_id: str, tmp_path: Path) -> None:
    photo = label.photos(dataset_id)[0]
    store.photos.put(photo.model_copy(update={"crop_px": (10, 20, 110, 220)}))
    out = label.export(dataset_id, tmp_path / "out")
    with Image.open(next(out.rglob(f"{photo.id}.png"))) as image:
        assert image.size == (100, 200)


def test_nothing_is_overwritten_and_nothing_left_half_written(
    label: LabelService, store: Store, dataset_id: str, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConflictError, match="exists already"):
        label.export(dataset_id, target)
    for class_word, repeats in (("../up", 10), ("Woman", 10), ("", 10), ("woman", 0), ("woman", 5000)):
        with pytest.raises(InputError):
            label.export(dataset_id, tmp_path / "new", class_word=class_word, repeats=repeats)
    gone = store.files.path(label.photos(dataset_id)[-1].sha256)
    gone.write_bytes(b"damaged")
    with pytest.raises(InputError):
        label.export(dataset_id, tmp_path / "new")
    assert {p.name for p in tmp_path.iterdir()} >= {"out"}
    assert not (tmp_path / "new").exists()
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


def test_numbers_and_advice(label: LabelService, dataset_id: str) -> None:
    numbers = label.statistics(dataset_id)
    assert numbers.photos == numbers.captioned == numbers.rights_cleared == 4
    assert numbers.train + numbers.held_out == 4
    assert numbers.licences == {"all rights": 4}
    assert numbers.sizes == {"288x384": 4}
    assert numbers.near_duplicate_groups == ()
    assert any("4 photos are few" in line for line in numbers.advice)


def test_checking_again_gives_the_findings_of_ingest(label: LabelService, dataset_id: str) -> None:
    before = label.photos(dataset_id)
    assert label.check(dataset_id) == before
    assert label.photos(dataset_id) == before
