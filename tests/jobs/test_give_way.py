"""A long job gives way: one piece between two steps, each kind in its turn, and short jobs are run from within it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from studio.errors import InputError, ResourceError
from studio.jobs import GiveWay, Job, JobContext, JobQueue, Lane
from studio.store import Store


def test_a_call_does_one_piece_and_each_kind_has_its_turn() -> None:
    done: list[str] = []
    left = {"preview": 3, "picture": 2}

    def piece(kind: str) -> Callable[[], bool]:
        def work() -> bool:
            if not left[kind]:
                return False
            left[kind] -= 1
            done.append(kind)
            return True

        return work

    give_way = GiveWay(piece("preview"), piece("picture"))
    seen = []
    for _ in range(7):
        give_way()
        seen.append(len(done))
    assert seen == [1, 2, 3, 4, 5, 5, 5]
    assert done == ["preview", "picture", "preview", "picture", "preview"]


class House:
    """A lane with a long job of five steps, and short jobs that do what the test says."""

    def __init__(self, store: Store) -> None:
        self.queue = JobQueue(store)
        self.lane = Lane(self.queue, {"long": self._long, "short": self._short})
        self.log: list[str] = []
        self.short: Callable[[JobContext], None] = lambda context: None

    def _long(self, context: JobContext) -> dict[str, Any]:
        run_next = self.lane.short_jobs("short", lambda job: job.payload["size"] == 1)
        for step in range(5):
            run_next()
            context.check()
            self.log.append(f"step {step}")
        return {}

    def _short(self, context: JobContext) -> dict[str, Any]:
        self.log.append(str(context.payload["name"]))
        self.short(context)
        return {}

    def submit(self, name: str, *, size: int = 1, owner: str = "mika") -> str:
        return self.queue.submit("short", {"name": name, "size": size}, owner=owner).id

    def run_long(self) -> Job:
        return self.lane.run_job(self.queue.submit("long", {}).id)


@pytest.fixture
def house(store: Store) -> House:
    return House(store)


def test_short_jobs_run_one_between_two_steps_and_large_ones_wait(house: House) -> None:
    small, large, other = house.submit("a"), house.submit("grid", size=9), house.submit("b")
    assert house.run_long().status == "done"
    assert house.log == ["a", "step 0", "b", "step 1", "step 2", "step 3", "step 4"]
    assert [house.queue.get(each).status for each in (small, large, other)] == ["done", "waiting", "done"]


def test_a_short_job_that_fails_or_is_cancelled_ends_alone(house: House, caplog: pytest.LogCaptureFixture) -> None:
    failing, cancelled, broken = house.submit("failing"), house.submit("cancelled"), house.submit("broken")

    def short(context: JobContext) -> None:
        if context.job.id == failing:
            raise InputError("It cannot be.", "Choose another.")
        if context.job.id == cancelled:
            house.queue.cancel(cancelled)
            context.check()
        raise ZeroDivisionError

    house.short = short
    with caplog.at_level(logging.CRITICAL):
        assert house.run_long().status == "done"
    ends = [house.queue.get(each) for each in (failing, cancelled, broken)]
    assert [end.status for end in ends] == ["failed", "cancelled", "failed"]
    assert ends[0].error == "It cannot be. Choose another."


def test_what_finds_no_room_beside_the_long_job_waits_for_its_end(house: House) -> None:
    hungry = house.submit("hungry")

    def short(context: JobContext) -> None:
        if "step 4" not in house.log:
            raise ResourceError("No room beside it.", "Wait.")

    house.short = short
    assert house.run_long().status == "done"
    assert house.log.count("hungry") == 1, "it is not tried again and again"
    waiting = house.queue.get(hungry)
    assert (waiting.status, waiting.attempts) == ("waiting", 0)
    assert house.lane.run_job(hungry).status == "done"


def test_owners_take_turns_between_steps_too(house: House) -> None:
    for name in ("a", "b", "c"):
        house.submit(name, owner="mika")
    house.submit("x", owner="ren")
    house.run_long()
    assert [entry for entry in house.log if not entry.startswith("step")] == ["a", "x", "b", "c"]


def test_a_stop_of_the_lane_begins_no_short_job(house: House) -> None:
    first, second = house.submit("first"), house.submit("second")
    house.short = lambda context: house.lane.stop()
    assert house.run_long().status == "waiting", "handed back"
    assert [house.queue.get(each).status for each in (first, second)] == ["done", "waiting"]
