"""Live previews beside the job queue: of each page the newest pose only, drawn in few steps and kept in memory.

A preview shares the model cache with the jobs. It never waits long for a component that a job holds: it says who has
it, and the page asks again later. Training, which holds a base for hours, borrows the desk instead: it draws the
previews of its base itself, between two steps.
"""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Literal

from studio.errors import Cancelled, StudioError
from studio.models import BusyError
from studio.records.generation import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

State = Literal["ready", "superseded", "drawing", "held", "failed"]
DrawPreview = Callable[[GenerationRequest, Callable[[], None]], "Image"]
"""(request, check) -> the picture; `check` is called before every step and raises Cancelled to stop."""

PREVIEW_STEPS = 6
PAGES_REMEMBERED = 200
IDLE_S = 1.0
"""After so long without a wish the thread that draws ends: an idle one slows others down (see `jobs/lane.py`)."""
_QUALITY = 88
_NOT_BESIDE = ("train", "loading")
"""A training that has not borrowed the desk (it runs in another process, or on another base) leaves nothing free, and
two threads must not import torch at the same time."""


@dataclass(frozen=True)
class PreviewAnswer:
    """What became of one revision.

    Attributes:
        state: `drawing`: not ready within the time that was asked for; `held`: a job has the model; `superseded`: a
            newer revision of the same page took its place.
        picture: a JPEG as a data URI, where the state is `ready`.
        words: why it failed, or the kind of the job that holds the model.
    """

    rev: int
    state: State
    picture: str = ""
    words: str = ""


@dataclass
class _Wish:
    """One revision that a page wants to see."""

    page: str
    rev: int
    request: GenerationRequest
    over: threading.Event = field(default_factory=threading.Event)
    answer: PreviewAnswer | None = None

    def end(self, state: State, picture: str = "", words: str = "") -> None:
        self.answer = PreviewAnswer(self.rev, state, picture, words)
        self.over.set()


class PreviewDesk:
    """Draws in one thread of its own, or in that of a training that has borrowed it; pages in turn.

    Args:
        draw: draws one request.
        holder: the kind of the job that runs now (`train`, `generate`), `loading` while libraries are loaded, or empty.
    """

    def __init__(self, draw: DrawPreview, holder: Callable[[], str]) -> None:
        self._draw, self._holder = draw, holder
        self._changed = threading.Condition()
        self._newest: OrderedDict[str, _Wish] = OrderedDict()
        self._waiting: OrderedDict[str, _Wish] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lent_base = ""

    def ask(self, page: str, rev: int, request: GenerationRequest, *, wait_s: float = 8.0) -> PreviewAnswer:
        """The preview of a page's revision. Asking again for the same revision waits for the same drawing.

        Args:
            page: whoever looks; each page has one newest revision.
            rev: grows with every change; an older one than the newest is superseded at once.
        """
        wish = self._place(page, rev, request)
        if not wish.over.wait(wait_s):
            return PreviewAnswer(rev, "drawing")
        assert wish.answer is not None
        return wish.answer

    @contextmanager
    def lent(self, base: str) -> Iterator[Callable[[], bool]]:
        """While the block lasts, the previews of a base wait for whoever borrowed the desk, who holds that base.

        Yields what draws one preview in the caller's thread, and tells whether one was wanted.
        """
        with self._changed:
            self._lent_base = base
        try:
            yield self._draw_one
        finally:
            with self._changed:
                self._lent_base = ""
                self._wake()

    def close(self) -> None:
        """Stops at the next step; whoever waits is told so."""
        with self._changed:
            self._closed = True
            for wish in self._newest.values():
                if not wish.over.is_set():
                    wish.end("superseded")
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _place(self, page: str, rev: int, request: GenerationRequest) -> _Wish:
        with self._changed:
            newest = self._newest.get(page)
            wish = _Wish(page, rev, request)
            if newest is not None and rev == newest.rev and not _may_try_again(newest):
                return newest
            if self._closed or (newest is not None and rev < newest.rev):
                wish.end("superseded")
                return wish
            if newest is not None and not newest.over.is_set():
                newest.end("superseded")
            self._newest[page] = self._waiting[page] = wish
            self._newest.move_to_end(page)
            while len(self._newest) > PAGES_REMEMBERED:
                self._newest.popitem(last=False)
            self._wake()
            return wish

    def _wake(self) -> None:
        """Called with the condition held."""
        if self._thread is None and self._waiting:
            self._thread = threading.Thread(target=self._work, name="previews", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wanted(lent=False) is not None, IDLE_S)
                wish = None if self._closed else self._take(lent=False)
                if wish is None:
                    self._thread = None
                    return
            holder = self._holder()
            if holder in _NOT_BESIDE:
                self._end(wish, "held", words=holder)
            else:
                self._do(wish)

    def _draw_one(self) -> bool:
        with self._changed:
            wish = self._take(lent=True)
        if wish is not None:
            self._do(wish)
        return wish is not None

    def _take(self, *, lent: bool) -> _Wish | None:
        """The next wish, of the base that is lent or of any other; called with the condition held."""
        page = self._wanted(lent=lent)
        return None if page is None else self._waiting.pop(page)

    def _wanted(self, *, lent: bool) -> str | None:
        """The page whose wish is next; called with the condition held."""
        pages = (page for page, wish in self._waiting.items() if (wish.request.base == self._lent_base) == lent)
        return next(pages, None)

    def _do(self, wish: _Wish) -> None:
        def check() -> None:
            if wish.over.is_set():
                raise Cancelled("A newer pose took the place of this preview.")

        try:
            check()
            self._end(wish, "ready", picture=as_data_uri(self._draw(wish.request, check)))
        except Cancelled:
            return
        except BusyError:
            self._end(wish, "held", words=self._holder())
        except StudioError as error:
            self._end(wish, "failed", words=f"{error.message} {error.next_step}".strip())
        except Exception as error:  # a preview that fails must not end the thread that draws them
            self._end(wish, "failed", words=f"Unexpected {type(error).__name__}: {error}")

    def _end(self, wish: _Wish, state: State, picture: str = "", words: str = "") -> None:
        with self._changed:
            if not wish.over.is_set():
                wish.end(state, picture, words)


def as_data_uri(image: Image) -> str:
    """A picture as a JPEG that a page shows without asking for a file."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def quick(request: GenerationRequest, few_steps: int | None = None) -> GenerationRequest:
    """The same picture in few steps; of a part that may change little, in as many as leave one to draw.

    Args:
        few_steps: what the base's own few-step weights need, which hold its guidance; None: it brings none.
    """
    steps = few_steps or PREVIEW_STEPS
    few = steps if request.inpaint is None else max(steps, ceil(1 / request.inpaint.strength))
    guided = {} if few_steps is None else {"guidance_scale": 1.0}
    return request.model_copy(update={"num_inference_steps": min(few, request.num_inference_steps), **guided})


def _may_try_again(wish: _Wish) -> bool:
    return wish.answer is not None and wish.answer.state in ("held", "failed")
