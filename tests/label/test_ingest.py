"""Ingest: good photos come in whole, bad ones are named, names are data."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.errors import ConflictError, FaultsError, InputError
from studio.label import LabelService
from studio.measure.pictures import RGB
from studio.records.photo import Rights
from studio.store import Store
from tests.measure.painting import encoded

CLEARED = Rights(source="own shoot", owner="Brand", licence="all rights", model_release="signed")


def test_a_folder_becomes_a_dataset(label: LabelService, store: Store, photo_folder: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    report = label.ingest(
        [photo_folder], dataset="summer", rights=CLEARED, trigger_token="qvzkdr",
        progress=lambda done, total, note: seen.append((done, total, note)),
    )  # fmt: skip
    assert label.dataset("summer") == report.dataset
    assert [photo.file_name for photo in report.photos] == [f"shot_{n}.png" for n in range(4)]
    assert label.photos(report.dataset.id) == list(report.photos)
    for photo in report.photos:
        assert (photo.width_px, photo.height_px) == (288, 384)
        assert photo.rights == CLEARED
        assert photo.caption.startswith("qvzkdr, ")
        assert store.files.path(photo.sha256).read_bytes() == (photo_folder / photo.file_name).read_bytes()
    assert seen[0] == (0, 4, "shot_0.png")
    assert seen[-1] == (4, 4, "")
    assert report.sentence() == "4 photos added to summer with 0 warnings; 0 files refused, 0 left out."
    thumbnails = store.settings.home.glob("thumbnails/*/*.webp")
    assert {path.stem for path in thumbnails} == {photo.sha256 for photo in report.photos}, "a grid never waits for one"


def test_bad_files_are_named_and_the_batch_goes_on(
    label: LabelService, photo_folder: Path, shots: tuple[RGB, ...]
) -> None:
    jpeg = encoded(shots[4], "JPEG")
    bad = {
        "cut.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "drawing.svg": (b"<svg/>", "markup"),
        "liar.png": (jpeg, "JPEG inside"),
        "huge.png": (encoded(np.zeros((1500, 1500, 3), np.uint8)), "megapixels"),
        "both.jpg": (jpeg + b"PK\x03\x04zip", "something else"),
        "empty.png": (b"", "empty"),
        "notes.docx": (b"PK\x03\x04", "a zip"),
    }
    for name, (data, _) in bad.items():
        (photo_folder / name).write_bytes(data)
    report = label.ingest([photo_folder], dataset="summer")
    assert len(report.photos) == 4
    assert {f.file_name for f in report.refused} == set(bad)
    for finding in report.refused:
        assert bad[finding.file_name][1] in finding.finding.message


@pytest.mark.usefixtures("nothing_written")
def test_a_batch_of_bad_files_leaves_nothing(label: LabelService, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    assert label.ingest([tmp_path / "bad.jpg"], dataset="summer").photos == ()


def test_hostile_names_are_data(label: LabelService, store: Store, tmp_path: Path, shots: tuple[RGB, ...]) -> None:
    names = [
        "<img src=x onerror=alert(1)>.png",
        "nul\0name.png",
        "line\r\nbreak.png",
        "\u202egnp.exe.png",
        "é" * 145 + ".png",
        "$(touch canary).png",
        "=cmd|' !A0.png",
    ]
    path = tmp_path / "names.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, rgb in zip(names, shots, strict=False):
            info = zipfile.ZipInfo("placeholder")
            info.filename = info.orig_filename = name
            archive.writestr(info, encoded(rgb))
    report = label.ingest([path], dataset="summer")
    assert [photo.file_name for photo in store.photos.find()] == names, report.files
    for photo in report.photos:
        assert photo.id.startswith("pho_")
        assert store.files.path(photo.sha256).name == f"{photo.sha256}.png"
        text = " ".join(f.message for f in photo.findings)
        assert not set("\0\r\n\u202e") & set(text)
    assert not (Path.cwd() / "canary").exists()


def test_a_name_that_is_no_utf8_can_be_stored(label: LabelService, tmp_path: Path, shots: tuple[RGB, ...]) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(raw, "wb") as handle:
        handle.write(encoded(shots[0]))
    report = label.ingest([Path(os.fsdecode(raw))], dataset="summer")
    assert [photo.file_name for photo in report.photos] == ["caf\\xe9.png"]


def test_the_same_file_is_kept_once(label: LabelService, photo_folder: Path) -> None:
    (photo_folder / "again.png").write_bytes((photo_folder / "shot_0.png").read_bytes())
    first = label.ingest([photo_folder], dataset="summer")
    assert len(first.photos) == 4
    assert [f.finding.code for f in first.files] == ["duplicate"]
    second = label.ingest([photo_folder], dataset="summer")
    assert second.photos == ()
    assert len(second.files) == 5
    assert len(label.photos(first.dataset.id)) == 4


def test_near_duplicates_are_flagged_and_colourways_are_not(
    label: LabelService, tmp_path: Path, shots: tuple[RGB, ...]
) -> None:
    original = Image.fromarray(shots[0])
    original.save(tmp_path / "a.png")
    original.resize((240, 320), Image.Resampling.LANCZOS).save(tmp_path / "b.jpg", quality=70)
    report = label.ingest([tmp_path / "a.png", tmp_path / "b.jpg"], dataset="summer")
    codes = [{f.code for f in photo.findings if f.level == "warning"} for photo in report.photos]
    assert codes == [set(), {"near-duplicate"}]
    assert "a.png" in next(f.message for f in report.photos[1].findings if f.code == "near-duplicate")


def test_exif_is_applied_and_the_original_kept(
    label: LabelService, store: Store, tmp_path: Path, shots: tuple[RGB, ...]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(np.rot90(shots[0]), "JPEG", quality=95, exif=exif.tobytes())
    (tmp_path / "turned.jpg").write_bytes(data)
    (photo,) = label.ingest([tmp_path / "turned.jpg"], dataset="summer").photos
    assert (photo.width_px, photo.height_px) == (288, 384)
    assert "turned upright" in next(f.message for f in photo.findings if f.code == "converted")
    assert store.files.path(photo.sha256).read_bytes() == data


def test_links_are_not_followed(
    label: LabelService, photo_folder: Path, tmp_path: Path, shots: tuple[RGB, ...]
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.png").write_bytes(encoded(shots[5]))
    (photo_folder / "link.png").symlink_to(secret / "s.png")
    (photo_folder / "folder").symlink_to(secret)
    os.mkfifo(photo_folder / "pipe.png")
    report = label.ingest([photo_folder], dataset="summer")
    assert len(report.photos) == 4
    assert {f.file_name for f in report.files} == {"link.png", "folder", "pipe.png"}


@pytest.mark.usefixtures("nothing_written")
def test_wrong_names_and_paths_are_refused(label: LabelService, photo_folder: Path) -> None:
    with pytest.raises(FaultsError, match="does not exist"):
        label.ingest([photo_folder, photo_folder / "gone"], dataset="summer")
    for name in ("", "  ", "x" * 100, "two\nlines", "bi\u202edi"):
        with pytest.raises(InputError, match="no name for a dataset"):
            label.ingest([photo_folder], dataset=name)
    with pytest.raises(FaultsError, match="collides"):
        label.ingest([photo_folder], dataset="summer", trigger_token="dress")


def test_a_second_ingest_keeps_the_trigger_token(label: LabelService, photo_folder: Path) -> None:
    token = label.ingest([photo_folder / "shot_0.png"], dataset="summer").dataset.trigger_token
    again = label.ingest([photo_folder], dataset="summer")
    assert again.dataset.trigger_token == token
    assert len(again.photos) == 3
    with pytest.raises(ConflictError, match=token):
        label.ingest([photo_folder], dataset="summer", trigger_token="zzqkfw")


def test_product_photos_are_checked_and_stored(label: LabelService, store: Store, photo_folder: Path) -> None:
    table = photo_folder / "products.csv"
    table.write_text("sku,name,colourway\nD-1,Striped dress,navy\n", encoding="utf-8")
    label.import_products(table)
    (photo_folder / "bad.png").write_bytes(b"no")
    with pytest.raises(InputError, match="bad"):
        label.add_product_photos("D-1", [photo_folder / "shot_0.png", photo_folder / "bad.png"])
    assert store.products.get("D-1").photo_sha256 == ()
    added = label.add_product_photos("D-1", [photo_folder / "shot_0.png"])
    assert store.files.path(added.photo_sha256[0]).exists()
    label.import_products(table)
    assert store.products.get("D-1").photo_sha256 == added.photo_sha256
    (photo, *_) = label.ingest([photo_folder / "shot_0.png"], dataset="summer", sku="D-1").photos
    assert "navy striped dress" in photo.caption
    assert photo.sku == "D-1"
