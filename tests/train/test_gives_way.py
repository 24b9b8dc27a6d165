"""Training gives way between its steps: to previews and single pictures of its base, and not a bit of it changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from studio.jobs import Job
from studio.records.generation import AdapterWeight
from studio.records.photo import Dataset
from studio.records.training import TrainingRun
from studio.studio import Studio
from tests.brand_model import write_brand_model
from tests.generate.conftest import request
from tests.train.brand import add_dataset, config_of

PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the number of threads, and on a busy machine two wait for each other at every operation."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def dataset(studio: Studio) -> Dataset:
    """A few cleared photos."""
    return add_dataset(studio.store, trained=3, held_out=1)


def prepared(studio: Studio, dataset: Dataset, steps: int = 6) -> tuple[TrainingRun, str]:
    """A run with its job in the queue."""
    config = config_of(
        dataset, max_train_steps=steps, train_batch_size=1, learning_rate=1e-2, validate_every=3, checkpoint_every=3,
        sample_every=10_000,
    )  # fmt: skip
    run = studio.train.prepare(config)
    return run, studio.jobs.submit("train", {"run_id": run.id}).id


def last_tensors(run: TrainingRun, step: int) -> dict[str, torch.Tensor]:
    """Matrices and moments of a checkpoint."""
    from safetensors.torch import load_file

    return load_file(Path(run.folder) / "checkpoints" / f"step_{step:08d}.safetensors")


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.02)


@pytest.mark.slow
def test_pictures_between_steps_and_a_stop_change_no_bit_of_a_training(
    studio: Studio, dataset: Dataset, tiny_base: Path
) -> None:
    write_brand_model(studio.settings.brand_models, tiny_base, "sample")
    branded = {"adapters": (AdapterWeight(brand_model="sample"),)}
    singles = [request(5, **branded), request(8, pose=None)]
    before = studio.generate.run(singles)  # leaves a slot on the UNet, as a day's work does
    plain, plain_job = prepared(studio, dataset)
    assert studio.lane.run_job(plain_job).status == "done"

    run, job_id = prepared(studio, dataset)
    jobs = [studio.jobs.submit("generate", studio.generate.payload([single])).id for single in singles]
    grid = studio.jobs.submit("generate", studio.generate.payload([request(5), request(6)])).id
    answers: dict[int, str] = {}

    def disturb(seen: Job) -> None:
        step = seen.progress.done
        if "loss" not in seen.progress.note or step < 2:  # the single pictures are drawn before the first two steps
            return
        # Each revision is asked for twice: it was placed after one step, and is there after the next.
        asked = request(step, **branded) if step % 2 else request(step, pose=None)
        answers[step] = studio.previews.ask("mika", step // 2 * 2, asked, wait_s=0.0).state
        if step == 4:
            studio.jobs.cancel(job_id)

    assert studio.lane.run_job(job_id, disturb).status == "cancelled"
    assert [studio.jobs.get(each).status for each in jobs] == ["done", "done"]
    studio.train.resume(run.id)
    assert studio.lane.run_job(studio.jobs.submit("train", {"run_id": run.id}).id, disturb).status == "done"
    assert {answers[2], answers[4], answers[6]} == {"drawing"}
    assert answers[3] == "ready"
    assert studio.jobs.get(grid).status == "waiting", "a grid waits for the end"

    first, second = last_tensors(plain, 6), last_tensors(run, 6)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    between = [studio.store.variants.find(batch_id=each)[0] for each in jobs]
    after = studio.generate.run(singles)
    for same in zip(before, between, after, strict=True):
        assert len({variant.image_sha256 for variant in same}) == 1, "the matrices in training are not in any picture"


@pytest.mark.slow
def test_a_page_and_a_single_picture_are_served_while_training_goes_on(studio: Studio, dataset: Dataset) -> None:
    _, training = prepared(studio, dataset, steps=5000)
    studio.warm.set()
    studio.lane.start()

    def steps() -> int:
        progress = studio.jobs.get(training).progress
        return progress.done if "loss" in progress.note else 0

    until(lambda: steps() > 0)
    answer = studio.previews.ask("mika", 1, request(1), wait_s=PATIENCE_S)
    assert (answer.state, answer.words) == ("ready", "")
    single = studio.jobs.submit("generate", studio.generate.payload([request(2)])).id
    until(lambda: studio.jobs.get(single).ended)
    assert studio.jobs.get(single).status == "done"
    assert len(studio.store.variants.find(batch_id=single)) == 1
    reached = steps()
    until(lambda: steps() > reached)
    assert studio.jobs.get(training).status == "running"

    studio.jobs.cancel(training)
    until(lambda: studio.jobs.get(training).ended)
    assert studio.jobs.get(training).status == "cancelled"
    assert studio.previews.ask("mika", 2, request(3), wait_s=PATIENCE_S).state == "ready"
