"""What was measured, as records: the raw file keeps them, the page shows them."""

from __future__ import annotations

import math
import statistics
from datetime import datetime
from pathlib import Path
from typing import Literal

from benchmarks.machine import Machine
from studio.demo.report import StageResult
from studio.records.base import Record
from studio.store import write_atomic


class Timing(Record):
    """One round of one arm, as a whole. `cpu_s` counts all threads, and all processes that the arm has started."""

    wall_s: float
    cpu_s: float


class Arm(Record):
    """One way to do the work.

    Attributes:
        first: the round that warms up; it counts for nothing else.
        difference: greatest difference of its outcome from the first arm's, over all rounds.
        peak_memory_mb: greatest resident memory of a process of its own that did the work once.
    """

    name: str
    first: Timing
    timings: tuple[Timing, ...]
    difference: float
    peak_memory_mb: float | None = None


class Comparison(Record):
    """Several arms on the same work; the first one is what the others are held against.

    Attributes:
        per_round: how many units (pictures, steps) a round does.
        compares: what `difference` is the difference of.
        limit: the greatest difference at which the arms did the same work; None: they do not do the same work, and
            no ratio is told.
        differs: arm -> why its outcome is another one on purpose; its ratio is told with the difference beside it.
        absent: arm that was not run -> why.
        beside: a second arm that the others are held against, besides the first one.
        flops: floating point operations of a unit, as published or counted for the stock way of doing it.
        peak_flops: what the device does a second at most; None where that is not known.
    """

    key: str
    title: str
    unit: str
    per_round: int
    compares: str = ""
    limit: float | None = None
    differs: dict[str, str] = {}
    absent: dict[str, str] = {}
    beside: str = ""
    flops: float = 0.0
    peak_flops: float | None = None
    arms: tuple[Arm, ...]

    def same(self, arm: Arm) -> bool:
        """Whether an arm's outcome is the first arm's. False too where a difference is no number."""
        return self.limit is not None and arm.difference <= self.limit

    @property
    def refused(self) -> bool:
        """Whether an arm should have done the same work and did not."""
        return self.limit is not None and not all(self.told(arm) for arm in self.arms)

    def told(self, arm: Arm) -> bool:
        """Whether a ratio may be told: of the same work, or of work that differs on purpose and came to numbers."""
        return self.same(arm) or (self.limit is not None and arm.name in self.differs and math.isfinite(arm.difference))

    def wall_s(self, arm: Arm) -> list[float]:
        """Wall seconds a unit, round by round."""
        return [timing.wall_s / self.per_round for timing in arm.timings]

    def cpu_s(self, arm: Arm) -> list[float]:
        """CPU seconds a unit, round by round."""
        return [timing.cpu_s / self.per_round for timing in arm.timings]

    def median_s(self, arm: Arm) -> float:
        """Median of wall seconds a unit."""
        return statistics.median(self.wall_s(arm))

    def utilisation(self, arm: Arm) -> float | None:
        """Share of the device's peak that an arm's median comes to (MFU); None where it cannot be told."""
        if not self.flops or not self.peak_flops:
            return None
        return self.flops / self.median_s(arm) / self.peak_flops

    def ratio(self, arm: Arm, over: str = "") -> float | None:
        """How many times faster than the first arm, or than another one, by the medians of wall time.

        None where it may not be told, or the other one was not run.
        """
        others = [other for other in self.arms if other.name == over] if over else list(self.arms[:1])
        if not others or not self.told(arm) or not self.told(others[0]):
            return None
        return self.median_s(others[0]) / self.median_s(arm)


class Figure(Record):
    """A number beside the comparisons; a median where it was taken several times."""

    what: str
    value: float
    unit: Literal["s", "MB", "count"] = "s"
    p95: float | None = None
    count: int = 1


class Result(Record):
    """One subject, measured.

    Attributes:
        load: the machine's load average over the minute before, which tells whether it was quiet.
        conditions: what was measured with, in words.
    """

    subject: str
    comparisons: tuple[Comparison, ...]
    figures: tuple[Figure, ...]
    conditions: dict[str, str]
    rounds: int
    measured_at: datetime
    revision: str
    command: str
    load: float


class DemoRun(Record):
    """What a run of the demo told of itself."""

    stages: tuple[StageResult, ...]
    seconds: float
    peak_memory_mb: float
    blocked: int
    reported_at: datetime


class Results(Record):
    """All that is known of one machine."""

    machine: Machine
    subjects: dict[str, Result] = {}
    demo: DemoRun | None = None

    @classmethod
    def read(cls, path: Path, machine: Machine) -> Results:
        """What the file holds of this machine; nothing where it was measured on another one, or is not there."""
        if path.is_file():
            kept = cls.model_validate_json(path.read_text(encoding="utf-8"))
            if kept.machine == machine:
                return kept
        return cls(machine=machine)

    def write(self, path: Path) -> None:
        """Keep it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, self.model_dump_json(indent=1).encode())
