"""A home with a base card and no weights: labelling needs a base's picture size alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.label import LabelService
from studio.measure.pictures import RGB
from studio.settings import Settings
from studio.store import Store
from tests.measure.painting import BLACK, NAVY, RUST, Arms, encoded, paint

CARD = """
name: croquis
title: a card alone
family: croquis
licence: Apache-2.0
commercial_use: true
licence_source: test
width_px: 192
height_px: 256
num_inference_steps: 4
guidance_scale: 2.0
training_preset: brand-model
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Small limits, so that crossing them is cheap."""
    base = tmp_path / "presets" / "bases" / "croquis"
    base.mkdir(parents=True)
    (base / "card.yaml").write_text(CARD, encoding="utf-8")
    return Settings(
        home=tmp_path / "home",
        presets=tmp_path / "presets",
        brand_models=tmp_path / "brand_models",
        max_image_pixels=2_000_000,
        max_upload_bytes=8 * 2**20,
        max_zip_bytes=32 * 2**20,
    )


@pytest.fixture
def label(store: Store, settings: Settings) -> LabelService:
    """The service over a fresh store."""
    return LabelService(store, settings)


@pytest.fixture(scope="session")
def shots() -> tuple[RGB, ...]:
    """Eight different photos of one brand."""
    looks: tuple[tuple[tuple[int, int, int], Arms, float], ...] = (
        (NAVY, "down", 0.66), (NAVY, "out", 0.8), (RUST, "up", 0.58), (RUST, "down", 0.85),
        (BLACK, "out", 0.6), (BLACK, "up", 0.75), (NAVY, "up", 0.88), (RUST, "out", 0.7),
    )  # fmt: skip
    return tuple(
        paint(
            size=(288, 384), colour=colour, arms=arms, hem=hem, seed=seed, stripe=None if seed % 2 else (230, 226, 214)
        ).rgb
        for seed, (colour, arms, hem) in enumerate(looks)
    )


@pytest.fixture(scope="session")
def shot_files(shots: tuple[RGB, ...]) -> tuple[bytes, ...]:
    """The same as PNG files."""
    return tuple(encoded(rgb) for rgb in shots)


@pytest.fixture
def photo_folder(tmp_path: Path, shot_files: tuple[bytes, ...]) -> Path:
    """Four photos in a folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, data in enumerate(shot_files[:4]):
        (folder / f"shot_{index}.png").write_bytes(data)
    return folder


@pytest.fixture
def nothing_written(store: Store, settings: Settings) -> Iterator[None]:
    """Asserts after the test that neither rows nor files came into being."""
    yield
    assert store.datasets.find() == []
    assert store.photos.find() == []
    assert [path for path in settings.files_dir.rglob("*") if path.is_file()] == []
