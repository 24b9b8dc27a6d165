"""What counts among the decisions about one variant: the newest, with undone ones taken back.

Decisions are only ever added. An undo is itself a decision that names the one it takes back and carries the state
before it, so whoever reads only the newest decision reads the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from studio.errors import ConflictError
from studio.records.base import new_id, now
from studio.records.review import Decision, Reason, decide, standing

Verdict = Literal["approved", "rejected", "undecided"]

RULE_PREFIX = "rule:"
"""How the author of a decision begins that no person made."""


def by_author(decisions: Sequence[Decision]) -> dict[str, Decision]:
    """Each author's own newest standing decision."""
    return {decision.author: decision for decision in standing(decisions)}


def made_by_a_person(decision: Decision) -> bool:
    """Whether a person, not a rule, decided."""
    return not decision.author.startswith(RULE_PREFIX)


def upon(
    decisions: Sequence[Decision],
    variant_id: str,
    verdict: Verdict | None,
    *,
    author: str,
    reasons: tuple[Reason, ...] = (),
    rating: int | None = None,
    note: str = "",
) -> Decision:
    """A decision on top of what stands: without a verdict, the newest one stays with its reasons and its note; without
    a rating, the author's own one stays.
    """
    if verdict is None and decisions:
        last = decisions[-1]
        verdict, reasons, note = last.verdict, last.reasons, note or last.note
    own = by_author(decisions).get(author)
    if rating is None and own is not None:
        rating = own.rating
    return decide(variant_id, verdict or "undecided", author=author, reasons=reasons, rating=rating, note=note)


def undo(variant_id: str, decisions: Sequence[Decision], author: str) -> Decision:
    """The decision that takes an author's newest one back and restores what stood before it.

    Raises:
        ConflictError: nothing stands, or the newest standing decision is somebody else's.
    """
    left = standing(decisions)
    if not left:
        raise ConflictError(f"Nothing is decided about {variant_id}.", "There is nothing to undo.")
    last = left[-1]
    if last.author != author:
        raise ConflictError(
            f"The newest decision about {variant_id} is {last.author}'s ({last.verdict}).", "Decide anew instead."
        )
    before = left[-2] if len(left) > 1 else None
    return Decision(
        id=new_id("dec"),
        variant_id=variant_id,
        verdict=before.verdict if before else "undecided",
        reasons=before.reasons if before else (),
        rating=before.rating if before else None,
        note=before.note if before else "",
        author=author,
        undoes=last.id,
        created_at=now(),
    )
