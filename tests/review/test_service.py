"""Decisions are added, never changed; people come before rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.errors import ConflictError, FaultsError, InputError, NotFoundError
from studio.presets import Presets
from studio.records.base import now
from studio.records.generation import Variant
from studio.records.review import Measure, Measurement
from studio.review import Limit, ReviewRules, ReviewService
from studio.review.rules import read_rules, verdict, with_limits
from studio.settings import Settings
from studio.store import Store
from tests.review.conftest import RULES, PaintedJudge, figure

Add = Callable[..., Variant]
ReviewWith = Callable[[PaintedJudge | None], ReviewService]

STRICT = ReviewRules(
    name="strict",
    title="Strict",
    limits=(
        Limit(measure="pose_mm_median", at_most=50, reason="pose", source="test"),
        Limit(measure="sharpness", at_least=10, reason="sharpness", required=False, source="test"),
    ),
)


def _measurement(pose: float | None, sharp: float | None) -> Measurement:
    measures = (
        Measure(name="pose_mm_median", value=pose, unit="mm", note="" if pose else "not measured: there is no judge"),
        Measure(name="sharpness", value=sharp, unit="levels²"),
    )
    return Measurement(id="m", variant_id="v", measures=measures, judge="j", created_at=now())


def test_verdicts_come_with_reasons_in_words() -> None:
    assert verdict(_measurement(40, 12), STRICT).verdict == "approved"
    missed = verdict(_measurement(82, 3), STRICT)
    assert (missed.verdict, missed.reasons) == ("rejected", ("pose", "sharpness"))
    assert missed.note == "pose mm median 82 mm, at most 50 asked; sharpness 3 levels², at least 10 asked"
    unmeasured = verdict(_measurement(None, 12), STRICT)
    assert (unmeasured.verdict, unmeasured.note) == ("undecided", "pose mm median not measured: there is no judge")
    assert verdict(_measurement(40, None), STRICT).verdict == "approved"
    only_pose = _measurement(40, None).model_copy(update={"measures": _measurement(40, None).measures[:1]})
    assert verdict(only_pose, STRICT).verdict == "approved"


def test_limits_stand_beside_the_measures() -> None:
    judged = with_limits(_measurement(82, None).measures, STRICT)
    assert [(m.limit, m.within) for m in judged] == [(50, False), (10, None)]


def test_shipped_rules_are_valid_and_faults_come_together(tmp_path: Path) -> None:
    assert {"default", "unjudged"} <= read_rules(RULES).keys()
    (tmp_path / "a.yaml").write_text("name: b\ntitle: x\nlimits: []\n")
    (tmp_path / "c.yaml").write_text(
        "name: c\ntitle: x\nlimits: [{measure: pose, reason: pose, source: s, at_most: 1, at_least: 1}]\n"
    )
    (tmp_path / "d.yaml").write_text("- nothing\n")
    with pytest.raises(FaultsError) as caught:
        read_rules(tmp_path)
    assert len(caught.value.faults) == 3


def test_a_rule_decides_by_measures(review: ReviewService, add_variant: Add) -> None:
    good, red = add_variant(), add_variant(figure((200, 40, 40)))
    approved, rejected = review.rule_review([good.id, red.id])
    assert (approved.verdict, approved.author) == ("approved", "rule:default")
    assert (rejected.verdict, rejected.reasons) == ("rejected", ("colour",))
    assert "at most 12 asked" in rejected.note
    assert review.latest(good.id) is not None


def test_a_rule_approves_nothing_that_it_could_not_measure(review_with: ReviewWith, add_variant: Add) -> None:
    variant = add_variant()
    unjudged = review_with(None)
    assert unjudged.rule_review([variant.id])[0].verdict == "undecided"
    assert unjudged.rule_review([variant.id], "unjudged")[0].verdict == "approved"
    # Measured without a judge before, so it is measured again once there is one.
    assert review_with(PaintedJudge(shift_mm=400)).rule_review([variant.id])[0].reasons == ("pose",)
    with pytest.raises(NotFoundError, match="unjudged"):
        unjudged.rule_review([variant.id], "none")


def test_a_rule_does_not_overrule_a_person(review: ReviewService, add_variant: Add) -> None:
    variant = add_variant()
    review.decide(variant.id, "rejected", author="mika", reasons=("hands",))
    assert review.rule_review([variant.id]) == []
    review.undo(variant.id, author="mika")
    assert review.rule_review([variant.id])[0].verdict == "approved"


def test_several_people_decide_and_the_newest_counts(review: ReviewService, add_variant: Add) -> None:
    variant = add_variant()
    review.decide(variant.id, "approved", author="mika", rating=4)
    review.decide(variant.id, "rejected", author="jun", reasons=("fabric",), note="shoulder seam")
    (row,) = review.board(batch_id="b1")
    assert row.verdict == "rejected"
    assert {author: d.verdict for author, d in row.by_author.items()} == {"mika": "approved", "jun": "rejected"}
    assert row.picture.is_file()
    with pytest.raises(ConflictError, match="jun"):
        review.undo(variant.id, author="mika")


def test_undo_adds_and_restores_step_by_step(review: ReviewService, add_variant: Add) -> None:
    variant = add_variant()
    review.decide(variant.id, "approved", author="mika", rating=5)
    review.decide(variant.id, "rejected", author="mika", reasons=("face",))
    undone = review.undo(variant.id, author="mika")
    assert (undone.verdict, undone.rating) == ("approved", 5)
    assert review.state(variant.id) == undone
    assert review.undo(variant.id, author="mika").verdict == "undecided"
    with pytest.raises(ConflictError, match="Nothing"):
        review.undo(variant.id, author="mika")
    assert [d.verdict for d in review.history(variant.id)] == ["approved", "rejected", "approved", "undecided"]
    review.decide(variant.id, "approved", author="jun")
    assert review.undo(variant.id, author="jun").verdict == "undecided"


def test_decisions_need_a_person_a_picture_and_a_reason(review: ReviewService, add_variant: Add) -> None:
    variant = add_variant()
    with pytest.raises(NotFoundError):
        review.decide("var_none", "approved", author="mika")
    with pytest.raises(InputError, match="cannot decide"):
        review.decide(variant.id, "approved", author="rule:default")
    with pytest.raises(InputError, match="needs a reason"):
        review.decide(variant.id, "rejected", author="mika")
    with pytest.raises(InputError, match="Rate from 1 to 5"):
        review.decide(variant.id, "approved", author="mika", rating=6)
    assert review.state(variant.id) is None


def test_board_shows_what_is_known(review: ReviewService, add_variant: Add) -> None:
    first, second = add_variant(), add_variant()
    review.measure([first.id])
    rows = review.board()
    assert [row.variant.id for row in rows] == [first.id, second.id]
    assert rows[0].measurement is not None
    assert (rows[1].measurement, rows[1].decision, rows[1].verdict) == (None, None, "undecided")
    assert review.board(batch_id="other") == []


def test_no_judge_folder_means_no_judge(settings: Settings, store: Store, add_variant: Add) -> None:
    bundled = ReviewService(store, settings, Presets(settings.presets, settings.brand_models))
    assert bundled.measure([add_variant().id])[0].judge == "none"
