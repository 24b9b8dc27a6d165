"""The canvas tab's work surface."""

from __future__ import annotations

from studio.studio import Studio
from studio.ui.piece import Piece


class CanvasDesk(Piece):
    """What the canvas tab shows."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        super().__init__(fill=True)
