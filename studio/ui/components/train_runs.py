"""The list of training runs, newest first, each with how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio.records.training import TrainingRun
from studio.studio import Studio
from studio.ui.piece import Piece


class TrainRuns(Piece):
    """All runs of this home; choosing one shows it at the right."""

    def __init__(self, studio: Studio, **settings: Any) -> None:
        self._studio = studio
        super().__init__(actions={"runs": self._runs}, fill=True, **settings)

    def _runs(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        jobs = self._studio.jobs.list()
        return [run_row(run, jobs) for run in reversed(self._studio.store.training_runs.find())]


def run_row(run: TrainingRun, jobs: Sequence[Any]) -> dict[str, Any]:
    """A run as the page shows it: its own state with that of its newest job.

    `state` is waiting, running, stopping, stopped, failed or done. The run's own status alone does not tell: a job
    that ended while it waited, or whose process died, leaves the run as it was.
    """
    job = next((job for job in reversed(jobs) if job.kind == "train" and job.payload.get("run_id") == run.id), None)
    state: str = run.status
    if job is not None and job.status in ("waiting", "running") and state != "done":
        state = "stopping" if job.cancel_requested else job.status
    elif state in ("waiting", "running"):
        state = "failed" if job is not None and job.status in ("failed", "quarantined") else "stopped"
    return {
        "id": run.id, "name": run.config.name, "base": run.config.base, "state": state, "step": run.step,
        "total": run.config.max_train_steps, "brand_model": run.brand_model,
        "created_at": run.created_at.isoformat(), "job": None if job is None else _job_row(job, jobs),
    }  # fmt: skip


def _job_row(job: Any, jobs: Sequence[Any]) -> dict[str, Any]:
    waiting = [other.id for other in jobs if other.status == "waiting"]
    return {
        "id": job.id, "owner": job.owner, "status": job.status, "error": job.error,
        "place": waiting.index(job.id) + 1 if job.id in waiting else 0,
        "done": job.progress.done, "total": job.progress.total, "note": job.progress.note,
        "seconds_left": job.progress.seconds_left,
    }  # fmt: skip
