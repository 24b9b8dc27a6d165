"""Curves for drawing: few points, none invented."""

from __future__ import annotations

import pytest

from studio.train.curves import MAX_POINTS, curves_of, downsample


def test_a_short_curve_is_left_as_it_is() -> None:
    points = [(1, 0.5), (2, 0.4)]
    assert downsample(points, 300) == ((1, 0.5), (2, 0.4))


@pytest.mark.parametrize("count", [301, 999, 100_000])
def test_a_long_curve_becomes_means_in_order(count: int) -> None:
    points = [(float(step), step / count) for step in range(1, count + 1)]
    thin = downsample(points, 300)
    assert len(thin) == 300
    assert [step for step, _ in thin] == sorted(step for step, _ in thin)
    assert 1 <= thin[0][0] < thin[-1][0] <= count
    assert all(value == pytest.approx(step / count) for step, value in thin)


def test_both_curves_together_have_at_most_the_limit() -> None:
    rows = [{"step": step, "loss": 1 / step, "learning_rate": 1e-3, "seconds": 0.1} for step in range(1, 5001)]
    rows += [{"step": step, "held_out_loss": 1 / (step + 1), "train_loss": 0.1} for step in range(0, 5001, 10)]
    curves = curves_of(rows)
    assert len(curves.loss) + len(curves.held_out) == MAX_POINTS
    assert curves.held_out[0][0] < curves.held_out[-1][0]


def test_a_run_without_measurements_has_empty_curves() -> None:
    assert curves_of([]).loss == () == curves_of([]).held_out
