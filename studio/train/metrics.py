"""`metrics.jsonl`: one line a measurement, appended as training goes; page and command line tail it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from studio.store import write_atomic

Metric = dict[str, float]
"""`step` and either `loss`, `learning_rate`, `seconds` of a step, or `held_out_loss` and `train_loss`
(both on fixed noise and timesteps, so that they may be compared with each other and from step to step)."""


class Metrics:
    """The measurements of one run.

    Args:
        last_step: lines after it are dropped. A resumed run measures those steps again.
    """

    def __init__(self, path: Path, last_step: int) -> None:
        self._path = path
        kept = [row for row in read_metrics(path) if row["step"] <= last_step]
        write_atomic(path, "".join(map(_line, kept)).encode())
        self.rows = kept

    def append(self, row: Metric) -> None:
        """Add one line."""
        self.rows.append(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(row))

    def sync(self) -> None:
        """Put all lines on the disk; called before a checkpoint that relies on them."""
        with self._path.open("rb") as file:
            os.fsync(file.fileno())

    def curve(self, name: str) -> tuple[tuple[int, float], ...]:
        """(step, value) of one metric, in order of steps."""
        return tuple((int(row["step"]), row[name]) for row in self.rows if name in row)


def read_metrics(path: Path) -> list[Metric]:
    """All whole lines of a metrics file; a line that a crash cut short is left out. Empty where there is no file."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break  # only the last line can be broken, and what would follow it is unknown
    return rows


def _line(row: Metric) -> str:
    return json.dumps(row) + "\n"
