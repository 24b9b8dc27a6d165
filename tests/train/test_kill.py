"""kill -9 three times, and the run still ends in the same bits as one that was never touched."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import torch

from studio.jobs import JobQueue
from studio.records.training import TrainingRun
from studio.settings import Settings
from studio.store import Store
from studio.train.run_folder import RunFolder
from tests.train.brand import add_dataset, config_of, service_of
from tests.train.killed import train_until

HEAVY = [
    "peft", "diffusers.models.autoencoders.autoencoder_kl", "diffusers.models.unets.unet_2d_condition",
    "diffusers.schedulers.scheduling_ddim", "transformers.models.clip.modeling_clip", "studio.train.loop_run",
]  # fmt: skip
"""By full names: diffusers and transformers read a class's module only when the class is asked for."""


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """A server that has imported the heavy libraries once, and forks a real process from there for each run."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    return context


def run_process(context: ForkServerContext, settings: Settings, job_id: str, place: str) -> int | None:
    process = context.Process(target=train_until, args=(settings, job_id, place))
    process.start()
    process.join(timeout=300)
    return process.exitcode


def last_tensors(run: TrainingRun) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(RunFolder(Path(run.folder)).checkpoints / "step_00000012.safetensors")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_kills_change_no_bit(processes: ForkServerContext, store: Store, settings: Settings) -> None:
    dataset = add_dataset(store)
    service = service_of(store, settings)
    queue = JobQueue(store)
    config = config_of(
        dataset, max_train_steps=12, sample_every=6, validate_every=6, gradient_accumulation_steps=2, random_flip=True
    )
    killed, unbroken = service.prepare(config), service.prepare(config)
    job = queue.submit("train", {"run_id": killed.id})
    for place in ("step 2", "sample 6", "step 9"):  # before any checkpoint, between checkpoint and sample, after one
        assert run_process(processes, settings, job.id, place) == -signal.SIGKILL
        assert store.training_runs.get(killed.id).status == "running"
    assert store.training_runs.get(killed.id).step == 8

    service.resume(killed.id)
    for run in (killed, unbroken):
        again = queue.submit("train", {"run_id": run.id})
        assert run_process(processes, settings, again.id, "never") == 0
        assert queue.get(again.id).status == "done", queue.get(again.id).error
    one, other = last_tensors(killed), last_tensors(unbroken)
    assert one.keys() == other.keys()
    assert all(value.numpy().tobytes() == other[name].numpy().tobytes() for name, value in one.items())

    ends = [store.training_runs.get(run.id) for run in (killed, unbroken)]
    assert ends[0].verdict == ends[1].verdict
    losses = [[(r["step"], r.get("loss"), r.get("held_out_loss")) for r in service.metrics(e.id)] for e in ends]
    assert losses[0] == losses[1]
    samples = [{p.name: p.read_bytes() for p in RunFolder(Path(e.folder)).samples.glob("step_*")} for e in ends]
    assert samples[0] == samples[1]
    assert len(samples[0]) == 2
