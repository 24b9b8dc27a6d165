"""JobContext: all that a handler knows of the machinery: its payload, progress, cancel, and fenced writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from studio.errors import Cancelled, ResourceError
from studio.jobs.job import Claim, Job, Progress
from studio.jobs.progress import ProgressMeter
from studio.jobs.queue import JobQueue, LeaseLostError

_WRITE_EVERY_S = 0.25

OnProgress = Callable[[Job], None]


class JobContext:
    """Handed to a handler. A handler may be started again after a crash: what it makes must be keyed by the job."""

    def __init__(
        self, queue: JobQueue, claim: Claim, stopping: threading.Event, on_progress: OnProgress | None = None
    ) -> None:
        self.job = claim.job
        self._queue = queue
        self._claim = claim
        self._stopping = stopping
        self._on_progress = on_progress
        self._meter = ProgressMeter()
        self._written_at = float("-inf")

    @property
    def payload(self) -> dict[str, Any]:
        """What was submitted."""
        return self.job.payload

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Say how far the work is; seconds left follow from the recent steps.

        Raises:
            LeaseLostError: the job is not this process's any more; let it pass.
        """
        progress = self._meter.step(done, total, note)
        self.job = self.job.model_copy(update={"progress": progress})
        if self._on_progress is not None:
            self._on_progress(self.job)
        # Each write waits for the disk: not more often than an eye can follow.
        if done >= total or time.monotonic() - self._written_at > _WRITE_EVERY_S:
            self._write(progress)

    def cancelled(self) -> bool:
        """Whether to stop: a person asked, or the studio is closing (then the job goes on at the next start).

        Raises:
            LeaseLostError: the job is not this process's any more; let it pass.
        """
        return self._stopping.is_set() or self._queue.verify(self._claim).cancel_requested

    def check(self) -> None:
        """Call between steps, where stopping loses nothing.

        Raises:
            Cancelled: stop now; let it pass.
            LeaseLostError: the job is not this process's any more; let it pass.
        """
        if self.cancelled():
            raise Cancelled(f"Job {self.job.id} was stopped.", "What was finished before is kept.")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A store transaction that only the rightful worker can commit: for outputs.

        Raises:
            LeaseLostError: the job is not this process's any more; nothing is stored.
        """
        with self._queue.store.transaction():
            self._queue.verify(self._claim)
            yield

    def _write(self, progress: Progress) -> None:
        # A full disk is for the work itself to find out, not for its progress bar.
        with suppress(ResourceError):
            self._queue.heartbeat(self._claim, progress)
        self._written_at = time.monotonic()


@contextmanager
def beating(queue: JobQueue, claim: Claim) -> Iterator[None]:
    """Renew the lease from a thread for as long as the block lasts, however long a single step takes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(queue.limits.lease_s / 3):
            try:
                queue.heartbeat(claim)
            except ResourceError:
                continue  # try again at the next beat, well before the lease is over
            except LeaseLostError:
                return  # the handler learns it at its next check

    thread = threading.Thread(target=beat, name=f"heartbeat-{claim.job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
