"""GiveWay: how a long job lets short work through: one piece between two steps, and each kind of work in its turn."""

from __future__ import annotations

from collections.abc import Callable

Piece = Callable[[], bool]
"""Does one piece of waiting work, if there is any, and tells whether there was."""


class GiveWay:
    """Called between two steps of a long job, in its thread.

    A call does one piece at most, so that the long job always goes on by a step between two of them. Whoever was
    served goes to the back, so that a page that drags without pause does not keep a job waiting.
    """

    def __init__(self, *pieces: Piece) -> None:
        self._pieces = list(pieces)

    def __call__(self) -> None:
        """Does the first piece that waits, if one does."""
        for piece in tuple(self._pieces):
            if piece():
                self._pieces.remove(piece)
                self._pieces.append(piece)
                return
