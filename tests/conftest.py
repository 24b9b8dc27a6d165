"""Fixtures of the whole suite: the tiny base, a presets root around it, and a studio home per test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from studio.settings import Settings
    from studio.store import Store
    from studio.studio import Studio

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def tiny_presets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A presets root: the real presets/* without their bases, and the tiny base as `croquis`. Read only."""
    from tests.tiny_base import build_tiny_base

    root = tmp_path_factory.mktemp("presets")
    for folder in sorted((REPOSITORY / "presets").glob("*/")):
        if folder.name not in ("bases", "sample_brand"):  # weights and photos: large, and no test reads them from here
            shutil.copytree(folder, root / folder.name)
    build_tiny_base(root / "bases" / "croquis")
    return root


@pytest.fixture(scope="session")
def tiny_base(tiny_presets: Path) -> Path:
    """The tiny base's folder, in croquis' final shape with random weights. Read only."""
    return tiny_presets / "bases" / "croquis"


@pytest.fixture
def settings(tmp_path: Path, tiny_presets: Path) -> Settings:
    """Settings of a fresh home, on the CPU in fp32."""
    from studio.settings import Settings

    brand_models = tmp_path / "brand_models"
    brand_models.mkdir()
    return Settings(home=tmp_path / "home", presets=tiny_presets, brand_models=brand_models, device="cpu", dtype="fp32")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An open store in a fresh home."""
    from studio.store import Store

    opened = Store.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def studio(settings: Settings) -> Iterator[Studio]:
    """A whole studio in a fresh home, closed afterwards."""
    from studio.studio import Studio

    opened = Studio(settings)
    yield opened
    opened.close()
