"""The step itself: targets, weights, learning rate, and a loss that falls."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from studio.errors import CapabilityError, InputError
from studio.models.families.croquis import CROQUIS
from studio.models.families.diffusion_objective import DiffusionObjective as Objective
from studio.records.training import TrainingConfig
from studio.train.buckets import Bucket
from studio.train.cache import Posterior
from studio.train.heldout import FixedQuestions
from studio.train.loop_adapter import lora_attached
from studio.train.loop_trainer import EncodedPhoto, LoraTrainer, learning_rate

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "conv1", "conv2")


def config_of(**changes: Any) -> TrainingConfig:
    quick = {
        "name": "brand", "dataset_id": "d", "lora_rank": 8, "lora_alpha": 8.0, "learning_rate": 2e-2,
        "lr_warmup_steps": 2, "max_train_steps": 16, "train_batch_size": 2, "target_modules": ATTENTION,
    }  # fmt: skip
    return TrainingConfig.model_validate(quick | changes)


def photos_of(count: int, sides: int = 1) -> list[EncodedPhoto]:
    rng = torch.Generator().manual_seed(5)

    def side() -> Posterior:
        mean = torch.randn(8, 1, 1, generator=rng).expand(8, 8, 8) * 0.5
        return Posterior(mean, torch.full((8, 8, 8), 0.01))

    return [
        EncodedPhoto(
            f"{i:064x}",
            Bucket(64, 64),
            tuple(side() for _ in range(sides)),
            {"hidden": torch.randn(1, 8, 32, generator=rng)},
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def scheduler(tiny_base: Path) -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_pretrained(tiny_base / "scheduler")


@contextmanager
def trainer_of(unet: Any, scheduler: Any, config: TrainingConfig, **options: Any) -> Iterator[LoraTrainer]:
    with lora_attached(unet, config) as parameters:
        objective = Objective(scheduler, config.snr_gamma)
        photos = options.get("photos", photos_of(2))
        empty = {"hidden": torch.zeros(1, 8, 32)}
        yield LoraTrainer(
            CROQUIS.architecture, unet, parameters, objective, photos, empty, config, options.get("autocast")
        )


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_loss_on_fixed_questions_falls_when_two_photos_are_overfitted(
    unet: Any, scheduler: Any, autocast: torch.dtype | None
) -> None:
    questions = FixedQuestions(photos_of(2), Objective(scheduler, None), seed=0, batch_size=4)
    config = config_of(target_modules=LAYERS, max_train_steps=10)
    unet.to(autocast or torch.float32)  # as the cache hands it out in that dtype
    with trainer_of(unet, scheduler, config, autocast=autocast) as trainer:
        before = questions.loss(trainer)
        for step in range(1, 11):
            trainer.step(step)
        assert questions.loss(trainer) < 0.9 * before, (before, questions.loss(trainer))


def test_fixed_questions_give_the_same_number_twice_and_hold_for_all_batch_sizes(unet: Any, scheduler: Any) -> None:
    objective = Objective(scheduler, None)
    with trainer_of(unet, scheduler, config_of()) as trainer:
        asked = FixedQuestions(photos_of(3), objective, seed=1, batch_size=4)
        again = FixedQuestions(photos_of(3), objective, seed=1, batch_size=4)
        alone = FixedQuestions(photos_of(3), objective, seed=1, batch_size=1)
        other = FixedQuestions(photos_of(3), objective, seed=2, batch_size=4)
        loss = asked.loss(trainer)
        torch.manual_seed(3)
        assert asked.loss(trainer) == loss == again.loss(trainer)
        assert alone.loss(trainer) == pytest.approx(loss, rel=1e-5)
        assert other.loss(trainer) != loss


def test_a_step_depends_on_nothing_but_weights_moments_and_its_number(unet: Any, scheduler: Any) -> None:
    config = config_of(gradient_accumulation_steps=2, random_flip=True)
    photos = photos_of(3, sides=2)
    with trainer_of(unet, scheduler, config, photos=photos) as trainer:
        for step in (1, 2):
            trainer.step(step)
        half = trainer.checkpoint(2)
        losses = [trainer.step(3), trainer.step(4)]
        whole = trainer.checkpoint(4)
    torch.manual_seed(1234)
    with trainer_of(unet, scheduler, config, photos=photos) as trainer:
        trainer.restore(half)
        assert [trainer.step(3), trainer.step(4)] == losses
        resumed = trainer.checkpoint(4)
    for part in ("lora", "optimizer"):
        first, second = getattr(whole, part), getattr(resumed, part)
        assert first.keys() == second.keys()
        assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_accumulated_batches_count_as_one(unet: Any, scheduler: Any) -> None:
    """Two batches of one photo give the mean of their losses, and one optimiser step."""
    config = config_of(train_batch_size=1, gradient_accumulation_steps=2)
    with trainer_of(unet, scheduler, config) as trainer:
        both = trainer.step(1)
        steps = {float(v) for name, v in trainer.checkpoint(1).optimizer.items() if name.endswith("|step")}
    with trainer_of(unet, scheduler, config_of(train_batch_size=1)) as single, torch.no_grad():
        parts = [float(single._loss(k)) for k in (0, 1)]
    assert both == pytest.approx(sum(parts) / 2)
    assert steps == {1.0}


def test_targets_follow_the_prediction_type(scheduler: Any) -> None:
    from diffusers import DDIMScheduler

    latents, noise = torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4)
    timesteps = torch.tensor([10, 999])
    velocity = Objective(scheduler, None)
    alphas = scheduler.alphas_cumprod[timesteps].reshape(2, 1, 1, 1)
    expected = alphas.sqrt() * noise - (1 - alphas).sqrt() * latents
    assert_close(velocity.errors(expected, latents, noise, timesteps), torch.zeros(2), atol=1e-6, rtol=0)
    assert_close(velocity.noised(latents, noise, timesteps)[1], noise[1])  # zero terminal SNR: pure noise at the end
    epsilon = Objective(DDIMScheduler(prediction_type="epsilon"), None)
    assert_close(epsilon.errors(noise, latents, noise, timesteps), torch.zeros(2))
    with pytest.raises(CapabilityError, match="sample"):
        Objective(DDIMScheduler(prediction_type="sample"), None)


def test_min_snr_weights(scheduler: Any) -> None:
    from diffusers import DDIMScheduler

    timesteps = torch.tensor([0, 300, 600, 999])
    assert_close(Objective(scheduler, None).weights(timesteps), torch.ones(4))
    alphas = scheduler.alphas_cumprod[timesteps]
    snr = alphas / (1 - alphas)
    assert_close(Objective(scheduler, 5.0).weights(timesteps), snr.clamp(max=5.0) / (snr + 1))
    epsilon = DDIMScheduler(prediction_type="epsilon")
    snr = epsilon.alphas_cumprod[timesteps] / (1 - epsilon.alphas_cumprod[timesteps])
    assert_close(Objective(epsilon, 5.0).weights(timesteps), snr.clamp(max=5.0) / snr)


def test_learning_rate_warms_up_and_falls() -> None:
    cosine = config_of(learning_rate=1.0, lr_warmup_steps=4, max_train_steps=104)
    assert [learning_rate(cosine, s) for s in (1, 4, 5)] == pytest.approx([0.25, 1.0, 1.0])
    assert learning_rate(cosine, 55) == pytest.approx(0.5)
    assert 0.0 < learning_rate(cosine, 104) < 0.001
    constant = cosine.model_copy(update={"lr_scheduler": "constant", "lr_warmup_steps": 0})
    assert {learning_rate(constant, s) for s in (1, 50, 104)} == {1.0}


def test_a_loss_that_breaks_off_stops_before_the_weights_change(unet: Any, scheduler: Any) -> None:
    nothing = Posterior(torch.full((8, 8, 8), math.nan), torch.zeros(8, 8, 8))
    broken = dataclasses.replace(photos_of(1)[0], sides=(nothing,))
    with trainer_of(unet, scheduler, config_of(), photos=[broken]) as trainer:
        before = trainer.checkpoint(0).lora
        with pytest.raises(InputError, match="broke off at step 1"):
            trainer.step(1)
        assert all(torch.equal(value, before[name]) for name, value in trainer.checkpoint(0).lora.items())
