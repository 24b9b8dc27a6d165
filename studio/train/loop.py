"""The training loop: steps, measurements, checkpoints and samples in their turn, and a stop that loses nothing.

Before each step it gives way once, so that somebody's short work need not wait for the end of a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from studio.records.training import TrainingConfig
from studio.train.checkpoint import Checkpoints
from studio.train.loop_trainer import LoraTrainer, learning_rate, refuse_broken_loss
from studio.train.metrics import Metrics


@dataclass(frozen=True)
class Watch:
    """Whom the loop talks to."""

    progress: Callable[[int, int, str], None]
    """Steps done, steps in all, a note."""
    cancelled: Callable[[], bool]
    stop: Callable[[], None]
    """Raises Cancelled; called after the checkpoint is safe."""
    measure: Callable[[], dict[str, float]]
    """Held-out and train loss on fixed noise; empty when no photo is held out."""
    saved: Callable[[int], None]
    """A checkpoint of that step is on the disk."""
    draw: Callable[[int], None]
    """Draw the samples of a step, unless they lie there already."""
    give_way: Callable[[], object]
    """Called before each step: lets one short piece of other work use the model. Leaves weights and moments alone."""


def train(
    trainer: LoraTrainer, checkpoints: Checkpoints, metrics: Metrics, config: TrainingConfig, start: int, watch: Watch
) -> None:
    """Run all steps after `start`, measuring, saving and drawing as the config asks.

    Raises:
        Cancelled: by `watch.stop`, after a checkpoint of the last finished step.
        InputError: the loss is no finite number.
    """
    last = config.max_train_steps
    if not metrics.rows:
        _measure(metrics, watch, 0)
    if start and (start % config.sample_every == 0 or start == last):
        watch.draw(start)  # the stop may have come between checkpoint and samples
    for step in range(start + 1, last + 1):
        watch.give_way()
        if watch.cancelled():
            _save(trainer, checkpoints, metrics, watch, step - 1)
            watch.stop()
        began = time.perf_counter()
        loss = trainer.step(step)
        seconds = time.perf_counter() - began
        metrics.append(
            {"step": step, "loss": loss, "learning_rate": learning_rate(config, step), "seconds": round(seconds, 4)}
        )
        measured = step % config.validate_every == 0 or step == last
        if measured:
            _measure(metrics, watch, step)
        if measured or step % config.checkpoint_every == 0:
            _save(trainer, checkpoints, metrics, watch, step)
        if step % config.sample_every == 0 or step == last:
            watch.draw(step)
        watch.progress(step, last, f"loss {loss:.4f}")


def _measure(metrics: Metrics, watch: Watch, step: int) -> None:
    values = watch.measure()
    for value in values.values():
        refuse_broken_loss(value, step)
    if values:
        metrics.append({"step": step, **values})


def _save(trainer: LoraTrainer, checkpoints: Checkpoints, metrics: Metrics, watch: Watch, step: int) -> None:
    if step and step not in checkpoints.steps():
        metrics.sync()
        checkpoints.save(trainer.checkpoint(step))
        watch.saved(step)
