"""Previews: the newest revision of a page wins, pages do not disturb each other, and a held model is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from studio.errors import InputError
from studio.generate import PreviewDesk
from studio.generate import preview as preview_module
from studio.models import BusyError
from studio.records.generation import GenerationRequest
from tests.generate.conftest import request


class Studio:
    """Draws in steps that the test lets through."""

    def __init__(self) -> None:
        self.steps = 0
        self.go = threading.Event()
        self.began = threading.Event()
        self.holder = ""
        self.fails: Exception | None = None

    def draw(self, asked: GenerationRequest, check: Callable[[], None]) -> Image.Image:
        self.began.set()
        if self.fails is not None:
            raise self.fails
        for _ in range(3):
            while not self.go.wait(0.01):
                check()
            check()
            self.steps += 1
        return Image.new("RGB", (8, 8))


@pytest.fixture
def house() -> Studio:
    return Studio()


@pytest.fixture
def desk(house: Studio) -> Iterator[PreviewDesk]:
    opened = PreviewDesk(house.draw, lambda: house.holder)
    yield opened
    house.go.set()
    opened.close()


def test_a_newer_revision_stops_the_drawing_of_an_older_one(desk: PreviewDesk, house: Studio) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(desk.ask, "mika", 1, request())
        assert house.began.wait(30)
        second = pool.submit(desk.ask, "mika", 2, request())
        assert first.result(30).state == "superseded"
        house.go.set()
        assert second.result(30).state == "ready"
    assert house.steps == 3


def test_of_many_waiting_revisions_only_the_newest_is_drawn(desk: PreviewDesk, house: Studio) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = []
        for rev in range(1, 6):
            answers.append(pool.submit(desk.ask, "mika", rev, request()))
            time.sleep(0.02)
        house.go.set()
        assert [answer.result(30).state for answer in answers] == ["superseded"] * 4 + ["ready"]
    assert house.steps == 3


def test_an_older_revision_that_comes_late_is_not_drawn(desk: PreviewDesk, house: Studio) -> None:
    house.go.set()
    assert desk.ask("mika", 5, request()).state == "ready"
    assert desk.ask("mika", 4, request()).state == "superseded"


def test_pages_do_not_supersede_each_other(desk: PreviewDesk, house: Studio) -> None:
    with ThreadPoolExecutor() as pool:
        one, other = pool.submit(desk.ask, "mika", 9, request()), pool.submit(desk.ask, "ren", 1, request())
        house.go.set()
        assert (one.result(30).state, other.result(30).state) == ("ready", "ready")


def test_who_does_not_wait_long_may_ask_again_for_the_same_drawing(desk: PreviewDesk, house: Studio) -> None:
    assert desk.ask("mika", 1, request(), wait_s=0.05).state == "drawing"
    house.go.set()
    assert desk.ask("mika", 1, request()).state == "ready"
    assert house.steps == 3


def test_while_training_holds_the_model_nothing_is_drawn_and_it_goes_on_afterwards(
    desk: PreviewDesk, house: Studio
) -> None:
    house.holder = "train"
    house.go.set()
    answer = desk.ask("mika", 1, request())
    assert (answer.state, answer.words) == ("held", "train")
    house.holder = ""
    assert desk.ask("mika", 1, request()).state == "ready"


def test_a_failure_is_told_and_the_next_preview_is_drawn(desk: PreviewDesk, house: Studio) -> None:
    house.go.set()
    house.holder = "generate"
    house.fails = BusyError("unet is in use.", "Try again.")
    assert desk.ask("mika", 1, request()).state == "held"
    house.fails = InputError("It cannot be.", "Choose another.")
    assert desk.ask("mika", 2, request()).words == "It cannot be. Choose another."
    house.fails = None
    assert desk.ask("mika", 3, request()).state == "ready"


def test_a_borrowed_desk_draws_only_where_it_is_called_and_other_bases_are_held(
    desk: PreviewDesk, house: Studio
) -> None:
    house.go.set()
    house.holder = "train"
    with desk.lent("croquis") as draw_one:
        assert not draw_one()
        assert desk.ask("mika", 1, request(), wait_s=0.1).state == "drawing"
        assert desk.ask("ren", 1, request(), wait_s=0.0).state == "drawing"
        other = desk.ask("aki", 1, request(base="other"))
        assert (other.state, other.words) == ("held", "train")
        assert house.steps == 0
        assert draw_one()
        assert desk.ask("mika", 1, request(), wait_s=0.0).state == "ready"
        assert desk.ask("ren", 1, request(), wait_s=0.0).state == "drawing", "one at a call"
        assert house.steps == 3
    house.holder = ""
    assert desk.ask("ren", 1, request()).state == "ready", "the desk goes on by itself afterwards"


def test_a_newer_pose_stops_a_preview_that_training_draws(desk: PreviewDesk, house: Studio) -> None:
    with desk.lent("croquis") as draw_one, ThreadPoolExecutor() as pool:
        desk.ask("mika", 1, request(), wait_s=0.0)
        drawing = pool.submit(draw_one)
        assert house.began.wait(30)
        newer = pool.submit(desk.ask, "mika", 2, request())
        assert drawing.result(30), "training goes on at once"
        house.go.set()
        assert draw_one()
        assert newer.result(30).state == "ready"
        house.fails = InputError("It cannot be.", "Choose another.")
        failing = pool.submit(desk.ask, "mika", 3, request())
        while not draw_one():
            time.sleep(0.01)
        assert failing.result(30).state == "failed"


def drawing() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "previews"]


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_thread_that_draws_ends_when_nothing_is_wanted_and_comes_back(
    desk: PreviewDesk, house: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_module, "IDLE_S", 0.05)
    house.go.set()
    for rev in (1, 2):
        assert desk.ask("mika", rev, request()).state == "ready"
        until(lambda: not drawing())


def test_what_a_borrower_left_is_drawn_after_the_thread_has_ended(
    desk: PreviewDesk, house: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_module, "IDLE_S", 0.05)
    house.go.set()
    with desk.lent("croquis"):
        assert desk.ask("mika", 1, request(), wait_s=0.0).state == "drawing"
        until(lambda: not drawing())
        assert house.steps == 0
    assert desk.ask("mika", 1, request()).state == "ready"
