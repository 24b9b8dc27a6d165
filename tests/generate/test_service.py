"""The service draws each picture of a job exactly once, whatever happens between, and refuses all faults at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.devices import choose_device
from studio.errors import FaultsError, GateError
from studio.generate import GenerateService
from studio.generate.service import variant_id
from studio.jobs import Job, JobQueue, Lane
from studio.models import ModelCache, Registry
from studio.presets import Presets
from studio.records.brand_model import BrandModel
from studio.records.generation import AdapterWeight
from studio.settings import Settings
from studio.store import Store
from tests.generate.conftest import SMALL, draw_control, request


@pytest.fixture
def service(store: Store, settings: Settings, presets: Presets) -> GenerateService:
    cache = ModelCache(Registry(presets), 2**31)
    return GenerateService(store, settings, presets, cache, choose_device(settings), draw_control)


@pytest.fixture
def queue(store: Store) -> JobQueue:
    return JobQueue(store)


def test_variants_are_kept_and_carry_their_request(service: GenerateService, store: Store) -> None:
    requests = [request(1, sku="A-1"), request(2, sku="A-1", pose=None)]
    variants = service.run(requests)
    assert [v.request for v in variants] == requests
    assert store.variants.find(sku="A-1") == variants
    for variant in variants:
        assert service.restore(store.files.path(variant.image_sha256)) == variant.request
        assert variant.seconds > 0
    again = service.run(requests)
    assert [v.image_sha256 for v in again] == [v.image_sha256 for v in variants]
    assert not {v.id for v in again} & {v.id for v in variants}


def test_thumbnails_are_made_with_the_pictures_and_what_hinders_them_hinders_no_picture(
    service: GenerateService, queue: JobQueue, store: Store, settings: Settings
) -> None:
    [first] = service.run([request(1)])
    folder = settings.home / "thumbnails"
    assert [path.stem for path in folder.glob("*/*.webp")] == [first.image_sha256]
    folder.rename(settings.home / "elsewhere")
    folder.write_text("in the way", encoding="utf-8")
    job = queue.submit("generate", service.payload([request(2)]))
    done = Lane(queue, {"generate": service.handle}).run_job(job.id)
    assert (done.status, done.error) == ("done", "")
    assert len(store.variants.find(batch_id=job.id)) == 1


def test_a_job_tells_every_step_and_ends_with_its_variants(service: GenerateService, queue: JobQueue) -> None:
    requests = [request(1), request(2, pose=None), request(3)]
    seen: list[Job] = []
    job = queue.submit("generate", service.payload(requests))
    done = Lane(queue, {"generate": service.handle}).run_job(job.id, seen.append)
    assert (done.status, done.error) == ("done", "")
    assert done.result["variant_ids"] == [variant_id(job.id, index) for index in range(3)]
    counts = [each.progress.done for each in seen]
    assert counts == sorted(counts)
    assert {2, 4, 6, 8, 9, 10, 11, 12} <= set(counts), "every step of both batches"
    assert seen[-1].progress.note == "3 of 3 pictures"


def test_a_cancelled_job_keeps_what_was_finished(service: GenerateService, queue: JobQueue, store: Store) -> None:
    requests = [request(1), request(2, pose=None)]
    job = queue.submit("generate", service.payload(requests))

    def cancel(seen: Job) -> None:
        if seen.progress.done == 6:
            queue.cancel(job.id)

    done = Lane(queue, {"generate": service.handle}).run_job(job.id, cancel)
    assert done.status == "cancelled"
    assert [v.id for v in store.variants.find(batch_id=job.id)] == [variant_id(job.id, 0)]


def test_a_job_that_starts_again_draws_only_what_is_missing(
    service: GenerateService, queue: JobQueue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [request(1), request(2, pose=None), request(3, guidance_scale=1.0)]
    job = queue.submit("generate", service.payload(requests))
    keep = service._keep
    calls: list[int] = []

    def dies_after_one(batch: str, asked: Any, drawn: Any, sha256: str, context: Any) -> Any:
        if calls:
            raise OSError("the process dies")
        calls.append(drawn.index)
        return keep(batch, asked, drawn, sha256, context)

    monkeypatch.setattr(service, "_keep", dies_after_one)
    lane = Lane(queue, {"generate": service.handle})
    assert lane.run_job(job.id).status == "failed"
    [first] = store.variants.find(batch_id=job.id)
    monkeypatch.undo()
    queue.retry(job.id)
    assert lane.run_job(job.id).status == "done"
    variants = store.variants.find(batch_id=job.id)
    assert len(variants) == 3
    assert next(v for v in variants if v.id == first.id) == first
    store.files.path(first.image_sha256).unlink()
    queue_again = queue.submit("generate", service.payload(requests))
    assert lane.run_job(queue_again.id).status == "done"


def test_all_faults_are_named_before_anything_is_loaded(
    service: GenerateService, brand_model: Callable[..., BrandModel]
) -> None:
    brand_model("other", base="sdxl")
    requests = [
        request(1),
        request(2, base="flux"),
        request(3, adapters=(AdapterWeight(brand_model="nobody"), AdapterWeight(brand_model="other"))),
        request(4, framing=SMALL.model_copy(update={"origin_x_px": float("inf")})),
        request(5, framing=SMALL.model_copy(update={"width_px": 80_000, "height_px": 80_000})),
        request(6, framing=SMALL.model_copy(update={"width_px": 8})),
    ]
    with pytest.raises(FaultsError) as caught:
        service.payload(requests)
    assert [fault.where for fault in caught.value.faults] == [f"request {i}" for i in (1, 2, 2, 3, 4, 5)]
    with pytest.raises(FaultsError, match="there are none"):
        service.run([])


def test_the_matrix_takes_names_and_names_all_that_it_does_not_know(
    service: GenerateService, presets: Presets, brand_model: Callable[..., BrandModel]
) -> None:
    card = brand_model("sample")
    look = min(presets.looks())
    [made] = service.matrix(
        [None], [look], [7], adapters=[AdapterWeight(brand_model="sample", adapter_weight=0.8)], sku="A-1"
    )
    assert (made.seed, made.sku, made.look) == (7, "A-1", presets.looks()[look])
    assert card.trigger_token in made.prompt
    with pytest.raises(FaultsError) as caught:
        service.matrix(["no-pose"], ["no-look"], [1], base="no-base", adapters=[AdapterWeight(brand_model="nobody")])
    assert len(caught.value.faults) == 4


def test_a_brand_model_must_be_the_file_of_its_card(
    service: GenerateService, settings: Settings, brand_model: Callable[..., BrandModel], tmp_path: Path
) -> None:
    brand_model("sample")
    asked = [request(1, adapters=(AdapterWeight(brand_model="sample"),))]
    [variant] = service.run(asked)
    assert variant.request.adapters
    weights = settings.brand_models / "sample" / "pytorch_lora_weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(GateError, match="not the file it should be"):
        service.run(asked)
    weights.rename(tmp_path / "elsewhere.safetensors")
    weights.symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(GateError, match="outside its folder"):
        service.run(asked)
