"""JobQueue: the durable queue. Every change of a job is one transaction, so a crash leaves it in one clear state.

    submit -> waiting -> (claim) running -> done | failed | cancelled
                 ^                  |
                 +-- process died --+-- died at every try -> quarantined

A running job carries a lease, renewed by heartbeats, and a fencing token: a worker that lost its lease cannot write.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from studio.errors import ConflictError, InputError, NotFoundError, ResourceError
from studio.jobs.job import Attempt, Claim, Job, JobStatus, Progress, job_of, moment_of
from studio.records.base import new_id
from studio.store import Store

_UNKNOWN_JOB_S = 30.0
"""What a job is taken to last before the first one has finished."""


@dataclass(frozen=True)
class QueueLimits:
    """How long a silent worker is believed, how often a job is tried, how much may wait."""

    lease_s: float = 30.0
    max_attempts: int = 3
    max_waiting: int = 200
    look_ahead: int = 4
    """How many jobs from the front one may be chosen from because its model is loaded; no job is passed over
    more often than this."""


class QueueFullError(ResourceError):
    """No more jobs are taken for now; `retry_after_s` says when a place may be free."""

    def __init__(self, waiting: int, retry_after_s: float) -> None:
        super().__init__(f"The queue is full ({waiting} jobs wait).", f"Try again in about {retry_after_s:.0f} s.")
        self.retry_after_s = retry_after_s


class LeaseLostError(ConflictError):
    """Another worker owns the job now; what this one does must not be stored."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job {job_id} is no longer run by this process.", "Nothing to do: it goes on elsewhere.")


class JobQueue:
    """All jobs of one store.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, store: Store, limits: QueueLimits | None = None, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.limits = limits or QueueLimits()
        self._table = store.jobs
        self._clock = clock
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        # Where one device lease rules: who holds it knows that nobody else runs a job here.
        self._place = f"{socket.gethostname()}:{store.settings.home}"

    def submit(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        owner: str = "local",
        idempotency_key: str | None = None,
        warm_key: str = "",
    ) -> Job:
        """Put a job in the queue. The same key of the same owner gives the same job, however often it is sent.

        Args:
            warm_key: names the model it needs; jobs of the loaded model may go a little earlier.

        Raises:
            InputError: the payload is not JSON.
            ConflictError: that key was used for another job.
            QueueFullError: too many jobs wait.
        """
        body = _json(payload, f"The payload of a {kind} job")
        sha256 = hashlib.sha256(f"{kind}\n{body}".encode()).hexdigest()
        with self.store.transaction():
            if idempotency_key is not None and (known := self._table.by_idempotency_key(owner, idempotency_key)):
                return _same(known, sha256)
            waiting = self._table.count("waiting")
            if waiting >= self.limits.max_waiting:
                raise QueueFullError(waiting, self._retry_after_s())
            row = _new_row(kind, body, owner, idempotency_key, sha256, warm_key, self._clock())
            if not self._table.insert(row) and idempotency_key is not None:
                return _same(self._table.by_idempotency_key(owner, idempotency_key) or row, sha256)
            return self.get(row["id"])

    def get(self, job_id: str) -> Job:
        """The job as it stands.

        Raises:
            NotFoundError: none such.
        """
        return job_of(self._row(job_id))

    def list(self, status: JobStatus | None = None, owner: str | None = None) -> Sequence[Job]:
        """Jobs, oldest first."""
        return [job_of(row) for row in self._table.find(status, owner)]

    def attempts(self, job_id: str) -> Sequence[Attempt]:
        """Every try of a job, oldest first."""
        return [
            Attempt(
                **{name: row[name] for name in ("number", "worker", "outcome", "error")},
                **{name: moment_of(row[name]) for name in ("started_at", "ended_at")},
            )
            for row in self._table.attempts(job_id)
        ]

    def cancel(self, job_id: str) -> Job:
        """Ask for a stop: a waiting job ends at once, a running one at its next check.

        Raises:
            NotFoundError: none such.
            ConflictError: it has ended otherwise.
        """
        with self.store.transaction():
            ended = {"status": "cancelled", "cancel_requested": True, "finished_at": self._clock()}
            asked = self._table.change(job_id, ended, status="waiting") or self._table.change(
                job_id, {"cancel_requested": True}, status="running"
            )
            job = self.get(job_id)
        if not asked and job.status != "cancelled":
            raise ConflictError(f"Job {job_id} has ended already: {job.status}.", "There is nothing to cancel.")
        return job

    def retry(self, job_id: str) -> Job:
        """Let a failed, cancelled or quarantined job wait again, with all its tries.

        Raises:
            NotFoundError: none such.
            ConflictError: it waits, runs or is done.
        """
        fresh = {
            "status": "waiting", "attempts": 0, "cancel_requested": False, "finished_at": None,
            "error": "", "error_slug": "", "seconds_left": None,
        }  # fmt: skip
        with self.store.transaction():
            status = self.get(job_id).status
            if status in ("waiting", "running", "done"):
                raise ConflictError(
                    f"Job {job_id} is {status}.", "Only a job that failed or was stopped can be retried."
                )
            self._table.change(job_id, fresh, status=status)
            return self.get(job_id)

    # What follows is for the worker that holds the device lease.

    def has_work(self, kinds: Collection[str]) -> bool:
        """Whether `claim` might find something; cheap."""
        return self._table.has_work(kinds, self._clock())

    def claim(self, kinds: Collection[str], *, warm_key: str = "") -> Claim | None:
        """Take the next job: owners in turn, each owner's jobs in order. None: nothing waits."""
        with self.store.transaction():
            self.reclaim()
            rows = self._table.next_waiting(kinds, max(1, self.limits.look_ahead))
            if not rows:
                return None
            chosen = 0
            if warm_key and rows[0]["passed_over"] < self.limits.look_ahead:
                chosen = next((i for i, row in enumerate(rows) if row["warm_key"] == warm_key), 0)
            if chosen:
                self._table.pass_over(row["id"] for row in rows[:chosen])
            return self._start(rows[chosen])

    def claim_fitting(self, kind: str, fits: Callable[[Job], bool]) -> Claim | None:
        """Take the first waiting job of a kind that `fits`, owners in turn. None: there is none."""
        rows = self._table.next_waiting((kind,), self.limits.max_waiting)
        chosen = next((row for row in rows if fits(job_of(row))), None)
        return None if chosen is None else self.claim_job(chosen["id"])

    def claim_job(self, job_id: str) -> Claim | None:
        """Take this job out of turn. None: it does not wait.

        Raises:
            NotFoundError: none such.
        """
        with self.store.transaction():
            return self._start(self._row(job_id))

    def reclaim(self, *, here: bool = False) -> int:
        """Take back jobs whose lease is over; with `here` also all that ran in this home (for the holder of its
        device lease, who knows that their process is gone). Returns how many.
        """
        now = self._clock()
        with self.store.transaction():
            rows = self._table.lost(now, self._place if here else None)
            for row in rows:
                change: dict[str, Any] = {"status": "waiting", "lease_until": None, "seconds_left": None}
                if row["cancel_requested"]:
                    change |= {"status": "cancelled", "finished_at": now}
                elif row["attempts"] >= self.limits.max_attempts:
                    error = f"Its process died at each of {row['attempts']} tries. Look at the log, then retry the job."
                    change |= {"status": "quarantined", "finished_at": now, "error": error, "error_slug": "quarantined"}
                self._table.change(row["id"], change, status="running", token=row["token"])
                self._table.close_attempt(
                    row["id"], row["token"], outcome="lost", error="its process died", ended_at=now
                )
        return len(rows)

    def heartbeat(self, claim: Claim, progress: Progress | None = None) -> None:
        """Renew the lease and write the progress down.

        Raises:
            LeaseLostError: the job is not this worker's any more.
        """
        change: dict[str, Any] = {"lease_until": self._clock() + self.limits.lease_s}
        if progress is not None:
            change |= progress.model_dump()
        if not self._table.change(claim.job.id, change, status="running", token=claim.token):
            raise LeaseLostError(claim.job.id)

    def verify(self, claim: Claim) -> Job:
        """The job as it stands, when it is still this worker's.

        Raises:
            LeaseLostError: it is not.
        """
        row = self._row(claim.job.id)
        if row["token"] != claim.token or row["status"] != "running":
            raise LeaseLostError(claim.job.id)
        return job_of(row)

    def finish(self, claim: Claim, result: dict[str, Any] | None = None) -> Job:
        """The job is done.

        Raises:
            InputError: the result is not JSON.
            LeaseLostError: the job is not this worker's any more.
        """
        body = _json(result or {}, f"The result of job {claim.job.id}")
        return self._end(claim, "done", {"result": body, "seconds_left": 0.0})

    def fail(self, claim: Claim, error: str, slug: str) -> Job:
        """The job failed, for a reason in plain words. Raises LeaseLostError as `finish` does."""
        return self._end(claim, "failed", {"error": error, "error_slug": slug, "seconds_left": None})

    def cancelled(self, claim: Claim) -> Job:
        """The worker has stopped because a person asked for it. Raises LeaseLostError as `finish` does."""
        return self._end(claim, "cancelled", {"seconds_left": None})

    def release(self, claim: Claim) -> Job:
        """Hand the job back unfinished at an orderly stop; the try does not count. Raises LeaseLostError."""
        values = {"attempts": claim.job.attempts - 1, "finished_at": None, "lease_until": None, "seconds_left": None}
        return self._end(claim, "waiting", values)

    def _start(self, row: dict[str, Any]) -> Claim | None:
        now = self._clock()
        token, number = row["token"] + 1, row["attempts"] + 1
        change = {
            "status": "running", "token": token, "attempts": number, "started_at": now, "worker": self.worker,
            "place": self._place, "lease_until": now + self.limits.lease_s,
        }  # fmt: skip
        if not self._table.change(row["id"], change, status="waiting"):
            return None
        attempt = {"job_id": row["id"], "number": number, "token": token, "worker": self.worker, "started_at": now}
        self._table.open_attempt(attempt | {"outcome": "running", "error": ""})
        return Claim(self.get(row["id"]), token, row["warm_key"])

    def _end(self, claim: Claim, status: JobStatus, values: dict[str, Any]) -> Job:
        now = self._clock()
        change = {"status": status, "finished_at": now, "lease_until": None} | values
        with self.store.transaction():
            if not self._table.change(claim.job.id, change, status="running", token=claim.token):
                raise LeaseLostError(claim.job.id)
            outcome = "released" if status == "waiting" else status
            self._table.close_attempt(
                claim.job.id, claim.token, outcome=outcome, error=values.get("error", ""), ended_at=now
            )
            return self.get(claim.job.id)

    def _row(self, job_id: str) -> dict[str, Any]:
        row = self._table.get(job_id)
        if row is None:
            raise NotFoundError(f"There is no job {job_id!r}.", "Check the id, or list the jobs.")
        return row

    def _retry_after_s(self) -> float:
        recent = sorted(self._table.recent_seconds())
        return max(1.0, recent[len(recent) // 2] if recent else _UNKNOWN_JOB_S)


def _json(value: dict[str, Any], what: str) -> str:
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} is not plain JSON ({error}).", "Use texts, finite numbers, lists and dicts."
        ) from error


def _same(row: dict[str, Any], sha256: str) -> Job:
    if row["body_sha256"] != sha256:
        raise ConflictError(
            f"The idempotency key {row['idempotency_key']!r} was used for another job ({row['id']}).",
            "Use a new key for a new job.",
        )
    return job_of(row)


def _new_row(
    kind: str, body: str, owner: str, key: str | None, sha256: str, warm_key: str, now: float
) -> dict[str, Any]:
    return {
        "id": new_id("job"), "kind": kind, "payload": body, "owner": owner, "idempotency_key": key,
        "body_sha256": sha256, "warm_key": warm_key, "status": "waiting", "cancel_requested": False,
        "done": 0, "total": 0, "note": "", "attempts": 0, "passed_over": 0, "token": 0, "worker": "", "place": "",
        "error": "", "error_slug": "", "created_at": now,
    }  # fmt: skip
