"""A training script runs unchanged in a process of its own, a round at a time, and its start is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import lora_step
from benchmarks.plan import Plan
from benchmarks.rounds import compare

SCRIPT = Path(__file__).with_name("stepping_script.py")


def test_the_script_steps_in_turn_with_the_trainer_and_its_ratio_is_told(plan: Plan, tmp_path: Path) -> None:
    case = lora_step.script_case(plan.model_copy(update={"dreambooth_script": SCRIPT, "lora_steps": 2}), tmp_path)
    comparison = compare(case, rounds=1)
    script, studio = comparison.arms
    assert (script.name, studio.name) == (lora_step.SCRIPT, lora_step.STUDIO)
    assert studio.difference > 1e-4, "their losses are not the same"
    assert comparison.ratio(studio) is not None
    assert not comparison.refused
    assert script.timings[0].cpu_s > 0
    assert float((tmp_path / lora_step.STARTED).read_text(encoding="utf-8")) > script.timings[0].wall_s
    assert len(list((tmp_path / "script_photos").iterdir())) == 4


def test_a_script_that_breaks_off_tells_its_last_words(plan: Plan, tmp_path: Path) -> None:
    case = lora_step.script_case(plan.model_copy(update={"dreambooth_script": SCRIPT, "lora_steps": 3}), tmp_path)
    with case.arms[lora_step.SCRIPT]() as work:
        assert len(work.outcome(work.run(0))) == 3
        with pytest.raises(RuntimeError, match="broken off"):
            work.run(1)


def test_the_square_has_about_the_base_own_pixels_and_suits_its_unet(plan: Plan) -> None:
    assert lora_step.square_px(plan) == 96  # of 96x128 px, and two halvings after the autoencoder's three: 32
