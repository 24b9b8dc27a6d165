"""The label tab."""

from __future__ import annotations

from studio.studio import Studio
from studio.ui.components.label_desk import LabelDesk


def create_label_tab(studio: Studio) -> None:
    """Builds the tab."""
    LabelDesk(studio)
