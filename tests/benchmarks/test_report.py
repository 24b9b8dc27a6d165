"""The page tells what was measured, refuses what was not the same, and holds no number of its own."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks import variants
from benchmarks.__main__ import gpu_of, run
from benchmarks.demo import read_demo
from benchmarks.machine import Machine, this_machine
from benchmarks.plan import Plan, add_options, arguments_of, plan_of
from benchmarks.report import NOT_YET, page, seconds, table
from benchmarks.results import Arm, Comparison, Figure, Result, Results, Timing
from benchmarks.subjects import SUBJECTS
from benchmarks.targets import TARGETS
from studio.demo import DemoReport, StageResult
from studio.errors import InputError, NotFoundError

MACHINE = Machine(
    cpu="A CPU", vector_units=("avx2",), cores=2, ram_gb=8.0, system="Linux", python="3.11", libraries={"torch": "2"}
)


def arm(name: str, each_s: tuple[float, ...], difference: float = 0.0, memory: float | None = None) -> Arm:
    timings = tuple(Timing(wall_s=s, cpu_s=2 * s) for s in each_s)
    return Arm(name=name, first=timings[0], timings=timings, difference=difference, peak_memory_mb=memory)


def result(*arms: Arm, rounds: int = 5) -> Result:
    comparison = Comparison(
        key="k", title="A comparison", unit="picture", per_round=2, compares="pixels", limit=1e-4, arms=arms
    )
    return Result(
        subject="images", comparisons=(comparison,), figures=(Figure(what="reading", value=0.25),),
        conditions={"steps": "20"}, rounds=rounds, measured_at=datetime(2030, 1, 2, tzinfo=UTC), revision="abc",
        command="python -m benchmarks images", load=0.1,
    )  # fmt: skip


def test_a_page_without_measurements_says_so_in_every_section() -> None:
    text = page(Results(machine=MACHINE))
    assert text.count(NOT_YET) == len(SUBJECTS) + 1
    assert "A CPU" in text
    assert text.count("not measured yet") == len(TARGETS)
    found = text.partition("## Where the studio is slower")[2]
    assert not re.search(r"\d (s|ms|MB)\b", found), "no number that was not measured"


def test_the_table_holds_median_least_ratio_memory_and_difference() -> None:
    arms = arm("plain", (4.0, 6.0, 5.0), memory=900.4), arm("ours", (2.0, 3.0, 2.5), difference=2e-6)
    text = page(Results(machine=MACHINE, subjects={"images": result(*arms)}))
    assert "| plain | 2.50 s | 2.00 s | 5.00 s | 4.00 s | 2.00 s |  | 900 MB |  |" in text
    assert "| ours | 1.25 s | 1.00 s | 2.50 s | 2.00 s | 1.00 s | 2.00x | not measured | 2.0e-06 |" in text
    assert "- reading: 0.250 s" in text
    assert "2030-01-02 at revision abc" in text


def lossy(*arms: Arm, **fields: Any) -> Results:
    """Results whose comparison is that of the variants."""
    made = result(*arms)
    changed = made.comparisons[0].model_copy(update={"key": "fp32", **fields})
    return Results(machine=MACHINE, subjects={"variants": made.model_copy(update={"comparisons": (changed,)})})


def test_another_outcome_on_purpose_is_told_with_its_difference_and_absent_arms_say_why() -> None:
    arms = arm("plain", (4.0,)), arm("half", (8.0,), difference=0.1), arm("draft", (2.0,), difference=0.25)
    differs = {"draft": "guidance ends early.", "half": "rounded."}
    text = page(lossy(*arms, differs=differs, absent={"OpenVINO": "not run: no package"}, beside="half"))
    assert "| 2.00x, another outcome | not measured | 2.5e-01 |" in text
    assert "- Another outcome on purpose, draft: guidance ends early." in text
    assert "- draft: 4.00x half" in text
    assert "| OpenVINO | not run: no package |" in text
    broken = arm("draft", (2.0,), difference=float("inf"))
    assert "refused: not the same" in page(lossy(arms[0], broken, differs=differs))


def test_targets_and_what_is_slower_than_stock_follow_from_the_results() -> None:
    names = variants.PLAIN, variants.EXACT, variants.DRAFT
    text = page(lossy(arm(names[0], (4.0,)), arm(names[1], (5.0,)), arm(names[2], (1.0,), difference=1e-5)))
    assert "| variants, exact, against the plain loop | at least 1.1x | 0.80x | **no** |" in text
    assert "| variants, draft, against the plain fp32 loop | at least 2x | 4.00x | yes |" in text
    assert "A comparison: studio's engine, exact, fp32 2.50 s, plain loop, fp32 2.00 s" in text
    assert "Nowhere in what was measured" in page(lossy(arm(names[0], (4.0,)), arm(names[1], (3.0,))))


def test_a_share_of_the_peak_is_told_where_it_is_known() -> None:
    text = page(lossy(arm("plain", (4.0,)), flops=1e12, peak_flops=1e13))
    assert "- plain: 5.0% of the device's peak" in text


def test_a_gpu_of_another_machine_is_shown_here(tmp_path: Path) -> None:
    there = Results(machine=MACHINE, subjects={"gpu": result(arm("a", (1.0,)))})
    there.write(tmp_path / "there.json")
    output = tmp_path / "page.md"
    options = ["--report-only", "--results", str(tmp_path / "here.json"), "--output", str(output)]
    assert run([*options, "--gpu-results", str(tmp_path / "there.json")]) == 0
    assert "| a | 0.500 s |" in output.read_text(encoding="utf-8")
    with pytest.raises(NotFoundError, match="no results of a GPU"):
        gpu_of(tmp_path / "here_too.json")


def test_no_speed_up_of_other_work_and_few_rounds_are_called_a_trial() -> None:
    arms = arm("plain", (4.0,)), arm("ours", (1.0,), difference=0.3)
    text = page(Results(machine=MACHINE, subjects={"images": result(*arms, rounds=1)}))
    assert "refused: not the same" in text
    assert "4.00x" not in text
    assert "no measurement" in text


def test_results_are_kept_but_not_those_of_another_machine(tmp_path: Path) -> None:
    kept = Results(machine=MACHINE, subjects={"images": result(arm("a", (1.0,)))})
    kept.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json", MACHINE) == kept
    other = MACHINE.model_copy(update={"cores": 4})
    assert Results.read(tmp_path / "results.json", other) == Results(machine=other)


def test_the_page_is_written_again_with_the_stages_of_a_demo(tmp_path: Path) -> None:
    stage = StageResult(stage="train", seconds=61.5, quality="loss | verdict")
    report = DemoReport(
        home=tmp_path, stages=(stage,), pairs=(), median_fall=None, contact_sheet=tmp_path, packages=(),
        contact_sheet_without=tmp_path, refusal="too small", blocked=(), seconds=90.0, peak_memory_mb=1500.2,
    )  # fmt: skip
    (tmp_path / "report.json").write_text(report.model_dump_json(), encoding="utf-8")
    output, kept = tmp_path / "benchmarks.md", tmp_path / "results.json"
    options = ["--report-only", "--results", str(kept), "--output", str(output)]
    assert run([*options, "--demo", str(tmp_path)]) == 0
    assert run(options) == 0, "what was told before is kept"
    text = output.read_text(encoding="utf-8")
    assert "| train | 61.5 s | loss \\| verdict |" in text
    assert "1500 MB" in text
    assert str(tmp_path) not in text
    with pytest.raises(NotFoundError):
        read_demo(tmp_path / "none.json")
    with pytest.raises(InputError, match="no report of a demo"):
        read_demo(kept)


def test_a_plan_goes_through_the_command_line_and_tells_no_folder(tmp_path: Path) -> None:
    assert Plan(threads=2).words() == "--threads 2"
    plan = Plan(threads=2, rounds=3, looks=("a", "b"), presets=tmp_path / "presets")
    parser = argparse.ArgumentParser()
    add_options(parser)
    assert plan_of(parser, parser.parse_args(arguments_of(plan))) == plan
    assert str(tmp_path) not in Plan(presets=tmp_path / "presets").words()


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.000412, "0.412 ms"), (0.0125, "12.5 ms"), (0.25, "0.250 s"), (12.34, "12.3 s"), (1234.5, "1234 s")],
)
def test_durations_keep_three_digits(value: float, words: str) -> None:
    assert seconds(value) == words


def test_a_cell_cannot_break_its_table() -> None:
    assert table(("a", "b"), [("x|y", "two\nlines")]).splitlines()[-1] == "| x\\|y | two lines |"


def test_this_machine_is_told() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.ram_gb > 0
    assert machine.libraries["torch"] != "unknown"
