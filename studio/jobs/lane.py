"""Lane: runs one device job at a time, in a thread of the app or inline for a command line.

A long job may give way between its steps: short jobs are then run from within it, in its own thread.

The app's lane runs each job in a thread that ends with it. OpenMP keeps the workers of every living thread that has
computed, and lets all of them sleep between two operations where they are more than the cores: with an idle thread
beside it that had computed before, a step of croquis took twice as long on two cores.

Whoever holds the home's device lease runs jobs. A second process does not start its own: `run_job` there hands the
job over to the holder or waits until the device is free, and says which process it waits for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from studio.errors import Cancelled, InputError, ResourceError, StudioError
from studio.jobs.context import JobContext, OnProgress, beating
from studio.jobs.device_lease import DeviceLease, Holder
from studio.jobs.job import Claim, Job
from studio.jobs.queue import JobQueue, LeaseLostError

JobHandler = Callable[[JobContext], dict[str, Any] | None]

_LOG = logging.getLogger(__name__)


class Lane:
    """The one lane of a process.

    Args:
        handlers: kind of job -> what runs it.
        poll_s: how often to look for new jobs, or for a free device.
    """

    def __init__(self, queue: JobQueue, handlers: Mapping[str, JobHandler], *, poll_s: float = 0.25) -> None:
        self._queue = queue
        self._handlers = dict(handlers)
        self._poll_s = poll_s
        self._lease = DeviceLease(queue.store.settings.home)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def holder(self) -> Holder | None:
        """Which process has the device now, or None."""
        return self._lease.holder()

    def start(self) -> None:
        """Run waiting jobs in a thread until `stop`; first those that a crash left behind. Twice is once."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._serve, name="lane", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop in good order: the running job is handed back at its next check and goes on at the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def run_job(self, job_id: str, on_progress: OnProgress | None = None) -> Job:
        """Bring one job to its end: run it here when the device is free, else watch or wait.

        Args:
            on_progress: called with the job as it goes on; while waiting, `progress.note` names the process waited for.

        Returns:
            The ended job, whatever its end. After `stop` it may be waiting still.

        Raises:
            NotFoundError: no such job.
            InputError: nothing here can run that kind.
        """
        job = self._queue.get(job_id)
        if job.kind not in self._handlers:
            raise InputError(f"No handler for jobs of kind {job.kind!r}.", f"Known kinds: {sorted(self._handlers)}.")
        while not job.ended and not self._stopping.is_set():
            if not self._try_run(job, on_progress):
                if on_progress is not None:
                    on_progress(self._with_holder(job))
                self._stopping.wait(self._poll_s)
            job = self._queue.get(job_id)
        return job

    def short_jobs(self, kind: str, fits: Callable[[Job], bool]) -> Callable[[], bool]:
        """For a job that gives way: what this returns runs the next waiting job of a kind that `fits`, in the caller's
        thread, and tells whether there was one. It never raises a StudioError.

        A short job that finds no room beside the long one goes back to its place in the queue and waits for the end.
        """
        handed_back: set[str] = set()

        def run_next() -> bool:
            if self._stopping.is_set():
                return False
            try:
                claim = self._queue.claim_fitting(kind, lambda job: job.id not in handed_back and fits(job))
                if claim is None:
                    return False
                self._run(claim, None, beside=True)
                if self._queue.get(claim.job.id).status == "waiting":
                    handed_back.add(claim.job.id)
            except StudioError:  # a full disk, say: the long job goes on and finds out for itself
                _LOG.exception("a %s job between two steps could not go on", kind)
            return True

        return run_next

    def _try_run(self, job: Job, on_progress: OnProgress | None) -> bool:
        if not self._lease.acquire(f"{job.kind} job {job.id}"):
            return False
        try:
            self._queue.reclaim(here=True)
            claim = self._queue.claim_job(job.id)
            if claim is not None:
                self._run(claim, on_progress)
            return claim is not None
        finally:
            self._lease.release()

    def _with_holder(self, job: Job) -> Job:
        holder = self._lease.holder()
        if job.status != "waiting" or holder is None:
            return job
        return job.model_copy(update={"progress": job.progress.model_copy(update={"note": f"waits for {holder}"})})

    def _serve(self) -> None:
        while not self._lease.acquire("the studio"):
            if self._stopping.wait(self._poll_s):
                return
        try:
            warm_key, first = "", True
            while not self._stopping.is_set():
                try:
                    if first:
                        self._queue.reclaim(here=True)
                        first = False
                    warm_key = self._serve_one(warm_key)
                except StudioError:  # a full disk, say: nothing is lost, so wait for better times
                    _LOG.exception("the lane could not go on; trying again")
                    self._stopping.wait(max(self._poll_s, 1.0))
        finally:
            self._lease.release()

    def _serve_one(self, warm_key: str) -> str:
        """Run one job if there is one; returns the key of the model that is loaded afterwards."""
        claim = self._queue.claim(self._handlers, warm_key=warm_key) if self._queue.has_work(self._handlers) else None
        if claim is None:
            self._stopping.wait(self._poll_s)
            return warm_key
        _apart(lambda: self._run(claim, None))
        return claim.warm_key or warm_key

    def _run(self, claim: Claim, on_progress: OnProgress | None, *, beside: bool = False) -> None:
        """Run the handler and write down how it ended, exactly once. `beside`: another job holds memory meanwhile."""
        queue, job = self._queue, claim.job
        with beating(queue, claim):
            try:
                context = JobContext(queue, claim, self._stopping, on_progress)
                queue.finish(claim, self._handlers[job.kind](context))
            except LeaseLostError:
                _LOG.warning("job %s was taken over by another process", job.id)
            except Cancelled:
                asked = queue.get(job.id).cancel_requested
                handed_back = self._stopping.is_set() and not asked
                (queue.release if handed_back else queue.cancelled)(claim)
            except StudioError as error:
                if beside and isinstance(error, ResourceError):
                    queue.release(claim)
                else:
                    queue.fail(claim, str(error), error.slug)
            except Exception as error:
                _LOG.exception("job %s failed unexpectedly", job.id)
                queue.fail(claim, f"Unexpected {type(error).__name__}: {error}. The log has the details.", "error")
            except BaseException:  # Ctrl-C at a command line
                queue.cancelled(claim)
                raise


def _apart(work: Callable[[], None]) -> None:
    """Does it in a thread that ends with it; raises what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="lane", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
