"""A queue in a fresh home with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.jobs import JobQueue, QueueLimits
from studio.settings import Settings
from studio.store import Store


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 0.001  # no two moments are alike
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a fresh home."""
    return Settings(home=tmp_path / "home", device="cpu")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An open store."""
    with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    """The queue's clock."""
    return Clock()


@pytest.fixture
def queue(store: Store, clock: Clock) -> JobQueue:
    """A queue with small limits."""
    return JobQueue(store, QueueLimits(lease_s=30, max_attempts=2, max_waiting=6, look_ahead=3), clock)
