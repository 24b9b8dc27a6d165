"""The models panel: every base and what can be added to it, over every tab; licences, pulls, checks and removals."""

from __future__ import annotations

import shutil
from typing import Any

from studio.errors import ConflictError
from studio.records.base import LOCAL_PERSON
from studio.studio import Studio
from studio.ui.piece import Piece

KINDS = ("pull", "verify")


class ModelsPanel(Piece):
    """What lies on this machine's disk. Everybody sees it; operators change it."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        super().__init__(
            actions={
                "models": self._models, "accept": self._accept, "pull": self._pull, "verify": self._verify,
                "cancel": self._cancel, "remove": self._remove,
            }
        )  # fmt: skip

    def _models(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Every base and add-on with its newest job, and what this machine has."""
        studio, machine = self._studio, self._machine()
        rows = studio.overview.rows((machine["dtype"], machine["memory_bytes"]) if machine else None)
        jobs = {str(job.payload["name"]): job for job in studio.jobs.list() if job.kind in KINDS}
        return {
            "rows": [row.model_dump(mode="json") | {"job": _job(jobs.get(row.name))} for row in rows],
            "machine": machine,
            "free_bytes": shutil.disk_usage(studio.settings.home).free,
            "person": "" if person == LOCAL_PERSON else person,
            "operator": studio.accounts.is_operator(person),
        }

    def _machine(self) -> dict[str, Any] | None:
        """None while the library that knows the device is still being loaded."""
        if not self._studio.warm.is_set():
            return None
        return self._studio.device._asdict() | {"memory_bytes": self._studio.memory_bytes}

    def _accept(self, message: dict[str, Any], person: str) -> bool:
        """`{"name", "by"}`; whoever is logged in accepts in their own name."""
        self._studio.accounts.demand_operator(person)
        by = str(message.get("by", "")) if person == LOCAL_PERSON else person
        self._studio.pulls.accept(str(message["name"]), by=by)
        return True

    def _pull(self, message: dict[str, Any], person: str) -> str:
        """`{"name", "folder"}` -> the id of a job; no folder: from the hub."""
        self._studio.accounts.demand_operator(person)
        payload = self._studio.pulls.payload(str(message["name"]), str(message.get("folder") or "").strip())
        return self._submit("pull", payload, person)

    def _verify(self, message: dict[str, Any], person: str) -> str:
        """`{"name"}` -> the id of a job that reads every byte again."""
        self._studio.accounts.demand_operator(person)
        name = str(message["name"])
        if self._studio.installed.state(name) != "damaged":  # which files are missing is what a check then tells
            self._studio.installed.folder(name)
        return self._submit("verify", {"name": name}, person)

    def _cancel(self, message: dict[str, Any], person: str) -> bool:
        self._studio.jobs.cancel(str(message["job_id"]))
        return True

    def _remove(self, message: dict[str, Any], person: str) -> int:
        """`{"name"}` -> bytes that became free."""
        self._studio.accounts.demand_operator(person)
        name = str(message["name"])
        self._demand_quiet(name)
        return self._studio.installed.remove(name)

    def _submit(self, kind: str, payload: dict[str, Any], person: str) -> str:
        self._demand_quiet(payload["name"])
        return self._studio.jobs.submit(kind, payload, owner=person).id

    def _demand_quiet(self, name: str) -> None:
        """Raises ConflictError where a job of this thing waits or runs."""
        open_jobs = [job for job in self._studio.jobs.list() if job.kind in KINDS and not job.ended]
        if any(job.payload["name"] == name for job in open_jobs):
            raise ConflictError(f"{name} is being pulled or checked already.", "Wait for it; see the jobs.")


def _job(job: Any) -> dict[str, Any] | None:
    if job is None:
        return None
    return {
        "id": job.id, "kind": job.kind, "status": job.status, "ended": job.ended, "error": job.error,
        "folder": str(job.payload.get("folder", "")),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }  # fmt: skip
