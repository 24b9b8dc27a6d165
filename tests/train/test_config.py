"""Preparing a run: everything that is wrong is said at once, and photos without rights are all named."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from studio.errors import FaultsError, NotFoundError, RightsError
from studio.records.base import new_id, now
from studio.records.photo import Dataset, Finding, Rights
from studio.settings import Settings
from studio.store import Store
from tests.train.brand import CLEARED, TRIGGER, add_dataset, add_photo, config_of, service_of


def test_photos_without_rights_are_refused_and_every_one_is_named(store: Store, settings: Settings) -> None:
    dataset = add_dataset(store)
    yesterday = date.today() - timedelta(days=2)
    add_photo(store, dataset, 10, rights=Rights(), file_name="nothing.png")
    add_photo(store, dataset, 11, rights=CLEARED.model_copy(update={"model_release": "missing"}), file_name="face.png")
    add_photo(store, dataset, 12, rights=CLEARED.model_copy(update={"expires_on": yesterday}), file_name="old.png")
    add_photo(store, dataset, 13, rights=Rights(), file_name="held.png", split="held-out")
    with pytest.raises(RightsError) as caught:
        service_of(store, settings).prepare(config_of(dataset))
    message = str(caught.value)
    assert "4 photos without cleared rights" in message
    assert "nothing.png: rights missing: source, owner, licence, model release." in message
    assert "face.png: rights missing: model release." in message
    assert f"old.png: rights missing: licence expired on {yesterday.isoformat()}." in message
    assert "held.png" in message
    assert "look_00.png" not in message
    assert store.training_runs.find() == []
    assert not settings.runs_dir.exists()


def test_all_other_faults_come_in_one_error(store: Store, settings: Settings) -> None:
    dataset = add_dataset(store)
    refused = Finding(code="broken", level="refused", message="cut off")
    add_photo(store, dataset, 10, caption="", file_name="mute.png")
    add_photo(store, dataset, 11, caption="a dress", file_name="plain.png")
    add_photo(store, dataset, 12, width_px=40, height_px=60, file_name="small.png")
    add_photo(store, dataset, 13, findings=(refused,), file_name="broken.png")
    add_photo(store, dataset, 14, crop_px=(0, 0, 40, 90), file_name="cropped.png")
    with pytest.raises(FaultsError) as caught:
        service_of(store, settings).prepare(config_of(dataset, lr_warmup_steps=8, trigger_token="other"))
    faults: dict[str, str] = {}
    for fault in caught.value.faults:
        faults[fault.where] = faults.get(fault.where, "") + fault.what
    assert faults["mute.png"] == "has no caption."
    assert "'other'" in faults["plain.png"]
    assert "40x60 px would have to be enlarged to 64x96" in faults["small.png"]
    assert "cut off" in faults["broken.png"]
    assert "40x90 px would have to be enlarged" in faults["cropped.png"]
    assert "8 steps of warm-up" in faults["lr_warmup_steps"]
    assert TRIGGER in faults["trigger_token"]


def test_rights_come_first_and_the_rest_is_told_with_them(store: Store, settings: Settings) -> None:
    dataset = add_dataset(store)
    add_photo(store, dataset, 10, rights=Rights(), caption="", file_name="both.png")
    with pytest.raises(RightsError, match=r"(?s)both\.png: rights missing.*also to mend.*both\.png: has no caption"):
        service_of(store, settings).prepare(config_of(dataset))


def test_an_empty_dataset_and_an_unknown_one(store: Store, settings: Settings) -> None:
    empty = Dataset(id=new_id("dat"), name="empty", created_at=now())
    store.datasets.put(empty)
    with pytest.raises(FaultsError, match="no photos to train on"):
        service_of(store, settings).prepare(config_of(empty))
    with pytest.raises(NotFoundError):
        service_of(store, settings).prepare(config_of(empty, dataset_id="dat_none"))
    with pytest.raises(NotFoundError):
        service_of(store, settings).prepare(config_of(empty, base="none"))


def test_a_prepared_run_is_complete_on_disk(store: Store, settings: Settings) -> None:
    from studio.train.run_folder import RunFolder

    dataset = add_dataset(store)
    run = service_of(store, settings).prepare(config_of(dataset))
    folder = RunFolder(settings.runs_dir / run.id)
    assert store.training_runs.get(run.id) == run
    assert run.status == "waiting"
    assert folder.config() == run.config
    assert run.config.trigger_token == TRIGGER
    assert run.config.target_modules == ("to_q", "to_k", "to_v", "to_out.0")
    assert folder.snapshot().data_sha256() == run.data_sha256
    assert len(folder.snapshot().train) == 4
    assert len(folder.snapshot().held_out) == 2
    assert folder.snapshot().rights_summary() == {"Own work": 6}
