"""The GPU's script runs dry on tiny bases of the same families, and says what it has not measured."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu_bases import facts_of
from benchmarks.plan import Plan
from benchmarks.report import page
from benchmarks.results import Results
from benchmarks.subject import measure
from tests.benchmarks.test_report import MACHINE

# diffusers' Euler scheduler under numpy 2
COPY = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
PARAMETERS = {"sd15": 859_520_964, "sdxl": 2_567_463_684}
"""Of the published UNets."""


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`", COPY)
@pytest.mark.slow
@pytest.mark.parametrize("family", ["sdxl", "z-image"])  # SD1.5 goes the way of SDXL
def test_the_dry_run_draws_trains_and_switches(plan: Plan, family: str) -> None:
    one = plan.model_copy(update={"gpu_families": (family,)})
    result = measure("gpu", one, gpu.conditions(one), gpu.cases, gpu.figures)
    pictures, steps = result.comparisons
    assert [arm.name for arm in pictures.arms] == [gpu.STOCK, gpu.STOCK_COMPILED, gpu.STUDIO, gpu.STUDIO_COMPILED]
    assert [arm.difference <= 1e-4 for arm in pictures.arms] == [True] * 4
    assert steps.absent == {gpu.SCRIPT: "not run"}
    first, others, switch = result.figures
    assert first.value > 0
    assert others.value == 0, "a switch between brand models compiles nothing"
    assert switch.value > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is at hand: it would be measured")
def test_without_a_gpu_the_full_size_is_told_as_not_yet_measured(plan: Plan) -> None:
    full = plan.model_copy(update={"gpu_size": "full"})
    result = measure("gpu", full, gpu.conditions(full), gpu.cases, gpu.figures)
    assert not any(comparison.arms for comparison in result.comparisons)
    text = page(Results(machine=MACHINE, subjects={"gpu": result}))
    assert f"| {gpu.STUDIO_COMPILED} | {gpu.NOT_YET} |" in text
    assert "sdxl: 1024x1024 px with ControlNet and two LoRAs, 30 steps" in text
    assert "published 0.606 s" in text


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_the_shapes_are_the_published_ones(family: str) -> None:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**facts_of(family)["components"]["unet"]["config"])
    assert sum(p.numel() for p in unet.parameters()) == PARAMETERS[family]


def test_z_image_has_six_billion_parameters() -> None:
    from diffusers import ZImageTransformer2DModel

    with torch.device("meta"):
        model = ZImageTransformer2DModel(**facts_of("z-image")["components"]["transformer"]["config"])
    assert 6.0e9 < sum(p.numel() for p in model.parameters()) < 6.3e9
