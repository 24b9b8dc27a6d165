"""The verdict on overfitting: reads the held-out curve and says in words which checkpoint to use, with the numbers.

Held-out loss is measured on fixed noise and timesteps, so what is left of noise in the curve is the wander of the
weights. Its size is estimated from the curve's own second differences, and nothing smaller than three times that is
called a rise or a fall.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import median

from studio.records.training import OverfitVerdict

Curve = Sequence[tuple[int, float]]

MIN_POINTS = 4
"""Fewer measurements cannot be told from noise."""

SMALLEST_CHANGE = 0.005
"""Relative; a loss that moves less has not moved in a way that anybody could see in a picture."""


def judge(held_out: Curve, train: Curve, checkpoints: Collection[int]) -> OverfitVerdict:
    """The verdict on a run, finished or not.

    Args:
        held_out: (step, loss) on photos that are never trained on; step 0 is the untouched base.
        train: the same measure on trained photos.
        checkpoints: steps whose weights exist; the best one is chosen among them.

    Raises:
        ValueError: no checkpoint is given.
    """
    last = max(checkpoints)
    sentence, best, overfits_from = _judge(held_out, sorted(checkpoints), last)
    return OverfitVerdict(
        sentence=sentence,
        best_step=best,
        overfits_from_step=overfits_from,
        held_out_loss=tuple(held_out),
        train_loss=tuple(train),
    )


def worth_keeping(held_out: Curve, checkpoints: Collection[int], *, last: int, best: int) -> set[int]:
    """Which checkpoints stay on the disk: the `last` newest, to go on from, and the `best` by held-out loss."""
    loss = dict(held_out)
    measured = sorted((step for step in checkpoints if step in loss), key=lambda step: (loss[step], step))
    return {*sorted(checkpoints)[-last:], *measured[:best]}


def _judge(held_out: Curve, checkpoints: Sequence[int], last: int) -> tuple[str, int, int | None]:
    """Sentence, best step, and the step from which it overfits."""
    if not held_out:
        return f"No photo is held out, so overfitting cannot be told; taken: the last checkpoint, {last}.", last, None
    best = _best(held_out, checkpoints, last)
    if len(held_out) < MIN_POINTS:
        return (
            f"Too few measurements ({len(held_out)}) to tell overfitting; lowest held-out loss at step {best}.",
            best,
            None,
        )
    return _read(held_out, checkpoints, best)


def _read(curve: Curve, checkpoints: Sequence[int], best: int) -> tuple[str, int, int | None]:
    steps = [step for step, _ in curve]
    values = _smooth([value for _, value in curve])
    margin = max(3 * _noise([value for _, value in curve]), SMALLEST_CHANGE * min(values))
    low = min(range(len(values)), key=values.__getitem__)
    # What cannot be told apart on held-out photos is decided by the trained ones: the later has learned more of them.
    latest = _latest_as_good(dict(zip(steps, values, strict=True)), checkpoints, values[low] + margin) or best
    numbers = f"held-out loss {values[0]:.4f} at first, {values[low]:.4f} at best, {values[-1]:.4f} at last"
    if values[-1] > values[low] + margin:
        start = _rise_begins(values, low, values[low] + margin)
        if values[low] > values[0] - margin:
            return (
                f"Overfits from step {steps[start]} and never got better than the base on held-out photos; "
                f"use a lower learning rate or more photos ({numbers}).",
                best,
                steps[start],
            )
        return f"Overfits from step {steps[start]}; use checkpoint {latest} ({numbers}).", latest, steps[start]
    if values[low] > values[0] - margin:
        return (
            f"Learned nothing that shows on held-out photos; use a higher learning rate or more steps ({numbers}).",
            best,
            None,
        )
    third = values[-max(2, len(values) // 3) - 1]
    if third - values[-1] > margin:
        return f"Still learning: best is the last checkpoint, {checkpoints[-1]} ({numbers}).", checkpoints[-1], None
    return f"Levelled off without overfitting; use checkpoint {latest} ({numbers}).", latest, None


def _latest_as_good(smooth: Mapping[int, float], checkpoints: Sequence[int], limit: float) -> int | None:
    """The last checkpoint whose loss is within the limit."""
    return max((step for step in checkpoints if smooth.get(step, math.inf) <= limit), default=None)


def _rise_begins(values: Sequence[float], low: int, limit: float) -> int:
    """Index of the first value after `low` from which the curve stays above the limit to its end."""
    start = len(values) - 1
    while start - 1 > low and values[start - 1] > limit:
        start -= 1
    return start


def _best(curve: Curve, checkpoints: Sequence[int], last: int) -> int:
    """The checkpoint with the lowest smoothed held-out loss; the last one where none was measured."""
    smooth = dict(zip((step for step, _ in curve), _smooth([value for _, value in curve]), strict=True))
    measured = [step for step in checkpoints if step in smooth]
    return min(measured, key=lambda step: (smooth[step], step)) if measured else last


def _smooth(values: Sequence[float]) -> list[float]:
    """Mean of each value and its neighbours with weights 1, 2, 1; the ends lean on one neighbour."""
    padded = [values[0], *values, values[-1]]
    return [(a + 2 * b + c) / 4 for a, b, c in zip(padded, padded[1:], padded[2:], strict=False)]


def _noise(values: Sequence[float]) -> float:
    """Standard deviation of the curve's jitter, blind to slow trends and to single jumps.

    Second differences of independent noise of deviation s have deviation s * sqrt(6); a median of their sizes,
    times 1.4826, estimates it without being led by outliers (Gasser, Sroka and Jennen-Steinmetz 1986).
    """
    second = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return 1.4826 * median(second) / math.sqrt(6) if second else 0.0
