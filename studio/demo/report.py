"""What the demo found: stages with seconds and measured quality, and where everything lies."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from studio.records.base import Record


class StageResult(Record):
    """One line of the table."""

    stage: str
    seconds: float
    quality: str


class Pair(Record):
    """One pose and look, drawn with and without the brand model from the same seed: difference to the true picture.

    Differences are between the palettes inside the garment, in CIEDE2000, so that a pattern counts and not only its
    mean colour. None: not measured.
    """

    pose: str
    look: str
    with_model: float | None
    without_model: float | None

    @property
    def fall(self) -> float | None:
        """By how much of itself the difference falls; negative where it grows. None: not measured."""
        if self.with_model is None or not self.without_model:
            return None
        return 1.0 - self.with_model / self.without_model


class DemoReport(Record):
    """The demo's answer.

    Attributes:
        refusal: the words with which a channel refused.
        median_fall: median of `Pair.fall` over all pairs that were measured; None where none was.
        blocked: addresses that something tried to reach while the network was blocked.
    """

    home: Path
    stages: tuple[StageResult, ...]
    pairs: tuple[Pair, ...]
    median_fall: float | None
    contact_sheet: Path
    contact_sheet_without: Path
    packages: tuple[Path, ...]
    refusal: str
    blocked: tuple[str, ...]
    seconds: float
    peak_memory_mb: float

    def sentence(self) -> str:
        """The whole in one line."""
        return (
            f"{len(self.pairs)} variants and {len(self.packages)} packages in {self.seconds / 60:.1f} minutes "
            f"with {self.peak_memory_mb:.0f} MB at most; {len(self.blocked)} attempts to reach the network"
        )


@dataclass
class Stages:
    """Times the stages as they go by."""

    done: list[StageResult] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def timed(self, stage: str) -> Iterator[list[str]]:
        """Times a block; what it appends to the yielded list is told as the stage's quality."""
        quality: list[str] = []
        began = time.perf_counter()
        yield quality
        seconds = time.perf_counter() - began
        self.done.append(StageResult(stage=stage, seconds=seconds, quality="; ".join(quality)))

    @property
    def seconds(self) -> float:
        """Seconds since the first stage began."""
        return time.perf_counter() - self.began


def median_fall(pairs: Sequence[Pair]) -> float | None:
    """Median of the falls that were measured, or None."""
    falls = [pair.fall for pair in pairs if pair.fall is not None]
    return statistics.median(falls) if falls else None


def peak_memory_mb() -> float:
    """Greatest resident memory of this process so far. Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if peak > 2**32 else 2**10)
