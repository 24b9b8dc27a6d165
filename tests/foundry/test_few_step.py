"""Distilling into a few steps: teacher and student go the stock scheduler's way, the student learns, and the studio
reads what comes of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionControlNetPipeline

from foundry import few_step
from foundry.dataset import SHARD
from foundry.few_step import GUIDANCE, STEPS, TEACHER_STEPS, Networks, Step, same_teacher, save, write
from foundry.latents import Latents
from studio.models.few_step import FEW_STEP, few_steps_of
from studio.models.loaders import few_step as load_few_step
from studio.records.attributes import ATTRIBUTE_VALUES

CPU = torch.device("cpu")
TEXT = "a woman in a red dress, white background"


@pytest.fixture
def networks(tiny_base: Path) -> Networks:
    torch.manual_seed(0)
    return Networks(tiny_base, CPU, lora_rank=4)


@pytest.fixture
def data() -> Latents:
    """One shard of random rows at 96x128 px."""
    rng = np.random.default_rng(0)
    latents = np.zeros((SHARD, 8, 16, 12), np.float16)
    control = rng.integers(0, 256, (SHARD, 128, 96, 3), np.uint8)
    attributes = np.zeros((SHARD, len(ATTRIBUTE_VALUES)), np.uint8)
    return Latents(shards=(("croquis", 0),), latents=(latents,), control=(control,), attributes=(attributes,))


def given(networks: Networks) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    noise, maps = torch.randn(2, 8, 16, 12, generator=generator), torch.rand(2, 3, 128, 96, generator=generator)
    return noise, networks.encode([TEXT, TEXT]), maps, torch.tensor([1.0, 0.0])


def stock(base: Path, noise: torch.Tensor, maps: torch.Tensor, steps: int, guidance: float) -> torch.Tensor:
    pipeline: Any = StableDiffusionControlNetPipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    found: torch.Tensor = pipeline(
        [TEXT], image=maps, latents=noise, num_inference_steps=steps, guidance_scale=guidance, output_type="latent",
        height=128, width=96,
    ).images  # fmt: skip
    return found


def test_teacher_and_untrained_student_are_the_stock_pipeline(networks: Networks, tiny_base: Path) -> None:
    noise, text, maps, shown = given(networks)
    course = networks.teach(noise, text, maps, shown)
    assert course.shape == (2, STEPS, 8, 16, 12)
    with torch.no_grad():
        student = networks.draw(noise, text, maps, shown, steps=STEPS)
    for steps, guidance, found in ((TEACHER_STEPS, GUIDANCE, course[:, -1]), (STEPS, 1.0, student[-1])):
        expected = stock(tiny_base, noise[:1], maps[:1], steps, guidance)
        assert float((found[:1] - expected).abs().max()) < 1e-4
    assert float((student[-1][1] - student[-1][0]).abs().max()) > 1e-3


def test_the_teacher_is_asked_where_the_student_will_stand(networks: Networks) -> None:
    """After each of the student's steps, as many of the teacher's have left the same share of noise."""

    def after(steps: int) -> list[int]:
        scheduler = type(networks.scheduler).from_config(networks.scheduler.config)
        scheduler.set_timesteps(steps)
        return [int(timestep) - 1000 // steps for timestep in scheduler.timesteps]

    assert TEACHER_STEPS % STEPS == 0
    share = TEACHER_STEPS // STEPS
    assert after(TEACHER_STEPS)[share - 1 :: share][:-1] == after(STEPS)[:-1]


def test_the_student_learns(networks: Networks, data: Latents) -> None:
    step = Step(networks, data, batch=4)
    numbers = [1, 2, 3, 4]
    optimizer = torch.optim.AdamW([p for p in networks.unet.parameters() if p.requires_grad], lr=1e-2)

    def error(*, learned: bool = True) -> float:
        with torch.no_grad():
            return float(step.losses(numbers, learned=learned)[f"step {STEPS}"])

    before = error()
    assert before == pytest.approx(error(learned=False), rel=1e-5)
    for _ in range(12):
        optimizer.zero_grad()
        torch.stack(list(step.losses(numbers).values())).sum().backward()
        optimizer.step()
    assert error() < 0.9 * before
    assert error(learned=False) == pytest.approx(before, rel=1e-5)


def test_a_step_follows_from_its_number(networks: Networks, data: Latents) -> None:
    once = Step(networks, data, batch=3)
    for number in range(3):
        once(number)
    resumed = Step(networks, data, batch=3)
    for name, value in once(3).items():
        assert float(resumed(3)[name].detach()) == pytest.approx(float(value.detach()), rel=1e-5)


def test_the_studio_reads_what_is_written(networks: Networks, tiny_base: Path, tmp_path: Path) -> None:
    base = tmp_path / "croquis"
    shutil.copytree(tiny_base, base)
    (base / FEW_STEP).mkdir()
    (base / FEW_STEP / "old.json").write_text("{}")
    save(networks, tmp_path / "artefacts" / FEW_STEP)
    write(base, tmp_path / "artefacts")
    assert not (base / FEW_STEP / "old.json").exists()
    assert few_steps_of(base / FEW_STEP) == STEPS
    loaded = load_few_step(base / FEW_STEP, dtype="fp32", device="cpu")
    wrapped = {name for name, module in networks.unet.named_modules() if hasattr(module, "lora_A")}
    assert set(loaded.lora.part("unet").layers) == wrapped
    assert dict(loaded.scheduler.config) == dict(networks.scheduler.config)


def test_a_state_that_learned_from_another_unet_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    base = tmp_path / "croquis"
    shutil.copytree(tiny_base, base)
    same_teacher(base, tmp_path / "state")
    same_teacher(base, tmp_path / "state")
    [weights] = (base / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(ValueError, match="another UNet"):
        same_teacher(base, tmp_path / "state")


def test_the_weights_fit_beside_the_others() -> None:
    shapes = Networks(few_step.BASE, CPU).unet
    assert 2 * sum(p.numel() for p in shapes.parameters() if p.requires_grad) < 3_000_000
