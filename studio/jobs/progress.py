"""Time left, from the rate of the recent steps: the first steps (loading, warming up) soon stop counting."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from studio.jobs.job import Progress


class ProgressMeter:
    """Turns (done, total) into a Progress with the seconds left.

    Args:
        window: how many recent steps the rate is taken over.
        clock: monotonic seconds.
    """

    def __init__(self, window: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._steps: deque[tuple[float, int]] = deque(maxlen=window + 1)
        self._total = 0
        self._clock = clock

    def step(self, done: int, total: int, note: str = "") -> Progress:
        """Note that `done` of `total` are done now. Another total, or going back, begins a new count."""
        if total != self._total or (self._steps and done < self._steps[-1][1]):
            self._steps.clear()
            self._total = total
        if not self._steps or done > self._steps[-1][1]:
            self._steps.append((self._clock(), done))
        return Progress(done=done, total=total, note=note, seconds_left=self._seconds_left(done, total))

    def _seconds_left(self, done: int, total: int) -> float | None:
        if total and done >= total:
            return 0.0
        if not total or len(self._steps) < 2:
            return None
        (first_time, first_done), (last_time, last_done) = self._steps[0], self._steps[-1]
        per_step_s = (last_time - first_time) / (last_done - first_done)
        # The step under way counts as begun when the last one ended.
        return max(0.0, (total - done) * per_step_s - (self._clock() - last_time))
