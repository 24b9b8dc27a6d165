"""Measurement and Decision: what was measured on a variant, and what was decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from studio.records.base import Record, new_id, now

Reason = Literal["pose", "hands", "fabric", "colour", "face", "copy", "sharpness", "other"]


class Measure(Record):
    """One measured quantity. `value` is None where nothing could be measured, and `note` says why."""

    name: str
    value: float | None
    unit: str
    limit: float | None = None
    within: bool | None = None
    """Whether the limit is kept; None where not measured or without a limit."""
    note: str = ""


class Measurement(Record):
    """All measures of one variant, with the judge's version that read them."""

    id: str
    variant_id: str
    measures: tuple[Measure, ...]
    judge: str
    created_at: datetime

    def measure(self, name: str) -> Measure | None:
        """The measure of that name, or None."""
        return next((m for m in self.measures if m.name == name), None)


class Decision(Record):
    """One decision by one person (or a rule) at one time; append only, the newest counts."""

    id: str
    variant_id: str
    verdict: Literal["approved", "rejected", "undecided"]
    reasons: tuple[Reason, ...] = ()
    rating: int | None = None
    author: str = "local"
    note: str = ""
    undoes: str = ""
    """Id of the decision that this one takes back; empty for an ordinary decision."""
    created_at: datetime


def decide(
    variant_id: str,
    verdict: Literal["approved", "rejected", "undecided"],
    *,
    author: str,
    reasons: tuple[Reason, ...] = (),
    rating: int | None = None,
    note: str = "",
) -> Decision:
    """A decision stamped with an id and the present moment."""
    return Decision(
        id=new_id("dec"), variant_id=variant_id, verdict=verdict, reasons=reasons,
        rating=rating, author=author, note=note, created_at=now(),
    )  # fmt: skip


def standing(decisions: Sequence[Decision]) -> list[Decision]:
    """Of all decisions about one variant, those that nobody has taken back, oldest first; the last one counts."""
    taken_back = {decision.undoes for decision in decisions if decision.undoes}
    return [decision for decision in decisions if not decision.undoes and decision.id not in taken_back]
