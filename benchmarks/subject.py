"""A subject as a program: measures itself in a process of its own, and answers with one line of JSON."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import revision
from benchmarks.plan import Plan, add_options, plan_of
from benchmarks.results import Figure, Result
from benchmarks.rounds import Case, alone, compare

Cases = Callable[[Plan, Path], Iterable[Case]]
"""What a subject compares. The folder is empty, and gone afterwards."""
Figures = Callable[[Plan, Path], Sequence[Figure]]


def no_figures(plan: Plan, folder: Path) -> Sequence[Figure]:
    """For a subject that has comparisons only."""
    return ()


def measure(
    subject: str, plan: Plan, conditions: dict[str, str], cases: Cases, figures: Figures = no_figures
) -> Result:
    """All comparisons and figures of a subject, here and now; without peak memory, which takes a process an arm."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        return Result(
            subject=subject,
            comparisons=tuple(compare(case, plan.rounds) for case in cases(plan, Path(folder))),
            figures=tuple(figures(plan, Path(folder))),
            conditions=conditions,
            rounds=plan.rounds,
            measured_at=datetime.now(UTC),
            revision=revision(),
            command=f"python -m benchmarks {subject} {plan.words()}",
            load=load,
        )


def main(
    subject: str, about: str, conditions: Callable[[Plan], dict[str, str]], cases: Cases, figures: Figures = no_figures
) -> None:
    """`python -m benchmarks.<subject>`: prints a Result; with `--alone CASE ARM` that arm's peak memory in MB."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{subject}", description=about)
    parser.add_argument("--alone", nargs=2, metavar=("CASE", "ARM"), help="only the peak memory of one arm")
    add_options(parser)
    options = parser.parse_args()
    plan = plan_of(parser, options)
    if options.alone is None:
        print(measure(subject, plan, conditions(plan), cases, figures).model_dump_json())
        return
    key, arm = options.alone
    with tempfile.TemporaryDirectory() as folder:
        case = next(case for case in cases(plan, Path(folder)) if case.key == key)
        print(alone(case.arms[arm]))
