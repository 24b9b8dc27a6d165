"""The train tab: the form at the left, the runs beside it, and the chosen run at the right."""

from __future__ import annotations

from studio.studio import Studio
from studio.ui.components.train_form import TrainForm
from studio.ui.components.train_run import TrainRun
from studio.ui.components.train_runs import TrainRuns


def create_train_tab(studio: Studio) -> None:
    """Builds the tab. The pieces tell each other which run was started or chosen; its state is the database's."""
    TrainForm(studio, elem_id="train-form")
    TrainRuns(studio, elem_id="train-runs")
    TrainRun(studio, elem_id="train-run")
