"""`demo`: the main job on the sample brand, from thirty photos to listing packages, with the network blocked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.command import Context, Json, call_of
from studio.cli.output import table
from studio.demo import run_demo
from studio.errors import ConflictError


def demo(
    context: Context,
    sample: Annotated[Path | None, typer.Option(help="Folder of a sample brand; default: the bundled one.")] = None,
    as_json: Json = False,
) -> None:
    """Walk through all stages on the sample brand, measure what came of it, and show where everything lies."""
    with call_of(context).studio() as (studio, output):
        report = run_demo(studio, output.progress, sample)
        rows = [(stage.stage, f"{stage.seconds:.1f}", stage.quality) for stage in report.stages]
        output.result(report, table(report.sentence(), "stage", "seconds", "measured quality", rows=rows))
        if not as_json:
            for words in (f"contact sheet  {report.contact_sheet}", *(f"package        {p}" for p in report.packages)):
                output.say(words)
        if not report.packages:
            output.say("The rule approved no variant, so nothing was packed. Look at the contact sheet.")
            raise typer.Exit(ConflictError.exit_code)
