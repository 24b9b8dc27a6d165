"""The whole main job with the tiny base, and what the demo says about a sample brand that is not whole."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from studio.demo import read_sample, run_demo
from studio.demo.main_job import OnProgress
from studio.demo.report import DemoReport, Pair, median_fall
from studio.errors import FaultsError, NotFoundError
from studio.settings import Settings
from studio.studio import Studio


@pytest.mark.slow
def test_from_photos_to_packages(tmp_path: Path, presets: Path, sample_brand: Path) -> None:
    settings = Settings(
        home=tmp_path / "home", presets=presets, brand_models=tmp_path / "own", device="cpu", dtype="fp32"
    )
    titles: list[str] = []

    @contextmanager
    def progress(title: str) -> Iterator[OnProgress]:
        titles.append(title)
        yield lambda done, total, note: None

    with Studio(settings) as studio:
        report = run_demo(studio, progress, sample_brand)
    assert [stage.stage for stage in report.stages] == [
        "ingest and check", "caption", "split", "train", "generate with the brand model",
        "generate without it, same seeds", "compare with the true pictures", "measure and review by rule", "pack",
    ]  # fmt: skip
    assert {"train", "ingest and check"} <= set(titles)
    assert report.blocked == ()
    assert "762" in report.refusal
    assert [(pair.pose, pair.look) for pair in report.pairs] == [
        ("upright", "red"),
        ("upright", "blue"),
    ]
    for package in report.packages:
        with zipfile.ZipFile(package) as archive:
            assert len([name for name in archive.namelist() if name.startswith("images/")]) == 2
    with Image.open(report.contact_sheet) as sheet:
        assert sheet.width > 192
        assert sheet.height > 2 * 256
    assert report.home.is_relative_to(settings.home)
    assert DemoReport.model_validate_json((report.home / "report.json").read_text()) == report
    assert not (tmp_path / "own").exists()


def test_everything_that_a_sample_brand_lacks_is_told(sample_brand: Path) -> None:
    (sample_brand / "truth" / "upright_red.png").unlink()
    (sample_brand / "photos" / "photo_0.jpg").unlink()
    with pytest.raises(FaultsError) as caught:
        read_sample(sample_brand)
    assert {f.where for f in caught.value.faults} == {"photos/photo_0.jpg", "truth/upright_red.png"}
    (sample_brand / "rights.yaml").unlink()
    (sample_brand / "product.yaml").write_text("sku: ''\n", "utf-8")
    with pytest.raises(FaultsError) as caught:
        read_sample(sample_brand)
    assert {f.where for f in caught.value.faults} == {"rights.yaml", "product.yaml:sku", "product.yaml:name"}
    with pytest.raises(NotFoundError):
        read_sample(sample_brand / "nowhere")


def test_the_fall_is_the_median_of_what_was_measured() -> None:
    values = [(8.0, 10.0), (5.0, 10.0), (12.0, 10.0), (None, 10.0)]
    pairs = [Pair(pose="p", look="l", with_model=mine, without_model=plain) for mine, plain in values]
    assert median_fall(pairs) == pytest.approx(0.2)
    assert median_fall([]) is None
