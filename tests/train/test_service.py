"""A run from prepare to its verdict, its stop, and its going on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.errors import ConflictError, NotFoundError
from studio.jobs import JobQueue, Lane
from studio.models import ComponentKey
from studio.records.photo import Rights
from studio.settings import Settings
from studio.store import Store
from studio.train.checkpoint import Checkpoint, Checkpoints
from studio.train.metrics import Metrics, read_metrics
from studio.train.run_folder import RunFolder
from tests.train.brand import add_dataset, config_of, service_of, train
from tests.train.conftest import Finished


def test_a_run_leaves_everything_in_its_folder(finished: Finished) -> None:
    folder = Path(finished.run.folder)
    assert finished.run.status == "done"
    assert finished.run.step == 8
    assert {p.name for p in folder.iterdir()} == {"config.json", "data.json", "metrics.jsonl", "checkpoints", "samples"}
    assert finished.service.checkpoints(finished.run.id) == [4, 8]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows == finished.service.metrics(finished.run.id)
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 9))
    assert [row["step"] for row in rows if "held_out_loss" in row] == [0, 4, 8]
    assert all(row["train_loss"] > 0 for row in rows if "held_out_loss" in row)


def test_a_home_that_has_moved_still_finds_its_runs(finished: Finished, tmp_path: Path) -> None:
    moved = tmp_path / "restored"
    shutil.copytree(finished.settings.home, moved)
    (moved / "brand_models").mkdir()
    settings = finished.settings.model_copy(update={"home": moved, "brand_models": moved / "brand_models"})
    metrics = RunFolder(moved / "runs" / finished.run.id).metrics
    metrics.write_text(metrics.read_text().splitlines(keepends=True)[0])
    with Store.open(settings) as store:
        service = service_of(store, settings)
        assert len(service.metrics(finished.run.id)) == 1, "the copy is read, not the place it was copied from"
        assert service.publish(finished.run.id).name == "brand"


def test_the_verdict_is_in_the_record(finished: Finished) -> None:
    verdict = finished.run.verdict
    assert verdict is not None
    assert [step for step, _ in verdict.held_out_loss] == [0, 4, 8]
    assert verdict.best_step in (4, 8)


def test_samples_are_drawn_with_the_fixed_seed(finished: Finished) -> None:
    prompt = finished.store.photos.find(split="held-out")
    assert [p.name for p in sorted((Path(finished.run.folder) / "samples").iterdir())] == ["step_00000008_00.png"]
    assert finished.samples[0][1] == 7
    assert finished.samples[0][0] in {photo.caption for photo in prompt}


def test_the_cached_unet_is_as_before(finished: Finished) -> None:
    from safetensors.torch import load_file

    cache = finished.service._cache
    key = ComponentKey("croquis", "unet", "fp32", "cpu")
    assert key in cache.stats().resident
    with cache.use(key) as unet:
        weights = load_file(finished.settings.presets / "bases/croquis/unet/diffusion_pytorch_model.safetensors")
        assert unet.state_dict().keys() == weights.keys()
        assert all(torch.equal(value, weights[name].float()) for name, value in unet.state_dict().items())
        assert not any(p.requires_grad for p in unet.parameters())


def test_a_stop_keeps_the_last_step_and_going_on_ends_like_an_unbroken_run(store: Store, settings: Settings) -> None:
    dataset = add_dataset(store)
    service = service_of(store, settings)
    queue = JobQueue(store)
    lane = Lane(queue, {"train": service.handle})
    unbroken, stopped = service.prepare(config_of(dataset)), service.prepare(config_of(dataset))
    assert train(service, store, unbroken.id).status == "done"

    job = queue.submit("train", {"run_id": stopped.id})

    def stop_at_five(seen: Any) -> None:
        if (seen.progress.done, seen.progress.total) == (5, 8):
            queue.cancel(job.id)

    assert lane.run_job(job.id, stop_at_five).status == "cancelled"
    assert store.training_runs.get(stopped.id).status == "stopped"
    assert service.checkpoints(stopped.id) == [4, 5]
    assert service.resume(stopped.id).status == "waiting"
    assert train(service, store, stopped.id).status == "done"
    ends = [Checkpoints(Path(run.folder) / "checkpoints", "")._path(8).read_bytes() for run in (unbroken, stopped)]
    first, second = (_tensors(end) for end in ends)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    losses = [[(r["step"], r.get("loss")) for r in service.metrics(run.id)] for run in (unbroken, stopped)]
    assert losses[0] == losses[1]
    with pytest.raises(ConflictError, match="is done"):
        service.resume(stopped.id)
    assert train(service, store, stopped.id).result["step"] == 8  # asked again, it answers and does nothing


def _tensors(data: bytes) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    return load(data)


def test_rights_that_are_withdrawn_while_the_job_waits_stop_it(store: Store, settings: Settings) -> None:
    dataset = add_dataset(store)
    service = service_of(store, settings)
    run = service.prepare(config_of(dataset))
    photos = store.photos.find(dataset_id=dataset.id)
    store.photos.put(photos[1].model_copy(update={"rights": Rights()}))
    store.photos.delete(photos[2].id)
    job = train(service, store, run.id)
    assert (job.status, job.error_slug) == ("failed", "rights")
    assert f"{photos[1].file_name}: rights missing" in job.error
    assert f"{photos[2].file_name}: was taken out of the dataset" in job.error
    assert store.training_runs.get(run.id).status == "failed"
    assert service.checkpoints(run.id) == []


def test_checkpoints_belong_to_their_run(tmp_path: Path) -> None:
    moment = Checkpoint(5, {"a.lora_A.weight": torch.ones(2, 3)}, {"a.lora_A.weight|step": torch.tensor(5.0)})
    mine = Checkpoints(tmp_path, "mine")
    mine.save(moment)
    read = mine.load(5)
    assert read.step == 5
    assert torch.equal(read.lora["a.lora_A.weight"], torch.ones(2, 3))
    assert read.optimizer == {"a.lora_A.weight|step": torch.tensor(5.0)}
    with pytest.raises(ConflictError, match="another config or other photos"):
        Checkpoints(tmp_path, "yours").load(5)
    with pytest.raises(NotFoundError, match="There are: 5"):
        mine.load(6)
    (tmp_path / ".tmp-0123").write_bytes(b"half")
    mine.prune({6})
    assert mine.steps() == []


def test_metrics_after_a_crash_go_on_from_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.4}\n{"step": 3, "lo')
    assert [row["step"] for row in read_metrics(path)] == [1, 2]
    metrics = Metrics(path, last_step=1)
    metrics.append({"step": 2, "loss": 0.3})
    metrics.sync()
    assert read_metrics(path) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.3}] == metrics.rows
    assert metrics.curve("loss") == ((1, 0.5), (2, 0.3))
