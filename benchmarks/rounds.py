"""Arms in turn: A B A B, each round timed as a whole, each outcome held against the first arm's."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Arm, Comparison, Timing

Outcome = NDArray[np.floating[Any]]
NONE: Mapping[str, str] = MappingProxyType({})


def own_cpu_s() -> float:
    """CPU seconds of this process, and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Work(NamedTuple):
    """One arm, ready to work.

    Attributes:
        run: does round number n (0 warms up); timed.
        outcome: what came of it, in numbers to compare; takes what `run` returned; not timed.
        cpu_s: the clock of CPU seconds, where a process that goes on works for the arm.
    """

    run: Callable[[int], Any]
    outcome: Callable[[Any], Outcome]
    cpu_s: Callable[[], float] = own_cpu_s


OpenArm = Callable[[], AbstractContextManager[Work]]
"""Loads what an arm needs, and lets go of it; not timed."""


class Case(NamedTuple):
    """A comparison that is still to be made; see `Comparison` for the fields.

    Attributes:
        rounds: at most so many, for arms that take long.
    """

    key: str
    title: str
    unit: str
    per_round: int
    arms: Mapping[str, OpenArm]
    compares: str = ""
    limit: float | None = None
    differs: Mapping[str, str] = NONE
    absent: Mapping[str, str] = NONE
    beside: str = ""
    flops: float = 0.0
    peak_flops: float | None = None
    rounds: int | None = None


def compare(case: Case, rounds: int) -> Comparison:
    """Run every arm once to warm up and `rounds` times in turn."""
    rounds = min(rounds, case.rounds or rounds)
    first: dict[str, Timing] = {}
    timings: dict[str, list[Timing]] = {name: [] for name in case.arms}
    differences = dict.fromkeys(case.arms, 0.0)
    with ExitStack() as stack:
        works = {name: stack.enter_context(open_arm()) for name, open_arm in case.arms.items()}
        stack.enter_context(_nothing_old_is_garbage())
        for number in range(rounds + 1):
            reference: Outcome | None = None
            for name, work in works.items():
                timing, answer = _timed(work, number)
                if number:
                    timings[name].append(timing)
                else:
                    first[name] = timing
                outcome = work.outcome(answer)
                reference = outcome if reference is None else reference
                differences[name] = max(differences[name], difference(reference, outcome))
    arms = tuple(
        Arm(name=name, first=first[name], timings=tuple(timings[name]), difference=differences[name])
        for name in case.arms
    )
    return Comparison(arms=arms, **{k: v for k, v in case._asdict().items() if k not in ("arms", "rounds")})


def alone(open_arm: OpenArm) -> float:
    """Open one arm, do its work once, and return the greatest resident memory of this process, or of one that it
    started, in MB of 2**20 bytes. Tells the truth only in a process that did nothing else before.
    Where this process has worked on a GPU it is that one's memory.
    """
    with open_arm() as work:
        work.outcome(work.run(0))
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            return float(torch.cuda.max_memory_allocated()) / 2**20
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(peaks) / (2**20 if sys.platform == "darwin" else 2**10)


def difference(reference: Outcome, outcome: Outcome) -> float:
    """The greatest difference of two outcomes; infinite where they are not even of one shape, or hold no numbers."""
    if reference.shape != outcome.shape or not np.isfinite(outcome).all():
        return float("inf")
    return float(np.abs(reference - outcome).max(initial=0.0))


@contextmanager
def _nothing_old_is_garbage() -> Iterator[None]:
    """What is in memory by now is not looked through at every collection; only what the rounds leave behind is."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _timed(work: Work, number: int) -> tuple[Timing, Any]:
    gc.collect()  # what one arm leaves behind is not cleared away in the next one's time
    wall, cpu = time.perf_counter(), work.cpu_s()
    answer = work.run(number)
    return Timing(wall_s=time.perf_counter() - wall, cpu_s=work.cpu_s() - cpu), answer
