"""Loss curves for drawing: never more points than an eye can tell apart, however long the run was."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from studio.records.base import Record
from studio.train.metrics import Metric

MAX_POINTS = 300
"""Of both curves together: a page draws as many at once without a hitch."""

Points = tuple[tuple[float, float], ...]


class Curves(Record):
    """(step, loss) of each optimiser step, thinned by means, and (step, held-out loss) as it was measured."""

    loss: Points
    held_out: Points


def curves_of(rows: Sequence[Metric], limit: int = MAX_POINTS) -> Curves:
    """The curves of a run, of at most `limit` points together. The held-out curve comes first: it has fewer."""
    held_out = downsample([(row["step"], row["held_out_loss"]) for row in rows if "held_out_loss" in row], limit // 2)
    loss = downsample([(row["step"], row["loss"]) for row in rows if "loss" in row], limit - len(held_out))
    return Curves(loss=loss, held_out=held_out)


def downsample(points: Sequence[tuple[float, float]], limit: int) -> Points:
    """At most `limit` points: all of them, or the means of that many equal runs of neighbours."""
    if len(points) <= limit:
        return tuple((step, value) for step, value in points)
    edges = [len(points) * i // limit for i in range(limit + 1)]
    return tuple(_mean(points[a:b]) for a, b in pairwise(edges))


def _mean(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(step for step, _ in points) / len(points), sum(value for _, value in points) / len(points)
