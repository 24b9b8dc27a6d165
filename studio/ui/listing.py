"""The listing tab."""

from __future__ import annotations

from studio.studio import Studio
from studio.ui.components.listing_desk import ListingDesk


def create_listing_tab(studio: Studio) -> None:
    """Builds the tab."""
    ListingDesk(studio)
