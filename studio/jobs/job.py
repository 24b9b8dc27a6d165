"""Job: one piece of long work as everybody sees it, and Claim: the right of one worker to run it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from studio.records.base import Record

JobStatus = Literal["waiting", "running", "done", "failed", "cancelled", "quarantined"]
ENDED: tuple[JobStatus, ...] = ("done", "failed", "cancelled", "quarantined")


class Progress(Record):
    """How far a job is. `total` 0: not known yet. `seconds_left` None: too early to say."""

    done: int = 0
    total: int = 0
    note: str = ""
    seconds_left: float | None = None


class Job(Record):
    """One job.

    Attributes:
        status: `waiting` and `running` go on; the others are ends, and a job reaches exactly one.
            `quarantined`: its process died at every try, so it is not tried again by itself.
        attempts: tries that were begun, those handed back at an orderly stop not counted.
        error: why it failed, in plain words; `error_slug` is the same for machines.
    """

    id: str
    kind: str
    payload: dict[str, Any]
    owner: str
    status: JobStatus
    progress: Progress = Progress()
    attempts: int = 0
    cancel_requested: bool = False
    worker: str = ""
    result: dict[str, Any] = {}
    error: str = ""
    error_slug: str = ""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in ENDED


class Claim(NamedTuple):
    """A job that a worker runs, with the fencing token that its writes must carry."""

    job: Job
    token: int
    warm_key: str = ""


class Attempt(Record):
    """One try. `outcome`: running, done, failed, cancelled, released (orderly stop) or lost (its process died)."""

    number: int
    worker: str
    outcome: str
    error: str
    started_at: datetime
    ended_at: datetime | None


def job_of(row: dict[str, Any]) -> Job:
    """The job of a row of the job table."""
    return Job(
        payload=json.loads(row["payload"]),
        result=json.loads(row["result"]) if row["result"] else {},
        progress=Progress(**{name: row[name] for name in Progress.model_fields}),
        **{name: moment_of(row[name]) for name in ("created_at", "started_at", "finished_at")},
        **{name: row[name] for name in ("id", "kind", "owner", "status", "attempts", "cancel_requested")},
        **{name: row[name] for name in ("worker", "error", "error_slug")},
    )


def moment_of(seconds: float | None) -> Any:
    """Seconds since 1970 as a moment in UTC; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
