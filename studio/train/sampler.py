"""Which photos step k sees: a pure function of (seed, k), so that a resumed run draws what an unbroken one would.

Nothing is carried from step to step. An epoch's order is a permutation drawn from (seed, epoch), and every other
random number of a step comes from a generator that is seeded with `derived_seed(seed, "step", k)`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Hashable, Sequence


def derived_seed(seed: int, purpose: str, index: int | str) -> int:
    """An independent seed in [0, 2**63) for one purpose; the same on every machine."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{index}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


class BatchSampler:
    """Batches of one bucket each, without state.

    Args:
        buckets: the bucket of each item; items are addressed by their place here.
        repeats: how often an epoch shows each item.

    The last batch of a bucket in an epoch may be smaller: nothing is left out and nothing is shown twice as often.
    """

    def __init__(self, buckets: Sequence[Hashable], *, batch_size: int, repeats: int, seed: int) -> None:
        self._groups: dict[Hashable, list[int]] = {}
        for index, bucket in enumerate(buckets):
            self._groups.setdefault(bucket, []).extend([index] * repeats)
        self._batch_size = batch_size
        self._seed = seed
        self.batches_per_epoch = sum(-(-len(group) // batch_size) for group in self._groups.values())

    def batch(self, k: int) -> tuple[int, ...]:
        """The items of batch k (counted from 0 over all epochs)."""
        epoch, place = divmod(k, self.batches_per_epoch)
        return self._epoch(epoch)[place]

    def _epoch(self, epoch: int) -> list[tuple[int, ...]]:
        rng = random.Random(derived_seed(self._seed, "epoch", epoch))
        batches = []
        for group in self._groups.values():
            order = list(group)
            rng.shuffle(order)
            batches += [tuple(order[i : i + self._batch_size]) for i in range(0, len(order), self._batch_size)]
        rng.shuffle(batches)
        return batches
