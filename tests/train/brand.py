"""A small brand for the tests of this folder: cleared photos in a store, and the services around them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from studio.jobs import Job, JobQueue, Lane
from studio.models import ModelCache, Registry
from studio.presets import Presets
from studio.records.base import new_id, now
from studio.records.photo import Dataset, Photo, Rights
from studio.records.training import TrainingConfig
from studio.settings import Settings
from studio.store import Store
from studio.train import TrainService
from studio.train.samples import DrawSample

CLEARED = Rights(source="studio shoot", owner="Brand", licence="Own work", model_release="signed")
TRIGGER = "sksdress"


def png(number: int, width_px: int = 64, height_px: int = 96) -> bytes:
    """A picture of stripes and a gradient that differs from number to number."""
    y, x = np.mgrid[0:height_px, 0:width_px]
    stripes = 127 + 120 * np.sin(x / (4 + number) + y / 30)
    pixels = np.stack([stripes, y % 256, np.full_like(y, 25 * number % 256)], axis=-1).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def add_photo(store: Store, dataset: Dataset, number: int, **changes: Any) -> Photo:
    """Photo `number` in file store and table; `changes` override fields of its record."""
    width_px, height_px = changes.get("width_px", 64), changes.get("height_px", 96)
    photo = Photo(
        id=new_id("pho"),
        dataset_id=dataset.id,
        sha256=store.files.put_bytes(png(number, width_px, height_px), ".png"),
        file_name=f"look_{number:02d}.png",
        width_px=width_px,
        height_px=height_px,
        caption=f"a photo of {TRIGGER} dress, look {number}",
        rights=CLEARED,
    ).model_copy(update=changes)
    store.photos.put(photo)
    return photo


def add_dataset(store: Store, trained: int = 4, held_out: int = 2) -> Dataset:
    """A dataset of cleared photos."""
    dataset = Dataset(id=new_id("dat"), name="brand", trigger_token=TRIGGER, created_at=now())
    store.datasets.put(dataset)
    for number in range(trained + held_out):
        add_photo(store, dataset, number, split="train" if number < trained else "held-out")
    return dataset


def config_of(dataset: Dataset, **changes: Any) -> TrainingConfig:
    """A run of a few steps."""
    quick = {
        "name": "brand", "dataset_id": dataset.id, "lora_rank": 4, "lora_alpha": 8.0, "max_train_steps": 8,
        "lr_warmup_steps": 2, "train_batch_size": 2, "validate_every": 4, "checkpoint_every": 4, "sample_every": 8,
    }  # fmt: skip
    return TrainingConfig.model_validate(quick | changes)


def service_of(store: Store, settings: Settings, draw: DrawSample | None = None) -> TrainService:
    """The stage with a cache of its own."""
    presets = Presets(settings.presets, settings.brand_models)
    return TrainService(store, settings, presets, ModelCache(Registry(presets), 2**31), draw)


def train(service: TrainService, store: Store, run_id: str) -> Job:
    """Run a training job here, to its end."""
    queue = JobQueue(store)
    return Lane(queue, {"train": service.handle}).run_job(queue.submit("train", {"run_id": run_id}).id)
