"""What stands beside a request's text: can its base follow the maps and the reference, and are the pictures there?

Each lack is told once, however many pictures share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from studio.errors import CapabilityError, Fault, NotFoundError
from studio.records.generation import GenerationRequest

if TYPE_CHECKING:
    from pathlib import Path

    from studio.models import Registry

Numbered = Sequence[tuple[int, GenerationRequest]]
"""Requests with their places in what was asked for."""


def unfollowed(requests: Numbered, registry: Registry) -> Iterator[Fault]:
    """A fault for every map or reference that a base cannot follow, or whose weights have yet to be pulled."""
    first: dict[tuple[str, str | None], int] = {}
    for index, request in requests:
        for kind in (*request.control_kinds, *([None] if request.reference is not None else [])):
            first.setdefault((request.base, kind), index)
    for (base, kind), index in first.items():
        try:
            registry.reference(base) if kind is None else registry.control(base, kind)
        except CapabilityError as error:
            yield Fault(f"request {index}", error.message, error.next_step)


def not_stored(requests: Numbered, stored: Callable[[str], Path]) -> Iterator[Fault]:
    """A fault for every picture that is named and not in the file store.

    Args:
        stored: finds a file by its sha256, or raises NotFoundError.
    """
    first: dict[tuple[str, str], int] = {}
    for index, request in requests:
        for picture in _pictures(request):
            first.setdefault(picture, index)
    for (sha256, what), index in first.items():
        try:
            stored(sha256)
        except NotFoundError:
            yield Fault(f"request {index}", f"its {what} {sha256[:12]} is not in the file store.", "Choose it again.")


def _pictures(request: GenerationRequest) -> Iterator[tuple[str, str]]:
    """(sha256, what it is) of every picture that a request names."""
    for control in request.controls:
        yield control.picture_sha256, "control map"
    if request.reference is not None:
        yield request.reference.picture_sha256, "reference picture"
    if request.inpaint is not None:
        yield request.inpaint.picture_sha256, "picture to change"
        yield request.inpaint.mask_sha256, "mask"
