"""The review tab's actions on a tiny studio."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.records.base import new_id, now
from studio.records.generation import GenerationRequest, Variant
from studio.records.product import Product
from studio.records.review import Measure, Measurement
from studio.studio import Studio
from studio.ui.components.review_desk import ReviewDesk
from tests.review.conftest import figure, png


@pytest.fixture
def desk(studio: Studio) -> ReviewDesk:
    return ReviewDesk(studio)


@pytest.fixture
def variant(studio: Studio) -> Variant:
    return add(studio)


def add(studio: Studio, batch: str = "b1") -> Variant:
    sha256 = studio.store.files.put_bytes(png(figure()), ".png")
    studio.store.products.put(Product(sku="DRESS-01", name="Dress", photo_sha256=(sha256,)))
    request = GenerationRequest(prompt="a <b>dress</b>", seed=2**62, sku="DRESS-01")
    made = Variant(
        id=new_id("var"), batch_id=batch, request=request,
        image_sha256=sha256, seconds=1.0, created_at=now(), sku="DRESS-01",
    )  # fmt: skip
    studio.store.variants.put(made)
    return made


def ask(desk: ReviewDesk, action: str, message: dict[str, Any], person: str = "local") -> Any:
    """The value of an action's answer, as the page gets it: through JSON."""
    answer = json.loads(json.dumps(desk.answer(action, message, person)))
    assert "error" not in answer, answer
    return answer["value"]


def refused(desk: ReviewDesk, action: str, message: dict[str, Any], person: str = "local") -> str:
    answer = desk.answer(action, message, person)
    assert answer["next_step"]
    return str(answer["error"])


def test_rows_are_light_and_everything_else_is_asked_for(desk: ReviewDesk, variant: Variant, studio: Studio) -> None:
    add(studio, "b2")
    found = ask(desk, "rows", {"batch": "b1"})
    (row,) = found["rows"]
    assert (row["id"], row["verdict"], row["seed"], found["total"]) == (variant.id, "undecided", str(2**62), 1)
    assert "request" not in row
    assert ask(desk, "rows", {"limit": 1})["total"] == 2
    detail = ask(desk, "detail", {"id": variant.id})
    assert GenerationRequest.model_validate(detail["request"]) == variant.request
    assert detail["product_photo"] == variant.image_sha256
    assert (detail["measurement"], detail["history"]) == (None, [])


def test_the_name_given_in_the_browser_counts_only_where_nobody_logs_in(desk: ReviewDesk, variant: Variant) -> None:
    message = {"ids": [variant.id], "verdict": "approved", "name": "  Mika \n Sato "}
    assert list(ask(desk, "decide", message)["rows"][0]["people"]) == ["Mika Sato"]
    assert "jun" in ask(desk, "decide", message, person="jun")["rows"][0]["people"]
    assert "cannot decide" in refused(desk, "decide", message | {"name": "rule:default"})


def test_deciding_rating_and_undoing(desk: ReviewDesk, variant: Variant) -> None:
    ids = {"ids": [variant.id]}
    before = ask(desk, "mark", {})
    (row,) = ask(desk, "decide", ids | {"verdict": "rejected", "reasons": ["hands", "hands"], "note": "six"})["rows"]
    assert (row["verdict"], row["decision"]["reasons"], row["decision"]["note"]) == ("rejected", ["hands"], "six")
    (row,) = ask(desk, "decide", ids | {"rating": 4})["rows"]
    assert (row["verdict"], row["rating"], row["decision"]["reasons"]) == ("rejected", 4, ["hands"])
    assert ask(desk, "undo", ids)["rows"][0]["rating"] is None
    assert ask(desk, "undo", ids)["rows"][0]["verdict"] == "undecided"
    assert "Nothing is decided" in refused(desk, "undo", ids)
    assert len(ask(desk, "detail", {"id": variant.id})["history"]) == 4
    assert ask(desk, "mark", {}) != before


def test_what_cannot_be_decided_is_said(desk: ReviewDesk, variant: Variant) -> None:
    ids = {"ids": [variant.id]}
    assert "No picture" in refused(desk, "decide", {"verdict": "approved"})
    assert "needs a reason" in refused(desk, "decide", ids | {"verdict": "rejected"})
    assert "no verdict" in refused(desk, "decide", ids | {"verdict": "maybe"})
    assert "no reasons" in refused(desk, "decide", ids | {"verdict": "rejected", "reasons": ["mood"]})
    assert "no variant" in refused(desk, "decide", {"ids": ["var_0"], "verdict": "approved"})


def test_undoing_many_says_what_somebody_else_has_decided_since(
    desk: ReviewDesk, variant: Variant, studio: Studio
) -> None:
    ids = [variant.id, add(studio).id]
    ask(desk, "decide", {"ids": ids, "verdict": "approved"}, "mika")
    ask(desk, "decide", {"ids": ids[1:], "verdict": "rejected", "reasons": ["face"]}, "jun")
    answer = ask(desk, "undo", {"ids": ids}, "mika")
    assert [row["verdict"] for row in answer["rows"]] == ["undecided", "rejected"]
    assert "jun" in answer["kept"][0]


def test_measuring_and_rules_become_jobs_of_whoever_asks(desk: ReviewDesk, variant: Variant, studio: Studio) -> None:
    job = studio.jobs.get(ask(desk, "measure", {"ids": [variant.id], "rules": "unjudged"}, "mika"))
    assert (job.kind, job.owner, job.payload) == ("measure", "mika", {"variant_ids": [variant.id], "rules": "unjudged"})
    assert studio.jobs.get(ask(desk, "rule_review", {"ids": [variant.id]})).kind == "rule-review"
    sides = {rules["name"]: rules["sides"] for rules in ask(desk, "rules", {})}
    assert (sides["default"]["pose_mm_median"], sides["default"]["sharpness"]) == ("most", "least")


def test_a_measurement_is_shown_with_its_limits(desk: ReviewDesk, variant: Variant, studio: Studio) -> None:
    measured = Measure(name="sharpness", value=9.5, unit="levels²", limit=8, within=True)
    unread = Measure(name="pose_mm_median", value=None, unit="mm", limit=60, note="not measured: there is no judge")
    studio.store.measurements.put(
        Measurement(id="mea_1", variant_id=variant.id, measures=(measured, unread), judge="j", created_at=now())
    )
    measures = {m["name"]: m for m in ask(desk, "detail", {"id": variant.id})["measurement"]["measures"]}
    assert measures["sharpness"]["limit"] == 8
    assert measures["pose_mm_median"]["note"].startswith("not measured")
    assert ask(desk, "rows", {})["rows"][0]["measures"] == {"sharpness": [9.5, True], "pose_mm_median": [None, None]}
