"""Writes docs/benchmarks.md from what was measured. Every number on the page comes from the results."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.results import Arm, Comparison, DemoRun, Figure, Result, Results
from benchmarks.subjects import SUBJECTS, Subject
from benchmarks.targets import TARGETS, measured, slower

FEWEST_ROUNDS = 5
HEAD = """# Benchmarks

Written by `python -m benchmarks`; changes by hand are lost with the next run.

Every subject runs in one process: the same weights, seeds, steps, threads and number format, and the arms in turn
(A B A B). The first round of each arm warms up and counts for nothing. Each round is timed as a whole and divided by
what it did. Tables give median and minimum over the rounds, of wall time and of CPU time (all threads and child
processes together). A speed-up is the median wall time of the table's first row divided by the arm's own: below 1 the
arm is slower. It is told where the outcomes are the same within the limit, or are other ones on purpose (a draft, half
precision), which is then said with the difference; and refused otherwise. Peak memory is the greatest resident memory
(`getrusage`) of a process of its own that did one round of one arm and nothing else, imports included."""
NOT_YET = "Not measured on this machine yet."
COLUMNS = (
    "", "wall, median", "wall, least", "CPU, median", "CPU, least", "first round", "speed-up", "peak memory",
    "greatest difference",
)  # fmt: skip


def page(results: Results) -> str:
    """The whole page in Markdown."""
    parts = [HEAD, _machine(results), "\n\n".join(_targets(results)), "\n\n".join(_slower(results))]
    for key, subject in SUBJECTS.items():
        parts.append("\n\n".join(_section(subject, results.subjects.get(key))))
    parts.append("\n\n".join(_demo(results.demo)))
    return "\n\n".join(parts) + "\n"


def _machine(results: Results) -> str:
    machine = results.machine
    rows = {
        "CPU": machine.cpu,
        "cores in use": str(machine.cores),
        "vector units": ", ".join(machine.vector_units) or "unknown",
        "RAM": f"{machine.ram_gb} GB",
        "system": f"{machine.system}, Python {machine.python}",
        "libraries": ", ".join(f"{name} {version}" for name, version in machine.libraries.items()),
    }
    return "## Machine\n\n" + table(("", ""), rows.items())


def _targets(results: Results) -> Iterator[str]:
    """What was to be reached, and what was."""
    yield "## Targets"
    rows = []
    for target in TARGETS:
        found, is_time = measured(target, results), target.at_most_s > 0
        asked = f"at most {seconds(target.at_most_s)}" if is_time else f"at least {target.at_least:g}x"
        if found is None:
            rows.append((target.words, asked, "not measured yet", ""))
            continue
        value, met = found
        rows.append((target.words, asked, seconds(value) if is_time else f"{value:.2f}x", "yes" if met else "**no**"))
    yield table(("", "target", "measured", "met"), rows)


def _slower(results: Results) -> Iterator[str]:
    """Every pair in which stock took less time, from the tables below."""
    yield "## Where the studio is slower than stock"
    lines = [
        f"- {SUBJECTS[subject].title}, {comparison.title}: {arm.name} {seconds(comparison.median_s(arm))}, "
        f"{stock.name} {seconds(comparison.median_s(stock))}"
        for subject, comparison, arm, stock in slower(results)
        if subject in SUBJECTS
    ]
    yield "\n".join(lines) if lines else "Nowhere in what was measured here."


def _section(subject: Subject, result: Result | None) -> Iterator[str]:
    yield f"## {subject.title}"
    yield f"**What is compared.** {subject.compared}"
    yield f"**Where they differ.** {subject.favours}"
    yield f"**What the numbers do not say.** {subject.silent}"
    if result is None:
        yield NOT_YET
        return
    yield _stamp(result)
    yield table(("", ""), result.conditions.items())
    for comparison in result.comparisons:
        yield (
            f"### {comparison.title}\n\nSeconds a {comparison.unit}."
            + _compares(comparison)
            + _fewer(comparison, result)
        )
        absent = ((name, *(why,) * (len(COLUMNS) - 1)) for name, why in comparison.absent.items())
        yield table(COLUMNS, (*(_row(comparison, arm) for arm in comparison.arms), *absent))
        notes = list(_notes(comparison))
        if notes:
            yield "\n".join(notes)
    if result.figures:
        yield "\n".join(f"- {figure.what}: {_figure(figure)}" for figure in result.figures)


def _figure(figure: Figure) -> str:
    if figure.unit != "s":
        return f"{figure.value:.0f}" + (" MB" if figure.unit == "MB" else "")
    spread = "" if figure.p95 is None else f" in the median of {figure.count}, 95th percentile {seconds(figure.p95)}"
    return seconds(figure.value) + spread


def _stamp(result: Result) -> str:
    words = (
        f"Measured on {result.measured_at:%Y-%m-%d} at revision {result.revision}, {result.rounds} rounds, "
        f"load average {result.load:.1f} in the minute before: `{result.command}`."
    )
    if result.rounds < FEWEST_ROUNDS:
        words += f" **Fewer than {FEWEST_ROUNDS} rounds: a trial of the programs, no measurement.**"
    return words


def _compares(comparison: Comparison) -> str:
    if comparison.limit is None:
        return " The rows do different work, so no speed-up is told."
    return f" The difference is that of {comparison.compares}; at most {comparison.limit:g} is the same."


def _fewer(comparison: Comparison, result: Result) -> str:
    counts = {len(arm.timings) for arm in comparison.arms}
    fewer = counts and max(counts) < result.rounds
    return f" {max(counts)} rounds only, because they take long." if fewer else ""


def _notes(comparison: Comparison) -> Iterator[str]:
    """What the table has no room for."""
    for arm in comparison.arms:
        if arm.name in comparison.differs:
            yield f"- Another outcome on purpose, {arm.name}: {comparison.differs[arm.name]}"
    for arm in comparison.arms:
        share = comparison.utilisation(arm)
        if share is not None:
            yield f"- {arm.name}: {share:.1%} of the device's peak (MFU), by the stock way's operations"
    for arm in comparison.arms[1:]:
        ratio = comparison.ratio(arm, comparison.beside) if comparison.beside else None
        if ratio is not None and arm.name != comparison.beside:
            yield f"- {arm.name}: {ratio:.2f}x {comparison.beside}"


def _row(comparison: Comparison, arm: Arm) -> tuple[str, ...]:
    wall, cpu = comparison.wall_s(arm), comparison.cpu_s(arm)
    return (
        arm.name,
        seconds(statistics.median(wall)),
        seconds(min(wall)),
        seconds(statistics.median(cpu)),
        seconds(min(cpu)),
        seconds(arm.first.wall_s / comparison.per_round),
        _speed_up(comparison, arm),
        "not measured" if arm.peak_memory_mb is None else f"{arm.peak_memory_mb:.0f} MB",
        "" if comparison.limit is None or arm is comparison.arms[0] else f"{arm.difference:.1e}",
    )


def _speed_up(comparison: Comparison, arm: Arm) -> str:
    if comparison.limit is None or arm is comparison.arms[0]:
        return ""
    ratio = comparison.ratio(arm)
    if ratio is None:
        return "refused: not the same"
    return f"{ratio:.2f}x" + ("" if comparison.same(arm) else ", another outcome")


def _demo(run: DemoRun | None) -> Iterator[str]:
    yield "## `make demo`, stage by stage"
    yield (
        "From the demo's own report: wall seconds of each stage in one run, not repeated and not compared with "
        "anything. The demo's own checks say what it measured of quality."
    )
    if run is None:
        yield NOT_YET
        return
    yield f"Reported on {run.reported_at:%Y-%m-%d}."
    rows = [(stage.stage, seconds(stage.seconds), stage.quality) for stage in run.stages]
    yield table(("stage", "wall", "what it told"), [*rows, ("in all", seconds(run.seconds), "")])
    yield (
        f"At most {run.peak_memory_mb:.0f} MB of resident memory; {run.blocked} attempts to reach the network, which "
        "was blocked."
    )


def seconds(value: float) -> str:
    """A duration with three digits that count, in s or ms."""
    number, unit = (value, "s") if value >= 0.1 else (value * 1000, "ms")
    whole = len(str(int(number))) if number >= 1 else 0
    return f"{number:.{max(0, 3 - whole)}f} {unit}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are shown as they are."""
    lines = [tuple(columns), ("---",) * len(columns), *(tuple(_cell(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
