"""`make demo` stage by stage: read from the demo's own report, never measured again here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from benchmarks.results import DemoRun
from studio.demo import DemoReport
from studio.errors import InputError, NotFoundError

REPORT = "report.json"


def read_demo(path: Path) -> DemoRun:
    """A demo's report: its JSON file, or the demo's home with `report.json` in it.

    Raises:
        NotFoundError: there is no such file.
        InputError: it is no report of a demo.
    """
    file = path / REPORT if path.is_dir() else path
    if not file.is_file():
        raise NotFoundError(f"There is no report {file}.", "Every demo leaves one in its folder: `make demo`.")
    try:
        report = DemoReport.model_validate_json(file.read_bytes())
    except ValidationError as error:
        what = f"{file} is no report of a demo: {error.errors()[0]['msg']}."
        raise InputError(what, "Run the demo again.") from error
    return DemoRun(
        stages=report.stages,
        seconds=report.seconds,
        peak_memory_mb=report.peak_memory_mb,
        blocked=len(report.blocked),
        reported_at=datetime.fromtimestamp(file.stat().st_mtime, UTC),
    )
