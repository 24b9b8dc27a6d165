"""Time left follows the recent steps."""

from __future__ import annotations

import pytest

from studio.jobs import ProgressMeter


class Clock:
    """Monotonic seconds that pass only when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_slow_start_soon_stops_counting() -> None:
    clock = Clock()
    meter = ProgressMeter(window=5, clock=clock)
    assert meter.step(0, 100).seconds_left is None
    clock.now += 15  # loading
    assert meter.step(1, 100).seconds_left == pytest.approx(99 * 15)
    for done in range(2, 11):
        clock.now += 0.5
        progress = meter.step(done, 100, "training")
    assert progress.seconds_left == pytest.approx(90 * 0.5)
    assert (progress.done, progress.total, progress.note) == (10, 100, "training")


def test_the_step_under_way_is_counted() -> None:
    clock = Clock()
    meter = ProgressMeter(clock=clock)
    meter.step(0, 4)
    clock.now += 2
    meter.step(1, 4)
    clock.now += 1.5
    assert meter.step(1, 4, "saving").seconds_left == pytest.approx(4.5)
    clock.now += 60
    assert meter.step(1, 4).seconds_left == 0.0


def test_a_resumed_or_new_count_does_not_inherit_the_old_rate() -> None:
    clock = Clock()
    meter = ProgressMeter(clock=clock)
    meter.step(150, 300)
    clock.now += 1
    assert meter.step(151, 300).seconds_left == pytest.approx(149)
    assert meter.step(0, 10).seconds_left is None
    assert meter.step(10, 10).seconds_left == 0.0
    assert meter.step(3, 0).seconds_left is None
