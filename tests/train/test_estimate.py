"""What a run will take, told before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.records.training import TrainingConfig
from studio.settings import Settings
from studio.store import Store
from studio.train.estimate import BaseSize, Pace, default_pace, estimate, own_pace, pictures_per_step, read_size
from tests.train import brand
from tests.train.conftest import Finished

SIZE = BaseSize(
    elements=1_000_000, denoiser_elements=500_000, cells=96, held_values=10_000, lora_elements_per_rank=1_000
)


def config(**changes: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"name": "x", "dataset_id": "x", "sample_every": 1000} | changes)


def seconds(**changes: object) -> float:
    return estimate(config(**changes), SIZE, Pace(0.1, own=True), trained=20, held_out=0, sample_passes=40).seconds


def test_twice_the_steps_or_the_batch_take_about_twice_as_long() -> None:
    once = seconds(max_train_steps=400, train_batch_size=4, validate_every=400)
    assert seconds(max_train_steps=800, train_batch_size=4, validate_every=800) == pytest.approx(2 * once, rel=0.1)
    assert seconds(max_train_steps=400, train_batch_size=8, validate_every=400) == pytest.approx(2 * once, rel=0.1)


def test_samples_and_measurements_take_time_too() -> None:
    assert seconds(validate_every=10) > seconds(validate_every=300)
    assert seconds(sample_every=10) > seconds(sample_every=300)


def test_a_batch_is_no_larger_than_what_an_epoch_holds() -> None:
    assert pictures_per_step(config(train_batch_size=8, gradient_accumulation_steps=2), trained=3) == 6
    assert pictures_per_step(config(train_batch_size=8, repeats=2), trained=3) == 6


def test_memory_grows_with_rank_and_batch() -> None:
    def memory(**changes: object) -> int:
        found = estimate(config(**changes), SIZE, Pace(0.1, own=True), trained=20, held_out=2, sample_passes=40)
        return found.memory_bytes

    assert memory(lora_rank=8) < memory(lora_rank=64)
    assert memory(train_batch_size=1) < memory(train_batch_size=8)


def test_the_pace_of_a_run_leaves_out_its_first_steps() -> None:
    rows = [{"step": step, "loss": 0.1, "seconds": 60.0 if step < 3 else 0.4} for step in range(1, 9)]
    assert own_pace(rows, 4) == Pace(0.1, own=True)
    assert own_pace(rows[:3], 4) is None


def test_a_larger_base_is_guessed_slower(tiny_base: Path) -> None:
    small = read_size(tiny_base, 96, 128, ("to_q",))
    large = read_size(tiny_base, 192, 256, ("to_q", "to_k"))
    assert default_pace(small).seconds < default_pace(large).seconds
    assert 0 < small.lora_elements_per_rank < large.lora_elements_per_rank
    assert 0 < small.denoiser_elements < small.elements


def test_the_first_run_is_a_guess_and_the_next_is_measured(store: Store, settings: Settings) -> None:
    service = brand.service_of(store, settings)
    dataset = brand.add_dataset(store)
    assert not service.estimate(brand.config_of(dataset)).measured
    brand.train(service, store, service.prepare(brand.config_of(dataset)).id)
    again = service.estimate(brand.config_of(dataset))
    assert again.measured
    assert again.seconds > 0


def test_what_keeps_a_config_from_training_is_told_one_by_one(finished: Finished) -> None:
    dataset = finished.store.datasets.get(finished.run.config.dataset_id)
    found = finished.service.faults(brand.config_of(dataset, lr_warmup_steps=8, trigger_token="other"))
    assert found.rights == []
    assert {fault.where for fault in found.others} >= {"lr_warmup_steps", "trigger_token"}


def test_samples_are_listed_by_step_and_prompt(finished: Finished) -> None:
    sheet = finished.service.samples(finished.run.id)
    assert len(sheet.prompts) == 1
    assert sheet.rows == {8: ("step_00000008_00.png",)}
