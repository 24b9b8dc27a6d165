"""The board: variants with what was decided and measured, read in a few queries however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import NotFoundError
from studio.records.generation import Variant
from studio.records.review import Decision, Measurement, standing
from studio.review.decisions import Verdict, by_author
from studio.store import Store

ASKED_AT_ONCE = 1000
"""Variants that one query names: databases bound the number of values in a query."""


@dataclass(frozen=True)
class BoardRow:
    """One variant on the board.

    Attributes:
        picture: its file; None where the file is lost.
        verdict: that of the newest decision.
        rating: the newest that stands, whoever gave it.
        by_author: each author's own newest standing decision.
        measurement: the newest.
    """

    variant: Variant
    picture: Path | None
    verdict: Verdict
    rating: int | None
    decision: Decision | None
    by_author: dict[str, Decision]
    measurement: Measurement | None


def board_rows(store: Store, variants: Sequence[Variant]) -> list[BoardRow]:
    """The rows of these variants, in their order."""
    decisions: dict[str, list[Decision]] = defaultdict(list)
    measurements: dict[str, Measurement] = {}
    ids = [variant.id for variant in variants]
    for part in (ids[start : start + ASKED_AT_ONCE] for start in range(0, len(ids), ASKED_AT_ONCE)):
        for decision in store.decisions.find(variant_id=part):
            decisions[decision.variant_id].append(decision)
        measurements |= {found.variant_id: found for found in store.measurements.find(variant_id=part)}
    return [_row(store, variant, decisions[variant.id], measurements.get(variant.id)) for variant in variants]


def _row(store: Store, variant: Variant, decisions: list[Decision], measurement: Measurement | None) -> BoardRow:
    newest = decisions[-1] if decisions else None
    ratings = [decision.rating for decision in standing(decisions) if decision.rating is not None]
    return BoardRow(
        variant=variant,
        picture=_picture(store, variant),
        verdict=newest.verdict if newest else "undecided",
        rating=ratings[-1] if ratings else None,
        decision=newest,
        by_author=by_author(decisions),
        measurement=measurement,
    )


def _picture(store: Store, variant: Variant) -> Path | None:
    try:
        return store.files.path(variant.image_sha256)
    except NotFoundError:
        return None
