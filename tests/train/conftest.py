"""The tiny base's parts, and one finished run that several tests look at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from studio.records.training import TrainingRun
from studio.settings import Settings
from studio.store import Store
from studio.train import TrainService


class Finished(NamedTuple):
    """A run that is done; read only."""

    run: TrainingRun
    service: TrainService
    store: Store
    settings: Settings
    samples: list[tuple[str, int]]
    """(prompt, seed) of each sample drawn."""


@pytest.fixture(scope="session")
def small_presets(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """The tiny base with a card that says 64x96 px, so that steps take milliseconds. Read only."""
    root = tmp_path_factory.mktemp("small")
    base = root / "bases" / "croquis"
    shutil.copytree(tiny_base, base)
    card = (base / "card.yaml").read_text(encoding="utf-8")
    (base / "card.yaml").write_text(
        re.sub(r"height_px: \d+", "height_px: 96", re.sub(r"width_px: \d+", "width_px: 64", card)), encoding="utf-8"
    )
    return root


@pytest.fixture
def settings(tmp_path: Path, small_presets: Path) -> Settings:
    """Settings of a fresh home around the small base."""
    brand_models = tmp_path / "brand_models"
    brand_models.mkdir()
    return Settings(
        home=tmp_path / "home", presets=small_presets, brand_models=brand_models, device="cpu", dtype="fp32"
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_presets: Path) -> Iterator[Finished]:
    """A run of 8 steps on 4 photos with 2 held out."""
    from tests.train import brand

    root = tmp_path_factory.mktemp("train")
    settings = Settings(
        home=root / "home", presets=small_presets, brand_models=root / "brand_models", device="cpu", dtype="fp32"
    )
    settings.brand_models.mkdir()
    samples: list[tuple[str, int]] = []

    def draw(unet: Any, prompt: str, seed: int, path: Path) -> None:
        samples.append((prompt, seed))
        path.write_bytes(brand.png(len(samples)))

    with Store.open(settings) as store:
        service = brand.service_of(store, settings, draw)
        run = service.prepare(brand.config_of(brand.add_dataset(store), learning_rate=1e-2))
        job = brand.train(service, store, run.id)
        assert job.status == "done", job.error
        yield Finished(store.training_runs.get(run.id), service, store, settings, samples)


@pytest.fixture
def unet(tiny_base: Path) -> Any:
    """A UNet of the tiny base's own, frozen as the cache hands it out."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(tiny_base / "unet").requires_grad_(False).eval()
