"""The train tab."""

from __future__ import annotations

from studio.studio import Studio
from studio.ui.components.train_desk import TrainDesk


def create_train_tab(studio: Studio) -> None:
    """Builds the tab."""
    TrainDesk(studio)
