"""Builds the command tree and turns every outcome into words, a document and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from studio.cli import compose, demo, generate, jobs, label, listing, models, review, serve, tools, train, users
from studio.cli.command import Call, call_of
from studio.errors import Cancelled, InputError, StudioError

HELP = """From thirty photos of a brand to a listing package, on this machine.

Without a command it opens the studio in the browser, as `serve` does.

The stages, in order: label, train, compose, generate, review, listing. `demo` walks through all of them.
Everything is written under STUDIO_HOME (default ./studio_home)."""

app = typer.Typer(name="app.py", help=HELP, add_completion=False, rich_markup_mode=None)
for part in (label, train, compose, generate, review, listing, tools, models, jobs, users):
    app.add_typer(part.app)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(help="Folder for everything that is written, instead of STUDIO_HOME.")
    ] = None,
) -> None:
    """What is said before the command."""
    call_of(context).home = home
    if context.invoked_subcommand is None:
        serve.serve(context)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line (default: this process's) and returns the exit code; see studio/errors.py for the codes."""
    call = Call()
    try:
        code = app(args=arguments, obj=call, prog_name="app.py", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except StudioError as error:
        return _end(call, error)
    except typer.TyperException as error:
        # Typer finds a fault before --json is read.
        call.as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
        return _end(call, InputError(error.format_message(), "See --help."))
    except typer.Abort:
        return _end(call, Cancelled("Stopped.", "What was finished before is kept."))


def _end(call: Call, error: StudioError) -> int:
    call.output.error(error)
    return error.exit_code
