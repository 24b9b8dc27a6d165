"""Measures all subjects, each in a process of its own, and writes docs/benchmarks.md.

    python -m benchmarks                                 everything
    python -m benchmarks images lora_step --rounds 7     some subjects; the others stay as they were
    python -m benchmarks --demo report.json              also the stages of a demo, from its own report
    python -m benchmarks --gpu-results results.json      also the subject gpu, as another machine has measured it
    python -m benchmarks --report-only                   the page again, from what was measured before

Run it while nothing else computes. This process stays small on purpose: Linux counts the memory of the process that
starts another one into the other one's peak.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.demo import read_demo
from benchmarks.machine import this_machine
from benchmarks.plan import Plan, add_options, arguments_of, plan_of
from benchmarks.report import page
from benchmarks.results import Arm, Comparison, Result, Results
from benchmarks.subjects import SUBJECTS
from studio.errors import NotFoundError, StudioError
from studio.settings import REPOSITORY, Settings
from studio.store import write_atomic


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns 1 where a subject failed, or arms did not do the same work."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subjects", nargs="*", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--demo", type=Path, help="a demo's report (JSON), or its home")
    parser.add_argument("--gpu-results", type=Path, help="another machine's file of numbers: its subject gpu is shown")
    parser.add_argument("--report-only", action="store_true", help="measure nothing")
    parser.add_argument("--results", type=Path, help="file that keeps the numbers; default: in STUDIO_HOME")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "benchmarks.md", help="the page")
    add_options(parser)
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.subjects) - set(SUBJECTS))
    if unknown:
        parser.error(f"no such subject: {', '.join(unknown)}")
    asked = () if options.report_only else tuple(options.subjects or SUBJECTS)
    plan, kept = plan_of(parser, options), options.results or Settings().home / "benchmarks.json"
    results = Results.read(kept, this_machine())
    try:
        if options.demo is not None:
            results = results.model_copy(update={"demo": read_demo(options.demo)})
        if options.gpu_results is not None:
            gpu = gpu_of(options.gpu_results)
            results = results.model_copy(update={"subjects": results.subjects | {"gpu": gpu}})
        for subject in asked:
            result = with_memory(subject, plan, measured(subject, plan))
            results = results.model_copy(update={"subjects": results.subjects | {subject: result}})
            results.write(kept)
    except StudioError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    results.write(kept)
    write_atomic(options.output, page(results).encode())
    refused = [c.title for s in asked for c in results.subjects[s].comparisons if c.refused]
    for title in refused:
        print(f"refused, the arms did not do the same work: {title}", file=sys.stderr)
    return 1 if refused else 0


def gpu_of(path: Path) -> Result:
    """The subject gpu of another machine's results. Raises NotFoundError: it is not in them."""
    kept = Results.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None
    if kept is None or "gpu" not in kept.subjects:
        raise NotFoundError(f"{path} holds no results of a GPU.", "There: python -m benchmarks gpu --results FILE")
    return kept.subjects["gpu"]


def measured(subject: str, plan: Plan) -> Result:
    """A subject, measured in a process of its own."""
    print(f"{subject}: {plan.rounds} rounds", file=sys.stderr)
    return Result.model_validate_json(_answer(subject, arguments_of(plan)))


def with_memory(subject: str, plan: Plan, result: Result) -> Result:
    """The same with the peak memory of every arm, each in a process of its own."""

    def filled(comparison: Comparison, arm: Arm) -> Arm:
        print(f"{subject}: memory of {arm.name} ({comparison.key})", file=sys.stderr)
        answer = _answer(subject, ["--alone", comparison.key, arm.name, *arguments_of(plan)])
        return arm.model_copy(update={"peak_memory_mb": float(answer)})

    # A process that hardly needs memory would show the memory of the one that started it: those are left out.
    comparisons = tuple(
        c if c.limit is None else c.model_copy(update={"arms": tuple(filled(c, a) for a in c.arms)})
        for c in result.comparisons
    )
    return result.model_copy(update={"comparisons": comparisons})


def _answer(subject: str, arguments: list[str]) -> str:
    """The last line that a subject's process prints. Raises StudioError where it fails."""
    command = [sys.executable, "-m", f"benchmarks.{subject}", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise StudioError(f"The subject {subject} ended with code {done.returncode}.", "What it said stands above.")
    return done.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    sys.exit(run())
