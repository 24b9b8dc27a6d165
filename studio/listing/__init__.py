"""Listing: approved pictures in the slots of a sales channel, checked, and packed with their provenance."""

from studio.listing.service import ListingService

__all__ = ["ListingService"]
