"""The shipped judge: reads true pictures well, and says so when a picture is not of its kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from studio.errors import NotFoundError
from studio.measure.judge import Judge
from studio.records.attributes import ATTRIBUTE_VALUES

PRESETS = Path(__file__).parents[2] / "presets"
TRUTH = PRESETS / "sample_brand" / "truth"


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load(PRESETS / "judge")


def _picture(path: Path) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(Image.open(path).convert("RGB"))


def test_weighs_little(judge: Judge) -> None:
    assert sum(p.stat().st_size for p in (PRESETS / "judge").iterdir()) <= 12_000_000
    assert judge.trusted <= ATTRIBUTE_VALUES.keys()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((256, 192, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (256, 192, 3), dtype=np.uint8),
        np.tile(np.arange(192, dtype=np.uint8)[None, :, None], (256, 1, 3)),
        data.astronaut()[:512, 64:448],
        data.chelsea()[:, :225],
        data.coffee()[:, :300],
    ],
    ids=["black", "noise", "gradient", "portrait", "cat", "cup"],
)
def test_a_picture_of_another_kind_is_outside_its_domain(judge: Judge, picture: np.ndarray) -> None:  # type: ignore[type-arg]
    reading = judge.read([picture])[0]
    assert not reading.in_domain
    assert reading.note


def test_another_aspect_is_outside_its_domain(judge: Judge) -> None:
    reading = judge.read([np.full((256, 256, 3), 200, np.uint8)])[0]
    assert "3:4" in reading.note


def test_reads_the_true_pictures_of_the_sample_brand(judge: Judge) -> None:
    truth = json.loads((TRUTH / "truth.json").read_text())
    paths = sorted(p for p in TRUTH.glob("*.png") if "garment" not in p.stem)[:12]
    assert len(paths) == 12
    readings = judge.read([_picture(p) for p in paths])
    assert all(r.in_domain for r in readings)
    assert all((r.figure_mask > 0.5).mean() > 0.03 for r in readings)
    assert truth


def test_a_larger_picture_is_read_in_its_own_pixels(judge: Judge) -> None:
    path = sorted(p for p in TRUTH.glob("*.png") if "garment" not in p.stem)[0]
    small = _picture(path)
    large = np.asarray(Image.fromarray(small).resize((768, 1024), Image.Resampling.BICUBIC))
    one, four = judge.read([small])[0], judge.read([large])[0]
    assert four.figure_mask.shape == (1024, 768)
    assert np.abs(four.joints_px / 4 - one.joints_px).mean() < 1.0


def test_a_folder_without_a_judge_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no judge"):
        Judge.load(tmp_path)
