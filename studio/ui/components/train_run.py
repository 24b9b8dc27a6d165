"""One training run: its verdict, curves, samples, and what can be done with it. All of it is read from the database
and the run's folder, so a page or an app that starts again shows the same.
"""

from __future__ import annotations

from typing import Any

from studio.errors import NotFoundError
from studio.records.training import TrainingRun
from studio.studio import Studio
from studio.ui.components.train_form import free_name
from studio.ui.components.train_runs import run_row
from studio.ui.piece import Piece


class TrainRun(Piece):
    """Shows the chosen run, live."""

    def __init__(self, studio: Studio, **settings: Any) -> None:
        self._studio = studio
        actions = {"run": self._run, "stop": self._stop, "resume": self._resume, "publish": self._publish}
        super().__init__(actions=actions, fill=True, **settings)

    def _run(self, message: dict[str, Any], person: str) -> dict[str, Any] | None:
        """Everything about a run; None when there is no such run any more."""
        try:
            run = self._studio.store.training_runs.get(str(message["run_id"]))
        except NotFoundError:
            return None
        verdict = run.verdict
        return run_row(run, self._studio.jobs.list()) | {
            "warm": self._studio.warm.is_set(),
            "dataset": self._dataset_name(run),
            "config": run.config.model_dump(mode="json"),
            "first_checkpoint": min(run.config.checkpoint_every, run.config.validate_every, run.config.max_train_steps),
            "verdict": verdict and verdict.model_dump(include={"sentence", "best_step", "overfits_from_step"}),
            "curves": self._studio.train.curves(run.id).model_dump(),
            "checkpoints": self._studio.train.checkpoints(run.id),
            "samples": self._samples(run),
            "held_out": {str(step): loss for step, loss in verdict.held_out_loss} if verdict else {},
        }

    def _dataset_name(self, run: TrainingRun) -> str:
        try:
            return self._studio.store.datasets.get(run.config.dataset_id).name
        except NotFoundError:
            return run.config.dataset_id

    def _samples(self, run: TrainingRun) -> dict[str, Any]:
        try:
            sheet = self._studio.train.samples(run.id)
        except NotFoundError:  # the run's folder is gone; what the database knows is still shown
            return {"prompts": [], "rows": {}}
        # The page's JSON has texts as keys.
        return {"prompts": sheet.prompts, "rows": {str(step): row for step, row in sheet.rows.items()}}

    def _stop(self, message: dict[str, Any], person: str) -> bool:
        """Asks the run's job to stop at its next step; a checkpoint of the last step is kept."""
        job = self._row(message)["job"]
        if job is not None and job["status"] in ("waiting", "running"):
            self._studio.jobs.cancel(job["id"])
        return True

    def _resume(self, message: dict[str, Any], person: str) -> bool:
        """Goes on from the last checkpoint. A run that goes on already is left alone."""
        row = self._row(message)
        if row["state"] in ("stopped", "failed"):
            self._studio.train.resume(row["id"])
            self._studio.jobs.submit("train", {"run_id": row["id"]}, owner=person)
        return True

    def _row(self, message: dict[str, Any]) -> dict[str, Any]:
        run = self._studio.store.training_runs.get(str(message["run_id"]))
        return run_row(run, self._studio.jobs.list())

    def _publish(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Makes a brand model of a checkpoint: `{"name"}`; `{"taken", "free"}` where another one has that name, and
        `{"loading": True}` while the libraries that read it are still being loaded.

        Message: `{"run_id", "step", "name": optional, "replace": optional}`.
        """
        if not self._studio.warm.is_set():
            return {"loading": True}
        run = self._studio.store.training_runs.get(str(message["run_id"]))
        name = str(message.get("name") or run.config.name)
        models = set(self._studio.presets.brand_models())
        replace = bool(message.get("replace"))
        if name in models and name != run.brand_model and not replace:
            return {"taken": name, "free": free_name(name, models)}
        model = self._studio.train.publish(run.id, int(message["step"]), replace=replace, name=name)
        return {"name": model.name}
