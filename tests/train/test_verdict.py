"""The verdict on curves whose truth is known, with and without noise."""

from __future__ import annotations

import math
import random

import pytest

from studio.train.verdict import judge, worth_keeping

STEPS = range(0, 1001, 50)


def curve(shape: dict[str, float], noise: float = 0.0, seed: int = 0) -> list[tuple[int, float]]:
    """Falls from 1 towards `floor` at `rate` a step, and rises by `slope` a step from `turn` on."""
    rng = random.Random(seed)

    def value(step: int) -> float:
        fall = shape["floor"] + (1 - shape["floor"]) * math.exp(-shape.get("rate", 0.01) * step)
        rise = max(0.0, step - shape.get("turn", 1e9)) * shape.get("slope", 0.0)
        return fall + rise + rng.gauss(0.0, noise)

    return [(step, value(step)) for step in STEPS]


def checkpoints() -> list[int]:
    return list(STEPS)[1:]


OVERFITS = {"floor": 0.6, "turn": 500.0, "slope": 5e-4}
LEARNS = {"floor": 0.2, "rate": 0.001}
LEVELS = {"floor": 0.6, "rate": 0.02}


def test_a_clean_turn_is_found() -> None:
    verdict = judge(curve(OVERFITS), curve(LEARNS), checkpoints())
    assert 450 <= verdict.best_step <= 550
    assert verdict.overfits_from_step is not None
    assert 450 < verdict.overfits_from_step <= 650
    assert f"Overfits from step {verdict.overfits_from_step}; use checkpoint {verdict.best_step}" in verdict.sentence
    assert verdict.held_out_loss == tuple(curve(OVERFITS))
    assert verdict.train_loss == tuple(curve(LEARNS))


@pytest.mark.parametrize("seed", range(20))
def test_noise_does_not_hide_a_turn(seed: int) -> None:
    verdict = judge(curve(OVERFITS, noise=0.01, seed=seed), [], checkpoints())
    assert verdict.overfits_from_step is not None
    assert 300 <= verdict.best_step <= 700


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("shape", [LEARNS, LEVELS])
def test_noise_makes_no_turn(shape: dict[str, float], seed: int) -> None:
    assert judge(curve(shape, noise=0.01, seed=seed), [], checkpoints()).overfits_from_step is None


@pytest.mark.parametrize("seed", range(20))
def test_of_checkpoints_that_are_equally_good_the_latest_is_taken(seed: int) -> None:
    verdict = judge(curve(LEVELS, noise=0.002, seed=seed), [], checkpoints())
    assert "Levelled off" in verdict.sentence
    assert verdict.best_step >= 900


def test_before_a_rise_too_the_latest_of_equally_good_checkpoints_is_taken() -> None:
    plateau = [(step, 0.6 + 0.4 * math.exp(-0.05 * step) + max(0, step - 600) * 1e-3) for step in STEPS]
    verdict = judge(plateau, [], checkpoints())
    assert (verdict.best_step, verdict.overfits_from_step) == (550, 600), "the lowest would be one by chance"


def test_a_falling_curve_is_still_learning() -> None:
    verdict = judge(curve(LEARNS, noise=0.002), [], checkpoints())
    assert verdict.best_step == 1000
    assert "Still learning: best is the last checkpoint, 1000" in verdict.sentence


def test_a_level_curve_is_told_from_a_falling_one() -> None:
    assert judge(curve(LEVELS, noise=0.002), [], checkpoints()).sentence.startswith("Levelled off")


def test_one_spike_is_no_overfitting() -> None:
    spiked = [(s, v + (0.1 if s == 600 else 0.0)) for s, v in curve(LEVELS, noise=0.002)]
    assert judge(spiked, [], checkpoints()).overfits_from_step is None


def test_a_rise_from_the_first_step_says_that_the_base_was_better() -> None:
    rising = [(step, 1.0 + step / 2000) for step in STEPS]
    verdict = judge(rising, [], checkpoints())
    assert "never got better than the base" in verdict.sentence
    assert verdict.best_step == 50


def test_a_flat_curve_says_that_nothing_was_learned() -> None:
    flat = curve({"floor": 1.0}, noise=0.002)
    assert "Learned nothing" in judge(flat, [], checkpoints()).sentence


def test_no_held_out_photo_is_said_and_the_last_checkpoint_taken() -> None:
    verdict = judge([], curve(LEARNS), [50, 100])
    assert verdict.best_step == 100
    assert "No photo is held out" in verdict.sentence


def test_too_few_points_are_not_judged() -> None:
    verdict = judge([(0, 1.0), (50, 0.5), (100, 2.0)], [], [50, 100])
    assert verdict.overfits_from_step is None
    assert "Too few measurements" in verdict.sentence


def test_best_is_a_checkpoint_that_exists() -> None:
    assert judge(curve(OVERFITS), [], [250, 400, 900, 950, 1000]).best_step == 400


def test_kept_are_the_newest_and_the_best() -> None:
    assert worth_keeping(curve(OVERFITS), checkpoints(), last=2, best=2) == {950, 1000, 450, 500}
    assert worth_keeping([], [1, 2, 3], last=2, best=2) == {2, 3}
