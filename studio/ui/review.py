"""The review tab."""

from __future__ import annotations

from studio.studio import Studio
from studio.ui.components.review_desk import ReviewDesk


def create_review_tab(studio: Studio) -> None:
    """Builds the tab."""
    ReviewDesk(studio)
