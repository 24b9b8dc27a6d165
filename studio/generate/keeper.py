"""Keeper: writes finished pictures beside the drawing of the next ones.

Encoding a large PNG takes as long as several denoising steps. Files are written in a thread of their own, rows in the
thread of the job, which holds its lease; a picture counts as finished when its row is there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from studio.generate.pictures import Drawn


class Keeper:
    """Keeps pictures in the order in which they are taken. Use it as a context manager: at its end all are kept, also
    those that were drawn before a cancel or a failure.

    Args:
        write: writes the file of a picture and returns its sha256; called in the other thread.
        row: stores what is known of a picture that is written; called in the thread that takes.
    """

    def __init__(self, write: Callable[[Drawn], str], row: Callable[[Drawn, str], None]) -> None:
        self._write, self._row = write, row
        self._pool = ThreadPoolExecutor(1, "keeper")
        self._waiting: deque[tuple[Drawn, Future[str]]] = deque()

    def take(self, drawn: Drawn) -> None:
        """Begin to keep a picture, and finish those that are written by now. Raises what `write` or `row` raised."""
        self._waiting.append((drawn, self._pool.submit(self._write, drawn)))
        while self._waiting and self._waiting[0][1].done():
            self._finish()

    def _finish(self) -> None:
        drawn, written = self._waiting.popleft()
        self._row(drawn, written.result())

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._waiting:
                self._finish()
        finally:
            self._pool.shutdown()
