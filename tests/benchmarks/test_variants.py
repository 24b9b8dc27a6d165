"""The variants' arms draw the same pictures, drafts and bf16 tell how far they are off, and the mixture is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import model_switch, variants
from benchmarks.plan import Plan
from benchmarks.subject import measure


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_exact_is_the_same_and_a_draft_is_told_with_its_difference(plan: Plan) -> None:
    short = plan.model_copy(update={"steps": 3, "half_variants": 1})
    result = measure("variants", short, variants.conditions(short), variants.cases)
    exact, half = result.comparisons
    plain, ours, draft = exact.arms
    assert ours.difference <= 1e-4 < draft.difference
    assert None not in (exact.ratio(ours), exact.ratio(draft))
    assert exact.absent.keys() == {variants.OPENVINO}
    assert not exact.refused
    assert [arm.name for arm in half.arms][2:] == [half.beside, variants.HALF]
    assert half.ratio(half.arms[1], half.beside) is not None
    assert plain.difference == 0


def test_a_part_of_the_variants_goes_through_poses_and_looks_and_keeps_whole_sets_of_seeds(
    plan: Plan, tmp_path: Path
) -> None:
    asked = plan.model_copy(update={"variant_seeds": 3, "variants": 7})
    requests = variants.requests_of(asked, variants.presets_with_loras(asked, tmp_path))
    assert [r.seed for r in requests] == [0, 1, 2, 0, 1, 2]
    assert [r.pose.name for r in requests[::3] if r.pose] == list(plan.variant_poses)
    assert [r.look.name for r in requests[::3] if r.look] == list(plan.variant_looks)
    assert {tuple(a.brand_model for a in r.adapters) for r in requests} == {("navy", variants.SECOND)}
    whole = asked.model_copy(update={"variants": 4 * 3})
    assert len({r.prompt for r in variants.requests_of(whole, variants.presets_with_loras(asked, tmp_path))}) <= 4


def test_bf16_can_be_left_out(plan: Plan, tmp_path: Path) -> None:
    cases = variants.cases(plan.model_copy(update={"half_variants": 0}), tmp_path)
    assert [case.key for case in cases] == ["fp32"]


def test_a_switch_of_bases_ends_at_the_same_first_step_warm_and_cold(plan: Plan) -> None:
    result = measure("model_switch", plan, model_switch.conditions(plan), model_switch.cases)
    for comparison in result.comparisons:
        assert comparison.arms[1].difference <= 1e-4
        assert comparison.ratio(comparison.arms[1]) is not None


def test_the_two_bases_are_not_alike(plan: Plan, tmp_path: Path) -> None:
    presets = model_switch.two_bases(plan, tmp_path)
    ask = model_switch.studio_warm(presets)
    one, other = (ask(request) for request in model_switch.requests_of(plan, presets))
    assert abs(one - other).max() > 1e-3
