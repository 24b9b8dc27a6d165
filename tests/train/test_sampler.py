"""Batches without state: the same step always sees the same photos."""

from __future__ import annotations

from collections import Counter

from studio.train.sampler import BatchSampler, derived_seed

BUCKETS = ["tall"] * 5 + ["wide"] * 3


def sampler(seed: int = 1, repeats: int = 1) -> BatchSampler:
    return BatchSampler(BUCKETS, batch_size=2, repeats=repeats, seed=seed)


def test_an_epoch_shows_every_photo_as_often_as_repeats_say() -> None:
    batches = sampler(repeats=3)
    seen = Counter(i for k in range(batches.batches_per_epoch) for i in batches.batch(k))
    assert seen == dict.fromkeys(range(8), 3)


def test_a_batch_holds_one_bucket() -> None:
    for k in range(40):
        assert len({BUCKETS[i] for i in sampler().batch(k)}) == 1


def test_any_batch_may_be_asked_for_first() -> None:
    forward = sampler()
    in_order = [forward.batch(k) for k in range(30)]
    backward = sampler()
    assert [backward.batch(k) for k in reversed(range(30))] == in_order[::-1]


def test_epochs_and_seeds_differ() -> None:
    batches = sampler()
    per_epoch = batches.batches_per_epoch
    epochs = [tuple(batches.batch(e * per_epoch + k) for k in range(per_epoch)) for e in range(4)]
    assert len(set(epochs)) == 4
    assert [sampler(2).batch(k) for k in range(per_epoch)] != list(epochs[0])


def test_derived_seeds_are_fixed_and_apart() -> None:
    assert derived_seed(0, "step", 0) == 2898884688757820426
    seeds = {derived_seed(s, p, i) for s in range(5) for p in ("step", "epoch") for i in range(50)}
    assert len(seeds) == 500
    assert max(seeds) < 2**63
