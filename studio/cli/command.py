"""What all commands share: the Studio they open, the voice they answer with, and jobs run to their end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from studio import errors
from studio.cli.output import Output
from studio.studio import Studio


@dataclass
class Call:
    """One call of the command line."""

    home: Path | None = None
    as_json: bool = False

    @property
    def output(self) -> Output:
        """The voice of this call."""
        return Output(self.as_json)

    @contextmanager
    def studio(self) -> Iterator[tuple[Studio, Output]]:
        """The opened Studio and the voice; the Studio is closed afterwards."""
        with Studio.open(self.home) as studio:
            yield studio, self.output


def call_of(context: typer.Context) -> Call:
    """The call that a command belongs to."""
    call = context.find_root().obj
    assert isinstance(call, Call)
    return call


def _ask_for_json(context: typer.Context, value: bool) -> bool:
    if value:
        call_of(context).as_json = True
    return value


Json = Annotated[bool, typer.Option("--json", callback=_ask_for_json, help="Answer with one JSON document on stdout.")]
Context = typer.Context


def group(name: str, words: str) -> typer.Typer:
    """A group of commands that prints its help when called alone."""
    made = typer.Typer(name=name, help=words, rich_markup_mode=None)
    made.callback(invoke_without_command=True)(help_alone)
    return made


def help_alone(context: typer.Context) -> None:
    """Prints the help where no command follows. Typer's own `no_args_is_help` would count that as an error."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def submit_and_finish(studio: Studio, output: Output, title: str, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Submits a job and brings it to its end (see `finish`)."""
    return finish(studio, output, title, studio.jobs.submit(kind, payload).id)


def finish(studio: Studio, output: Output, title: str, job_id: str) -> dict[str, Any]:
    """Brings a job to its end, with a progress bar. Ctrl-C asks it to stop at its next step.

    Returns:
        The job's result.

    Raises:
        StudioError: of the class that the job failed with; Cancelled when it was stopped.
    """
    with output.progress(title) as advance, _stopping_on_interrupt(studio, job_id):
        ended = studio.lane.run_job(job_id, lambda at: advance(at.progress.done, at.progress.total, at.progress.note))
    if ended.status == "done":
        return {"job": ended.id} | ended.result
    if ended.status == "cancelled":
        raise errors.Cancelled(f"Job {ended.id} was stopped.", "What was finished before is kept.")
    raise _error_class(ended.error_slug)(ended.error or f"Job {ended.id} is {ended.status}.", "")


@contextmanager
def _stopping_on_interrupt(studio: Studio, job_id: str) -> Iterator[None]:
    """The first Ctrl-C asks the job to stop; a second one interrupts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        studio.jobs.cancel(job_id)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _error_class(slug: str) -> type[errors.StudioError]:
    """The class of errors.py with that slug."""
    simple = (
        errors.InputError,
        errors.GateError,
        errors.RightsError,
        errors.NotFoundError,
        errors.ConflictError,
        errors.CapabilityError,
        errors.ResourceError,
        errors.Cancelled,
    )
    # FaultsError is made of faults, which a job keeps only as words: InputError has the same exit code.
    return next(
        (kind for kind in simple if kind.slug == slug), errors.InputError if slug == "faults" else errors.StudioError
    )
