"""Findings about single photos, on pictures made to have exactly one fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from studio.label.checks import Bucket, buckets_of, check_picture, crop_loss
from studio.label.faces import FaceCounter
from studio.measure.faces import YUNET
from studio.measure.pictures import RGB
from studio.measure.subject import subject_mask
from studio.presets import Presets
from studio.records.photo import Finding
from studio.settings import Settings
from tests.measure.painting import paint
from tests.onnx_models import install, yunet

REPOSITORY = Path(__file__).resolve().parents[2]
BUCKETS = buckets_of(192, 256)


@pytest.fixture
def presets(settings: Settings) -> Presets:
    """The presets of this home with the face detector among what can be pulled."""
    shutil.copytree(REPOSITORY / "presets" / "annotators", settings.presets / "annotators")
    return Presets(settings.presets, settings.brand_models)


@pytest.fixture
def faces(settings: Settings, presets: Presets) -> FaceCounter:
    return FaceCounter(settings, presets)


def found(rgb: RGB, faces: FaceCounter) -> dict[str, Finding]:
    return {finding.code: finding for finding in check_picture(rgb, subject_mask(rgb), BUCKETS, faces)}


def warnings(rgb: RGB, faces: FaceCounter) -> set[str]:
    return {code for code, finding in found(rgb, faces).items() if finding.level == "warning"}


def test_a_good_photo_has_no_warning(faces: FaceCounter) -> None:
    findings = found(paint().rgb, faces)
    assert set(findings) == {"resolution", "crop-loss", "blur", "highlights", "shadows", "faces"}
    assert {f.level for f in findings.values()} == {"ok", "not-checked"}


def test_a_small_photo(faces: FaceCounter) -> None:
    finding = found(paint(size=(120, 160)).rgb, faces)["resolution"]
    assert finding.level == "warning"
    assert "120x160" in finding.message
    assert "192x256" in finding.message
    assert finding.value == pytest.approx(0.625)


def test_a_panorama_loses_too_much(faces: FaceCounter) -> None:
    wide = np.concatenate([paint().rgb] * 4, axis=1)
    assert "crop-loss" in warnings(wide, faces)
    assert "crop-loss" not in warnings(paint(size=(384, 576)).rgb, faces)


def test_blur_of_the_subject_counts_and_of_the_background_does_not(faces: FaceCounter) -> None:
    assert "blur" in warnings(paint(background="busy", subject_blur=4.0).rgb, faces)
    assert "blur" not in warnings(paint(background="busy", background_blur=5.0).rgb, faces)


def test_clipping_counts_on_the_subject_alone(faces: FaceCounter) -> None:
    painting = paint()
    white_backdrop = painting.rgb.copy()
    white_backdrop[~painting.figure] = 255
    assert warnings(white_backdrop, faces) == set()
    burnt = painting.rgb.copy()
    burnt[painting.dress] = 255
    assert "highlights" in warnings(burnt, faces)
    black = painting.rgb.copy()
    black[painting.dress] = 0
    assert "shadows" in warnings(black, faces)


def test_without_a_subject_nothing_is_claimed(faces: FaceCounter) -> None:
    findings = found(np.full((512, 384, 3), 255, np.uint8), faces)
    assert {findings[c].level for c in ("blur", "highlights", "shadows")} == {"not-checked"}
    assert all(findings[c].value is None for c in ("blur", "highlights", "shadows"))


def test_faces_are_not_checked_without_a_model_and_the_way_to_one_is_named(faces: FaceCounter) -> None:
    finding = faces.check(paint().rgb)
    assert finding.level == "not-checked"
    assert finding.value is None
    assert "models pull face-yunet" in finding.message


@pytest.mark.parametrize(("cells", "level"), [([], "ok"), ([(8, 8)], "ok"), ([(8, 8), (8, 16)], "warning")])
def test_faces_are_counted_with_a_model(
    settings: Settings, presets: Presets, tmp_path: Path, cells: list[tuple[int, int]], level: str
) -> None:
    install(settings, YUNET, yunet(tmp_path / "yunet.onnx", cells))
    finding = FaceCounter(settings, presets).check(paint().rgb)
    assert (finding.level, finding.value) == (level, len(cells))


def test_a_changed_model_file_is_never_parsed(settings: Settings, presets: Presets, tmp_path: Path) -> None:
    folder = install(settings, YUNET, yunet(tmp_path / "yunet.onnx", []))
    size = (folder / "yunet.onnx").stat().st_size
    (folder / "yunet.onnx").write_bytes(b"anything else".ljust(size))
    finding = FaceCounter(settings, presets).check(paint().rgb)
    assert finding.level == "not-checked"
    assert "not the file it should be" in finding.message


def test_buckets_keep_the_pixel_count_and_hold_the_base_itself() -> None:
    assert Bucket(192, 256) in BUCKETS
    assert all(w * h <= 192 * 256 and w % 32 == h % 32 == 0 for w, h in BUCKETS)
    assert Bucket(1024, 1024) in buckets_of(1024, 1024)


def test_crop_loss_is_the_share_that_is_cut_off() -> None:
    assert crop_loss(192, 256, Bucket(192, 256)) == 0.0
    assert crop_loss(512, 512, Bucket(256, 512)) == pytest.approx(0.5)
