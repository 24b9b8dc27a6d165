"""Annotators: what a picture shows, as the maps and poses that control models were trained on.

A map annotator takes a picture (H, W, 3) and gives a map of exactly that size, (H, W, 3), uint8, in the same places.
"""

from typing import Protocol

from studio.measure.pictures import RGB


class MapAnnotator(Protocol):
    """Draws one kind of control map."""

    def annotate(self, rgb: RGB) -> RGB:
        """The map of a picture (H, W, 3): the same shape, grey in three equal channels."""
        ...


__all__ = ["MapAnnotator"]
