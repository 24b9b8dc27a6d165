"""Fixtures of the whole suite: the tiny base, a presets root around it, and a studio home per test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

    from studio.settings import Settings
    from studio.store import Store
    from studio.studio import Studio

REPOSITORY = Path(__file__).resolve().parent.parent

# Read by torch and BLAS while they load, and by every process that a test starts. Two workers, a server and a browser
# share the cores; threads of one process would wait for each other at every operation.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """With `--dist loadfile`, a worker takes a whole folder of tests at a time.

    The tests of a folder share what is dear: one server and one browser, one app with its page, one body pack. Half of
    the suite's time is tests/browser, so with two workers one is busy there while the other does the rest.
    """
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFolder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("::")[0].rpartition("/")[0]

    return ByFolder(config, log)


@pytest.fixture(scope="session")
def tiny_presets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A presets root: the real presets/* without their bases, and the tiny base as `croquis`. Read only."""
    from tests.tiny_base import build_tiny_base

    root = tmp_path_factory.mktemp("presets")
    for folder in sorted((REPOSITORY / "presets").glob("*/")):
        # weights and photos: large, and no test reads them from here
        if folder.name not in ("bases", "sample_brand", "sample_brands"):
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
