"""Records come back as they went in, in order, and histories only grow."""

from __future__ import annotations

from typing import Any

import pytest

from studio.errors import ConflictError, InputError, NotFoundError
from studio.records.base import now
from studio.records.generation import GenerationRequest, Variant
from studio.records.listing import Listing
from studio.records.photo import Dataset, Photo, Rights, caption_revision
from studio.records.product import Product
from studio.records.review import Measure, Measurement, decide
from studio.records.training import OverfitVerdict, TrainingConfig, TrainingRun
from studio.store import Store

SHA = "ab" * 32


def dataset(key: str = "ds_1", name: str = "autumn") -> Dataset:
    return Dataset(id=key, name=name, created_at=now())


def photo(key: str, **changes: Any) -> Photo:
    fields = {"dataset_id": "ds_1", "sha256": SHA, "file_name": "写真.jpg", "width_px": 3, "height_px": 4}
    return Photo(id=key, **(fields | changes))


def variant(key: str = "var_1") -> Variant:
    request = GenerationRequest(prompt="a red dress", seed=2**62)
    return Variant(
        id=key, batch_id="b", request=request, image_sha256=SHA, seconds=0.1 + 0.2, created_at=now(), sku="S1"
    )


def run(status: Any = "waiting", **changes: Any) -> TrainingRun:
    config = TrainingConfig(name="brand", dataset_id="ds_1")
    return TrainingRun(id="run_1", config=config, folder="x", status=status, created_at=now(), **changes)


def test_every_kind_of_record_comes_back_equal(store: Store) -> None:
    measures = (Measure(name="pose", value=None, unit="mm", note="not measured"),)
    pairs: list[tuple[Any, Any, str]] = [
        (store.products, Product(sku="S1", name="ドレス", size_table_mm={"M": {"chest": 960}}), "S1"),
        (store.datasets, dataset(), "ds_1"),
        (store.photos, photo("p1", rights=Rights(owner="us"), tags=("a",)), "p1"),
        (store.captions, caption_revision("p1", "a <b> 'quoted' text", "me", "cap_1"), "cap_1"),
        (store.training_runs, run(), "run_1"),
        (store.variants, variant(), "var_1"),
        (
            store.measurements,
            Measurement(id="m", variant_id="var_1", measures=measures, judge="1", created_at=now()),
            "m",
        ),
        (store.listings, Listing(id="l", sku="S1", channel="shopify", slots=(), created_at=now()), "l"),
    ]
    for repository, record, key in pairs:
        repository.add(record)
        assert repository.get(key) == record
    decision = decide("var_1", "rejected", author="me", reasons=("colour",))
    store.decisions.add(decision)
    assert store.decisions.find(variant_id="var_1") == [decision]


def test_put_replaces_in_place_and_moves_between_searches(store: Store) -> None:
    store.datasets.put(dataset())
    for key in ("p2", "p1", "p3"):
        store.photos.put(photo(key))
    store.photos.put(photo("p2", split="held-out", sku="S9"))
    assert [p.id for p in store.photos.find(dataset_id="ds_1")] == ["p2", "p1", "p3"]
    assert [p.id for p in store.photos.find(split="held-out")] == ["p2"]
    assert [p.id for p in store.photos.find(split="train", sku=None)] == ["p1", "p3"]
    assert store.photos.find(sku="' OR 1=1 --") == []


def test_add_twice_is_a_conflict_and_changes_nothing(store: Store) -> None:
    store.datasets.add(dataset(name="first"))
    with pytest.raises(ConflictError, match="ds_1"):
        store.datasets.add(dataset(name="second"))
    assert store.datasets.get("ds_1").name == "first"


def test_histories_can_only_grow(store: Store) -> None:
    for history in (store.captions, store.decisions):
        assert not hasattr(history, "put")
        assert not hasattr(history, "delete")


def test_missing_records_and_unknown_columns(store: Store) -> None:
    with pytest.raises(NotFoundError, match="training run 'nope'"):
        store.training_runs.get("nope")
    with pytest.raises(NotFoundError):
        store.products.delete("nope")
    with pytest.raises(TypeError, match="colour"):
        store.products.find(colour="red")


def test_records_belong_to_records_that_exist(store: Store) -> None:
    with pytest.raises(NotFoundError, match="belongs to"):
        store.photos.put(photo("p1"))
    store.datasets.put(dataset())
    store.photos.put(photo("p1"))
    with pytest.raises(ConflictError, match="in use"):
        store.datasets.delete("ds_1")
    store.photos.delete("p1")
    store.datasets.delete("ds_1")
    assert store.datasets.find() == []


def test_a_number_that_json_cannot_hold_is_refused_at_once(store: Store) -> None:
    verdict = OverfitVerdict(sentence="diverged", best_step=1, train_loss=((1, float("nan")),))
    with pytest.raises(InputError, match="finite"):
        store.training_runs.put(run(verdict=verdict))
    assert store.training_runs.find() == []


def test_several_values_the_newest_and_how_many(store: Store) -> None:
    assert (store.variants.count(), store.variants.last()) == (0, 0)
    for key in ("a", "b", "c", "d"):
        store.variants.put(variant(key))
    assert [found.id for found in store.variants.find(key=["d", "a", "none"])] == ["a", "d"]
    assert [found.id for found in store.variants.find(newest=2)] == ["c", "d"]
    assert [found.id for found in store.variants.find(newest=1, key=("a", "b"))] == ["b"]
    assert store.variants.find(batch_id=[]) == []
    assert (store.variants.count(batch_id="b"), store.variants.count(sku="other")) == (4, 0)
    before = store.variants.last()
    store.variants.put(variant("e"))
    assert store.variants.last() > before
    with pytest.raises(TypeError):
        store.variants.count(prompt="a red dress")
