"""The train tab's actions, without a browser."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from studio.records.base import new_id, now
from studio.records.photo import Dataset, Rights
from studio.studio import Studio
from studio.ui.components.train_form import TrainForm, free_name
from studio.ui.components.train_run import TrainRun
from studio.ui.components.train_runs import TrainRuns
from tests.train import brand


@pytest.fixture
def dataset(studio: Studio) -> Dataset:
    """Six cleared photos at the tiny base's size."""
    made = Dataset(id=new_id("dat"), name="Spring 2026", trigger_token=brand.TRIGGER, created_at=now())
    studio.store.datasets.put(made)
    for number in range(6):
        split = "train" if number < 4 else "held-out"
        brand.add_photo(studio.store, made, number, split=split, width_px=192, height_px=256)
    return made


def values(dataset: Dataset, **changes: Any) -> dict[str, Any]:
    """What the form sends: texts, as they were typed."""
    return {
        "dataset_id": dataset.id, "base": "croquis", "name": "spring", "max_train_steps": "6", "lora_rank": "4",
        "lora_alpha": "4", "lr_warmup_steps": "1", "train_batch_size": "2", "validate_every": "2",
        "checkpoint_every": "2", "sample_every": "6",
    } | changes  # fmt: skip


def ask(piece: Any, action: str, **message: Any) -> Any:
    answer = piece.answer(action, message, "mika")
    assert "error" not in answer, answer
    assert orjson.dumps(answer)  # what Gradio sends it with; stricter than json
    return answer["value"]


def test_the_form_offers_datasets_bases_and_presets(studio: Studio, dataset: Dataset) -> None:
    options = ask(TrainForm(studio), "options")
    assert options["datasets"][0] == {
        "id": dataset.id, "name": "Spring 2026", "token": brand.TRIGGER, "photos": 6, "held_out": 2,
        "free_name": "spring-2026",
    }  # fmt: skip
    assert [base["name"] for base in options["bases"]] == ["croquis"]
    assert {preset["name"] for preset in options["presets"]} == {"brand-model", "product-fabric", "style"}
    assert options["defaults"]["lora_rank"] == 8


def test_all_that_is_wrong_is_told_at_once(studio: Studio, dataset: Dataset) -> None:
    photo = studio.label.photos(dataset.id)[0]
    studio.label.set_rights([photo.id], Rights(source="shoot", owner="Brand"))
    form = TrainForm(studio)
    found = ask(form, "check", values=values(dataset, lr_warmup_steps="6"))
    assert [fault["where"] for fault in found["rights"]] == [photo.file_name]
    assert [fault["where"] for fault in found["faults"]] == ["lr_warmup_steps"]
    found = ask(form, "check", values=values(dataset, name="Spring Dress", max_train_steps="many", repeats=""))
    assert {fault["where"] for fault in found["faults"]} == {"name", "max_train_steps", "repeats"}
    assert "run_id" not in ask(form, "start", values=values(dataset))
    assert studio.store.training_runs.find() == []


def test_time_and_memory_are_told_for_each_preset_before_the_start(studio: Studio, dataset: Dataset) -> None:
    form = TrainForm(studio)
    options = ask(form, "options")
    presets = {preset["name"]: preset["bases"]["croquis"]["settings"] for preset in options["presets"]}
    found = ask(form, "check", values=values(dataset), presets=presets)
    assert found["estimates"]["style"]["seconds"] < found["estimates"]["product-fabric"]["seconds"]
    assert found["estimate"]["measured"] is False
    assert found["estimate"]["memory_bytes"] > 0
    assert ask(form, "check", values=values(dataset, max_train_steps="many"))["estimate"] is None


def test_a_run_goes_from_the_form_to_a_brand_model(studio: Studio, dataset: Dataset) -> None:
    form, runs, run = TrainForm(studio), TrainRuns(studio), TrainRun(studio)
    run_id = ask(form, "start", values=values(dataset))["run_id"]
    row = ask(runs, "runs")[0]
    assert (row["id"], row["state"], row["job"]["place"], row["job"]["owner"]) == (run_id, "waiting", 1, "mika")
    assert ask(run, "publish", run_id=run_id, step=6) == {"loading": True}
    studio.warm.set()
    studio.lane.run_job(row["job"]["id"])
    shown = ask(run, "run", run_id=run_id)
    assert shown["state"] == "done"
    assert shown["verdict"]["best_step"] in shown["checkpoints"]
    assert len(shown["curves"]["loss"]) == 6
    assert list(shown["samples"]["rows"]) == ["6"]
    step = shown["verdict"]["best_step"]
    assert ask(run, "publish", run_id=run_id, step=step) == {"name": "spring"}

    again = ask(form, "start", values=values(dataset, seed="1"))["run_id"]
    studio.lane.run_job(ask(runs, "runs")[0]["job"]["id"])
    assert ask(run, "publish", run_id=again, step=step) == {"taken": "spring", "free": "spring-2"}
    assert ask(run, "publish", run_id=again, step=step, name="spring-2") == {"name": "spring-2"}
    assert ask(run, "publish", run_id=again, step=step, name="spring", replace=True) == {"name": "spring"}
    refused = run.answer("publish", {"run_id": again, "step": step, "name": "../spring"}, "mika")
    assert "name" in refused["error"]
    assert set(studio.presets.brand_models()) == {"spring", "spring-2"}


def test_stop_while_waiting_and_resume(studio: Studio, dataset: Dataset) -> None:
    run = TrainRun(studio)
    run_id = ask(TrainForm(studio), "start", values=values(dataset))["run_id"]
    ask(run, "stop", run_id=run_id)
    assert ask(run, "run", run_id=run_id)["state"] == "stopped"
    ask(run, "stop", run_id=run_id)  # twice does no harm
    ask(run, "resume", run_id=run_id)
    ask(run, "resume", run_id=run_id)  # another person, at the same time
    assert ask(run, "run", run_id=run_id)["state"] == "waiting"
    assert len(studio.jobs.list("waiting")) == 1


def test_a_run_that_is_gone_is_no_error(studio: Studio) -> None:
    assert ask(TrainRun(studio), "run", run_id="run_gone") is None


def test_a_free_name_is_made_of_any_name() -> None:
    assert free_name("Spring/Summer  '26", set()) == "spring-summer-26"
    assert free_name("春", {"brand-model"}) == "brand-model-2"
