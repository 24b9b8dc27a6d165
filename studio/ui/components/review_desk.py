"""The review tab's work surface: hundreds of pictures, one of them in the window, two to four side by side."""

from __future__ import annotations

from typing import Any, Literal, get_args

from studio.errors import InputError, NotFoundError
from studio.records.base import LOCAL_PERSON
from studio.records.generation import Variant
from studio.records.review import Decision, Measurement, Reason
from studio.studio import Studio
from studio.ui.brands import other_skus
from studio.ui.picture_tools import tool_actions
from studio.ui.piece import Piece

LONGEST_NAME = 60
SHOWN = 600
"""Newest pictures that the grid loads unless more are asked for."""
PROMPT_START = 240
"""Letters of a prompt that the grid needs, for its search and for the names of pictures."""

Verdict = Literal["approved", "rejected", "undecided"]


class ReviewDesk(Piece):
    """Rows for the grid are light; everything about one picture is asked for when it is looked at."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        actions = {
            "rows": self._rows, "mark": self._mark, "detail": self._detail, "decide": self._decide, "undo": self._undo,
            "rules": self._rules, "measure": self._measure, "rule_review": self._rule_review, **tool_actions(studio),
        }  # fmt: skip
        super().__init__(fill=True, actions=actions)

    def _rows(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """`{"batch", "limit", "brand"}` -> rows, oldest first, how many there are in all, and the mark that they stand
        for. Pictures of other brands are left out; the numbers of the others stay.
        """
        batch = str(message.get("batch") or "") or None
        mark = self._studio.review.mark()
        board = self._studio.review.board(batch_id=batch, newest=int(message.get("limit") or SHOWN))
        total = self._studio.store.variants.count(batch_id=batch)
        others = other_skus(self._studio, message)
        rows = [
            {"number": number} | _row(row)
            for number, row in enumerate(board, total - len(board) + 1)
            if (row.variant.sku or row.variant.request.sku) not in others
        ]
        return {"rows": rows, "total": total - len(board) + len(rows), "mark": mark, "person": person}

    def _mark(self, message: dict[str, Any], person: str) -> str:
        return self._studio.review.mark()

    def _detail(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """All settings, measures and decisions of one picture, and the product photo to hold it against."""
        variant = self._studio.store.variants.get(str(message["id"]))
        measurement = self._studio.review.latest(variant.id)
        return {
            "id": variant.id,
            "request": variant.request.model_dump(mode="json"),
            "seconds": variant.seconds,
            "made_by": [use.model_dump(mode="json") for use in variant.made_by],
            "product_photo": self._product_photo(variant),
            "measurement": _measurement(measurement) if measurement else None,
            "history": [_decision(decision) for decision in self._studio.review.history(variant.id)],
        }

    def _decide(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """`{"ids", "verdict", "reasons", "rating", "note", "name"}`; without a verdict the one that stands is kept."""
        ids = _ids(message)
        rating = message.get("rating")
        self._studio.review.decide_many(
            ids,
            _verdict(message.get("verdict")),
            author=_author(message, person),
            reasons=_reasons(message.get("reasons") or []),
            rating=None if rating is None else int(rating),
            note=str(message.get("note") or ""),
        )
        return {"rows": self._rows_of(ids)}

    def _undo(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """`{"ids", "name"}`; what somebody else has decided since is kept, and said."""
        ids = _ids(message)
        _, kept = self._studio.review.undo_many(ids, author=_author(message, person))
        return {"rows": self._rows_of(ids), "kept": [error.message for error in kept]}

    def _rules(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        """Sets of limits: name, title, and for every measure the side on which it is bounded."""
        return [
            {
                "name": rules.name,
                "title": rules.title,
                "sides": {limit.measure: "most" if limit.at_most is not None else "least" for limit in rules.limits},
            }
            for rules in self._studio.review.rules().values()
        ]

    def _measure(self, message: dict[str, Any], person: str) -> str:
        return self._submit("measure", message, person)

    def _rule_review(self, message: dict[str, Any], person: str) -> str:
        return self._submit("rule-review", message, person)

    def _submit(self, kind: str, message: dict[str, Any], person: str) -> str:
        """The id of a new job about these pictures."""
        payload = {"variant_ids": _ids(message), "rules": str(message.get("rules") or "default")}
        return self._studio.jobs.submit(kind, payload, owner=person).id

    def _rows_of(self, ids: list[str]) -> list[dict[str, Any]]:
        return [_row(row) for row in self._studio.review.board(variant_ids=ids)]

    def _product_photo(self, variant: Variant) -> str:
        sku = variant.sku or variant.request.sku
        if not sku:
            return ""
        try:
            photos = self._studio.store.products.get(sku).photo_sha256
        except NotFoundError:
            return ""
        return photos[0] if photos else ""


def _row(row: Any) -> dict[str, Any]:
    """A board row as the grid needs it: small, because hundreds of them are sent at once."""
    variant: Variant = row.variant
    measurement: Measurement | None = row.measurement
    return {
        "id": variant.id,
        "sha": variant.image_sha256,
        "batch": variant.batch_id,
        "sku": variant.sku,
        "seed": str(variant.request.seed),
        "prompt": variant.request.prompt[:PROMPT_START],
        "at": variant.created_at.isoformat(),
        "lost": row.picture is None,
        "verdict": row.verdict,
        "rating": row.rating,
        "decision": _decision(row.decision) if row.decision else None,
        "people": {author: [d.verdict, d.rating, list(d.reasons)] for author, d in row.by_author.items()},
        "measures": {m.name: [m.value, m.within] for m in measurement.measures} if measurement else None,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "author": decision.author, "verdict": decision.verdict, "reasons": list(decision.reasons),
        "rating": decision.rating, "note": decision.note, "undo": bool(decision.undoes),
        "at": decision.created_at.isoformat(),
    }  # fmt: skip


def _measurement(measurement: Measurement) -> dict[str, Any]:
    return {
        "at": measurement.created_at.isoformat(),
        "judge": measurement.judge,
        "measures": [measure.model_dump(mode="json") for measure in measurement.measures],
    }


def _author(message: dict[str, Any], person: str) -> str:
    """Who decides: whoever is logged in; where nobody logs in, the name that was given in the browser."""
    if person != LOCAL_PERSON:
        return person
    return " ".join(str(message.get("name") or "").split())[:LONGEST_NAME] or person


def _ids(message: dict[str, Any]) -> list[str]:
    ids = list(dict.fromkeys(str(variant_id) for variant_id in message.get("ids") or []))
    if not ids:
        raise InputError("No picture is chosen.", "Choose one or more.")
    return ids


def _verdict(name: Any) -> Verdict | None:
    if name is None:
        return None
    for known in get_args(Verdict):
        if known == name:
            return known  # type: ignore[no-any-return]
    raise InputError(f"{name!r} is no verdict.", f"Use one of {', '.join(get_args(Verdict))}.")


def _reasons(names: list[Any]) -> tuple[Reason, ...]:
    if unknown := [name for name in names if name not in get_args(Reason)]:
        raise InputError(f"{unknown} are no reasons.", f"Use {', '.join(get_args(Reason))}.")
    return tuple(dict.fromkeys(names))
