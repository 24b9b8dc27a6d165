"""The top bar: the studio's name, the brand that is looked at, the jobs and their drawer, language, theme and keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from studio.errors import NotFoundError
from studio.studio import Studio
from studio.ui.brands import brands
from studio.ui.piece import Piece

RECENT = timedelta(hours=24)
SHOWN = 60


class TopBar(Piece):
    """Jobs of everybody: running, waiting with their place, and what ended within a day."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        super().__init__(
            actions={
                "jobs": self._jobs, "cancel": self._cancel, "retry": self._retry,
                "brands": lambda message, person: brands(studio),
            }
        )  # fmt: skip

    def _jobs(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """`{"jobs": [...], "person": ...}`, running ones first, then waiting ones in their order, then ended ones."""
        jobs = self._studio.jobs.list()
        since = datetime.now(UTC) - RECENT
        running = [job for job in jobs if job.status == "running"]
        waiting = [job for job in jobs if job.status == "waiting"]
        ended = [job for job in jobs if job.ended and (job.finished_at or job.created_at) > since]
        ended.sort(key=lambda job: job.finished_at or job.created_at, reverse=True)
        rows = [self._row(job, 0) for job in running]
        rows += [self._row(job, place) for place, job in enumerate(waiting, 1)]
        rows += [self._row(job, 0) for job in ended[: max(0, SHOWN - len(rows))]]
        return {"jobs": rows, "person": person}

    def _row(self, job: Any, place: int) -> dict[str, Any]:
        title = job.kind
        if job.kind == "generate":
            title = f"{len(job.payload.get('requests', ()))}"
        elif job.kind == "train":
            title = self._run_name(str(job.payload.get("run_id", "")))
        elif job.kind in ("pull", "verify"):
            title = str(job.payload.get("name", ""))
        elif job.kind in ("upscale", "cut-out"):
            title = str(job.payload.get("method", ""))
        elif job.kind == "ingest":
            title = str(job.payload.get("dataset", ""))
        elif job.kind in ("measure", "rule-review"):
            title = f"{len(job.payload.get('variant_ids', ()))}"
        return {
            "id": job.id, "kind": job.kind, "title": title, "owner": job.owner, "status": job.status, "place": place,
            "done": job.progress.done, "total": job.progress.total, "note": job.progress.note,
            "seconds_left": job.progress.seconds_left, "error": job.error, "stopping": job.cancel_requested,
            "created_at": job.created_at.isoformat(),
        }  # fmt: skip

    def _run_name(self, run_id: str) -> str:
        try:
            return self._studio.store.training_runs.get(run_id).config.name
        except NotFoundError:
            return run_id

    def _cancel(self, message: dict[str, Any], person: str) -> bool:
        self._studio.jobs.cancel(str(message["id"]))
        return True

    def _retry(self, message: dict[str, Any], person: str) -> str:
        """Submits what failed or was cancelled once more, in the name of whoever asks; returns the new job's id."""
        return self._studio.retry(str(message["id"]), owner=person).id
