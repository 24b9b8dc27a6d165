"""What a command says and where: one result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from studio.errors import FaultsError, StudioError

OnProgress = Callable[[int, int, str], None]
"""(done, total, note)"""


class Output:
    """The voice of one command. With `as_json`, stdout carries exactly one JSON document."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self._words = Console(stderr=True, highlight=False)

    def result(self, data: object, words: str | Table) -> None:
        """The command's answer: `data` for machines, `words` for people."""
        if self.as_json:
            print(json.dumps(plain(data), ensure_ascii=False, indent=2))
        elif isinstance(words, Table):
            Console(highlight=False).print(words)
        else:
            print(words)

    def say(self, words: str) -> None:
        """A remark for the person, never part of the answer."""
        self._words.print(escape(words))

    @contextmanager
    def progress(self, title: str) -> Iterator[OnProgress]:
        """A bar with the time left. Where stderr is no terminal, one line at the end instead of a bar."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._words) as bar:
            task = bar.add_task(escape(title), total=None, note="")

            def advance(done: int, total: int, note: str = "") -> None:
                bar.update(task, completed=done, total=total or None, note=escape(note))

            yield advance

    def error(self, error: StudioError) -> None:
        """An expected error: plain words on stderr; with `as_json` the problem object is the one document on stdout."""
        self._words.print(escape(str(error)), style="red", soft_wrap=True)
        if self.as_json:
            print(json.dumps(problem(error), ensure_ascii=False, indent=2))


def problem(error: StudioError) -> dict[str, Any]:
    """An error in the members of RFC 9457, with what a program needs beside them."""
    told: dict[str, Any] = {
        "type": f"urn:sasage-studio:{error.slug}",
        "title": error.slug.replace("-", " "),
        "detail": error.message,
        "next_step": error.next_step,
        "exit_code": error.exit_code,
    }
    if isinstance(error, FaultsError):
        told["faults"] = [fault._asdict() for fault in error.faults]
    return told


def plain(data: object) -> Any:
    """Records, paths and tuples as what JSON knows."""
    if isinstance(data, BaseModel):
        return data.model_dump(mode="json")
    if isinstance(data, Mapping):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, str | int | float | bool | None):
        return data
    if hasattr(data, "_asdict"):
        return plain(data._asdict())
    if isinstance(data, Sequence | set | frozenset):
        return [plain(item) for item in data]
    return str(data)


def table(title: str, *columns: str, rows: Sequence[Sequence[object]]) -> Table:
    """A table whose cells are shown as they are, never read as markup."""
    folded = (Column(column, overflow="fold") for column in columns)  # a name that is cut short cannot be typed
    made = Table(*folded, title=escape(title))
    for row in rows:
        made.add_row(*(escape("" if cell is None else visible(str(cell))) for cell in row))
    return made


def visible(text: str) -> str:
    """Text from outside without the power to move the cursor or turn the line: such signs are spelt out."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def stdout_is_terminal() -> bool:
    """Whether a person reads the answer."""
    return sys.stdout.isatty()
