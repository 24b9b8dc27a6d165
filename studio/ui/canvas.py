"""The canvas tab."""

from __future__ import annotations

from studio.studio import Studio
from studio.ui.components.canvas_desk import CanvasDesk


def create_canvas_tab(studio: Studio) -> None:
    """Builds the tab."""
    CanvasDesk(studio)
