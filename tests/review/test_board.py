"""The board of hundreds, decisions about many at once, and the jobs that measure and decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from studio.errors import ConflictError, InputError
from studio.jobs import Job, JobQueue, Lane
from studio.records.base import new_id, now
from studio.records.generation import Variant
from studio.records.review import Measure, Measurement
from studio.review import ReviewService
from studio.store import Store
from tests.review.conftest import figure

Add = Callable[..., Variant]
HUNDREDS = 300
MOST_QUERIES = 3
MOST_SECONDS = 0.5
"""Of this process's own time, which other work on the machine does not lengthen. A twentieth of a second is usual."""


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """What the block reads from the database."""
    asked: list[str] = []

    def keep(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", keep)
    yield asked
    event.remove(store.database.engine, "before_cursor_execute", keep)


def test_hundreds_of_variants_are_read_in_a_few_queries(review: ReviewService, store: Store, add_variant: Add) -> None:
    first = add_variant()
    with store.transaction():
        copies = [first.model_copy(update={"id": new_id("var")}) for _ in range(HUNDREDS - 1)]
        for copy in copies:
            store.variants.put(copy)
            measures = (Measure(name="sharpness", value=9.0, unit="levels²"),)
            store.measurements.put(
                Measurement(id=new_id("mea"), variant_id=copy.id, measures=measures, judge="j", created_at=now())
            )
        review.decide_many([copy.id for copy in copies], "approved", author="mika", rating=3)
    start = time.process_time()
    with counted(store) as asked:
        rows = review.board()
    assert time.process_time() - start < MOST_SECONDS
    assert len(asked) <= MOST_QUERIES
    assert len(rows) == HUNDREDS
    assert (rows[0].verdict, rows[-1].verdict, rows[-1].rating) == ("undecided", "approved", 3)
    assert rows[-1].measurement is not None
    newest = review.board(newest=2)
    assert [row.variant.id for row in newest] == [copy.id for copy in copies[-2:]]
    assert [row.variant.id for row in review.board(variant_ids=[copies[5].id, first.id])] == [first.id, copies[5].id]


def test_a_lost_file_does_not_empty_the_board(review: ReviewService, store: Store, add_variant: Add) -> None:
    variant = add_variant()
    store.files.path(variant.image_sha256).unlink()
    assert review.board()[0].picture is None


def test_many_are_decided_all_or_none(review: ReviewService, add_variant: Add) -> None:
    ids = [add_variant().id for _ in range(3)]
    with pytest.raises(InputError, match="needs a reason"):
        review.decide_many(ids, "rejected", author="mika")
    assert review.history(ids[0]) == []
    assert [d.verdict for d in review.decide_many(ids, "approved", author="mika")] == ["approved"] * 3


def test_a_rating_keeps_the_verdict_and_a_verdict_keeps_ones_own_rating(
    review: ReviewService, add_variant: Add
) -> None:
    variant = add_variant()
    review.decide(variant.id, "rejected", author="mika", reasons=("hands",))
    (rated,) = review.decide_many([variant.id], None, author="jun", rating=4)
    assert (rated.verdict, rated.reasons, rated.rating) == ("rejected", ("hands",), 4)
    (approved,) = review.decide_many([variant.id], "approved", author="jun")
    assert (approved.verdict, approved.reasons, approved.rating) == ("approved", (), 4)
    (theirs,) = review.decide_many([variant.id], "approved", author="mika")
    assert theirs.rating is None
    assert review.board()[0].rating == 4


def test_many_are_undone_where_nobody_else_has_decided_since(review: ReviewService, add_variant: Add) -> None:
    mine, theirs = add_variant().id, add_variant().id
    review.decide_many([mine, theirs], "approved", author="mika")
    review.decide(theirs, "rejected", author="jun", reasons=("face",))
    undone, kept = review.undo_many([mine, theirs], author="mika")
    assert [d.variant_id for d in undone] == [mine]
    assert "jun" in kept[0].message
    assert [review.board()[place].verdict for place in (0, 1)] == ["undecided", "rejected"]
    with pytest.raises(ConflictError):
        review.undo_many([theirs], author="mika")


def test_the_mark_changes_with_everything_that_is_added(review: ReviewService, add_variant: Add) -> None:
    marks = [review.mark()]
    variant = add_variant()
    marks.append(review.mark())
    review.decide(variant.id, "approved", author="mika")
    marks.append(review.mark())
    review.measure([variant.id])
    marks.append(review.mark())
    assert len(set(marks)) == 4
    assert review.mark() == marks[-1]


def test_measuring_and_deciding_by_rule_are_jobs(review: ReviewService, store: Store, add_variant: Add) -> None:
    queue = JobQueue(store)
    lane = Lane(queue, {"measure": review.handle_measure, "rule-review": review.handle_rule_review})
    ids = [add_variant().id, add_variant(figure((200, 40, 40))).id]
    payload = {"variant_ids": ids, "rules": "default"}
    measured = lane.run_job(queue.submit("measure", payload).id)
    assert (measured.status, measured.result, measured.progress.done) == ("done", {"measured": 2}, 2)
    decided = lane.run_job(queue.submit("rule-review", payload).id)
    assert decided.result == {"decided": 2}
    assert [row.verdict for row in review.board()] == ["approved", "rejected"]


def test_a_stopped_measuring_keeps_what_was_measured(review: ReviewService, store: Store, add_variant: Add) -> None:
    queue = JobQueue(store)
    ids = [add_variant().id for _ in range(20)]
    job = queue.submit("measure", {"variant_ids": ids, "rules": "default"})
    lane = Lane(queue, {"measure": review.handle_measure})

    def stop_it(running: Job) -> None:
        if running.progress.done:
            queue.cancel(job.id)

    assert lane.run_job(job.id, stop_it).status == "cancelled"
    assert review.latest(ids[0]) is not None
    assert review.latest(ids[-1]) is None
