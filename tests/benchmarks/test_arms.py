"""The arms of every subject do the same work on the tiny base, and one that does other work is refused."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import images, lora_step, lora_switch, plain_start, preview, start
from benchmarks.images import SHORT_RANGE
from benchmarks.pictures import presets_of, requests_of
from benchmarks.plan import Plan
from benchmarks.rounds import alone, compare
from benchmarks.subject import measure
from studio.cli import main as command_line
from tests.few_step_files import write_few_step

COPY = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"


def test_both_arms_draw_the_same_pictures_with_control_in_all_steps_or_some(plan: Plan) -> None:
    result = measure("images", plan, images.conditions(plan), images.cases)
    assert [comparison.key for comparison in result.comparisons] == ["whole", "part"]
    for comparison in result.comparisons:
        assert comparison.per_round == 2
        assert 0 <= comparison.arms[1].difference <= 1e-4
        assert comparison.ratio(comparison.arms[1]) is not None


def test_the_requests_have_seeds_of_their_own_and_the_range_that_was_asked(plan: Plan) -> None:
    requests = requests_of(plan, control_guidance_end=SHORT_RANGE)
    assert [r.seed for r in requests] == [0, 1]
    assert {r.control_guidance_end for r in requests} == {SHORT_RANGE}
    assert {r.num_inference_steps for r in requests} == {2}


def test_previews_are_drawn_with_few_step_weights_where_there_are_some(plan: Plan, tmp_path: Path) -> None:
    [plain] = measure("preview", plan, preview.conditions(plan), preview.cases).comparisons
    assert [arm.name for arm in plain.arms] == [preview.FULL, preview.ALONE]
    assert set(plain.absent) == {preview.FEW}
    shutil.copytree(plan.presets, tmp_path / "presets")
    write_few_step(tmp_path / "presets" / "bases" / plan.base)
    own = plan.model_copy(update={"presets": tmp_path / "presets"})
    [comparison] = measure("preview", own, preview.conditions(own), preview.cases).comparisons
    few = comparison.arms[2]
    assert few.name == preview.FEW
    assert few.difference > 0.01
    assert comparison.ratio(few) is not None


def test_other_pictures_are_refused(plan: Plan) -> None:
    case = images.case("whole", "Control", plan, requests_of(plan))
    others = [request.model_copy(update={"seed": request.seed + 1}) for request in requests_of(plan)]
    changed = {**case.arms, images.STUDIO: partial(images.studio_arm, presets_of(plan), others, 1)}
    comparison = compare(case._replace(arms=changed), rounds=1)
    assert comparison.refused
    assert comparison.ratio(comparison.arms[1]) is None


def test_both_arms_train_with_the_same_losses(plan: Plan) -> None:
    result = measure("lora_step", plan, lora_step.conditions(plan), lora_step.cases, lora_step.figures)
    comparison, beside = result.comparisons
    assert comparison.arms[1].difference <= 1e-4
    assert comparison.ratio(comparison.arms[1]) is not None
    assert [arm.name for arm in beside.arms] == [lora_step.STUDIO]
    assert beside.absent == {lora_step.SCRIPT: "not run"}
    assert [figure.value > 0 for figure in result.figures] == [True, True]


def test_the_plain_loop_learns(plan: Plan) -> None:
    from benchmarks.plain_loop import PlainLoop
    from studio.train.cache import load_pixels

    items = lora_step.items_of(plan)
    pixels = [load_pixels(path, item, mirrored=False) for item, path in items]
    base, captions = presets_of(plan).base_folder(plan.base), [item.caption for item, _ in items]
    loop = PlainLoop(base, lora_step.config_of(plan), pixels, captions)
    before = {name: matrix.clone() for name, matrix in loop.matrices().items()}
    found = [loop.step(step) for step in (1, 2)]
    assert np.isfinite(found).all()
    assert any(not torch.equal(before[name], matrix) for name, matrix in loop.matrices().items())


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_every_way_to_switch_applies_the_same_loras(plan: Plan) -> None:
    result = measure("lora_switch", plan, lora_switch.conditions(plan), lora_switch.cases, lora_switch.figures)
    [comparison] = result.comparisons
    assert [arm.difference <= 1e-4 for arm in comparison.arms] == [True] * 4
    with lora_switch.studio_arm(plan) as work:
        answers = list(work.outcome(work.run(0)))
    assert np.abs(answers[0] - answers[1]).max() > 1e-3, "the two LoRAs must not answer alike"


@pytest.mark.filterwarnings(COPY)
def test_script_and_command_line_draw_the_same_first_picture(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_PRESETS", str(plan.presets))
    monkeypatch.setenv("STUDIO_DEVICE", "cpu")
    [asked, *_] = requests_of(plan)
    question = start.plain_question(plan, asked, tmp_path)
    plain_start.draw(plain_start.Asked(**question._asdict()))
    out = tmp_path / "out"
    assert command_line(start.studio_arguments(asked, tmp_path / "home", out)) == 0
    [picture] = out.glob("*.png")
    levels = start.levels(picture) - start.levels(Path(question.picture))
    assert np.abs(levels).max() <= start.LIMIT_LEVELS


def test_a_process_that_fails_tells_why(plan: Plan) -> None:
    with pytest.raises(RuntimeError, match="no_such_module"):
        start.run(["-c", "import no_such_module"], plan)


def test_memory_is_that_of_this_process_or_of_one_that_it_started(plan: Plan) -> None:
    assert alone(partial(start.import_arm, plan, "pass")) > 1
