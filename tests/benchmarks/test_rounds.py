"""Arms run in turn, the first round is not counted, and a speed-up is told only of the same work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.results import Comparison
from benchmarks.rounds import Case, Outcome, Work, compare, difference

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def arm(name: str, seen: list[str], outcome: Outcome) -> Iterator[Work]:
    seen.append(f"open {name}")
    yield Work(lambda number: seen.append(f"{name}{number}"), lambda _: outcome)
    seen.append(f"close {name}")


def made(seen: list[str], second: float, limit: float | None = 1e-4) -> Comparison:
    one = partial(arm, "a", seen, np.array([1.0, 2.0]))
    other = partial(arm, "b", seen, np.array([1.0, second]))
    return compare(Case("k", "A title", "picture", 4, {"a": one, "b": other}, "numbers", limit), rounds=2)


def test_arms_run_in_turn_and_the_first_round_is_not_counted() -> None:
    seen: list[str] = []
    comparison = made(seen, second=2.0)
    assert seen == ["open a", "open b", "a0", "b0", "a1", "b1", "a2", "b2", "close b", "close a"]
    assert [len(arm.timings) for arm in comparison.arms] == [2, 2]
    timing = comparison.arms[0].timings[0]
    assert comparison.wall_s(comparison.arms[0])[0] == timing.wall_s / 4
    assert comparison.cpu_s(comparison.arms[0])[0] == timing.cpu_s / 4


def test_a_speed_up_is_told_only_of_the_same_work() -> None:
    same, other, incomparable = made([], 2.0 + 5e-5), made([], 2.0 + 2e-4), made([], 2.0, limit=None)
    assert same.ratio(same.arms[1]) is not None
    assert not same.refused
    assert other.arms[1].difference == pytest.approx(2e-4)
    assert other.ratio(other.arms[1]) is None
    assert other.refused
    assert incomparable.ratio(incomparable.arms[1]) is None
    assert not incomparable.refused


def test_what_is_no_number_or_of_another_shape_is_never_the_same() -> None:
    broken = made([], float("nan"))
    assert broken.refused
    assert difference(np.zeros(2), np.zeros(3)) == float("inf")


def test_the_process_that_starts_the_others_stays_light() -> None:
    code = "import benchmarks.__main__, benchmarks.start, sys; print({'torch', 'diffusers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
