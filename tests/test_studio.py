"""The Studio: opens without torch, wires the stages together, and keeps libraries quiet."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.errors import FaultsError
from studio.records.photo import Rights
from studio.records.training import TrainingConfig
from studio.studio import QUIET, Studio

RIGHTS = Rights(source="studio day", owner="Atelier", licence="all rights", model_release="not-needed")


def test_opening_sets_what_keeps_libraries_quiet(studio: Studio) -> None:
    assert {name: os.environ[name] for name in QUIET} == QUIET


def test_settings_that_cannot_be_used_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_DTYPE", "fp7")
    with pytest.raises(FaultsError, match="STUDIO:dtype"):
        Studio.open()


@pytest.mark.slow
def test_training_draws_samples_with_the_matrices_in_training(studio: Studio, tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for number in range(4):
        picture = random.integers(0, 255, (256, 192, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / f"photo_{number}.png")
    sources = sorted(tmp_path.glob("photo_*.png"))
    dataset = studio.label.ingest(sources, dataset="spring", rights=RIGHTS).dataset
    config = TrainingConfig(
        name="spring", dataset_id=dataset.id, max_train_steps=4, train_batch_size=2, lora_rank=2, learning_rate=0.05,
        lr_warmup_steps=0, lr_scheduler="constant", checkpoint_every=2, validate_every=2, sample_every=2,
        sample_prompts=("a red dress",),
    )  # fmt: skip
    run = studio.train.prepare(config)
    ended = studio.lane.run_job(studio.jobs.submit("train", {"run_id": run.id}).id)
    assert ended.status == "done", ended.error
    samples = sorted((Path(run.folder) / "samples").glob("step_*.png"))
    assert [path.name[:13] for path in samples] == ["step_00000002", "step_00000004"]
    early, late = (np.asarray(Image.open(path)) for path in samples)
    assert early.shape == (256, 192, 3)
    assert (early != late).any()
    assert studio.generate.restore(samples[0]).prompt == "a red dress"
