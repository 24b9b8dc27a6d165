"""LoraTrainer: one optimiser step at a time on attached matrices, from cached encodings.

Step k is a function of the weights, the optimiser's moments and k alone: every random number comes from (seed, k). So
a run that goes on from a checkpoint ends, on the CPU with the same number of threads, in the same bits as an unbroken
one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from studio.errors import InputError
from studio.models.architecture import Architecture, Objective, Text
from studio.records.pose import Framing
from studio.records.training import TrainingConfig
from studio.train.buckets import Bucket
from studio.train.cache import Posterior
from studio.train.checkpoint import Checkpoint
from studio.train.loop_adapter import Parameters
from studio.train.sampler import BatchSampler, derived_seed

MAX_GRAD_NORM = 1.0
"""As diffusers' own LoRA training scripts clip."""


@dataclass(frozen=True)
class EncodedPhoto:
    """One photo as steps see it, scaled for the denoiser and on its device."""

    key: str
    """Content address; fixes the photo's noise in held-out measurements."""
    bucket: Bucket
    sides: tuple[Posterior, ...]
    """As it is, and mirrored where the config asks for that. Mean and std (C, h, w)."""
    text: Text
    """Of its caption."""


class LoraTrainer:
    """One optimiser step at a time on attached matrices.

    Args:
        architecture: how the denoiser is called.
        parameters: from `lora_attached`.
        empty_text: of the empty caption, shown instead of a dropped one.
        autocast: dtype of the forward pass; None for plain fp32.
    """

    def __init__(
        self,
        architecture: Architecture,
        denoiser: Any,
        parameters: Parameters,
        objective: Objective,
        photos: Sequence[EncodedPhoto],
        empty_text: Text,
        config: TrainingConfig,
        autocast: torch.dtype | None,
    ) -> None:
        self._architecture = architecture
        self._denoiser = denoiser
        self._parameters = parameters
        self._objective = objective
        self._photos = photos
        self._empty_text = empty_text
        self._config = config
        self._autocast = autocast
        self._optimizer = torch.optim.AdamW(parameters.values(), lr=config.learning_rate)
        self._sampler = BatchSampler(
            [p.bucket for p in photos], batch_size=config.train_batch_size, repeats=config.repeats, seed=config.seed
        )

    def step(self, step: int) -> float:
        """Optimiser step number `step`, counted from 1. Returns the mean loss of its batches.

        Raises:
            InputError: the loss is no finite number; the weights are those of the step before.
        """
        parts = self._config.gradient_accumulation_steps
        self._optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for k in range((step - 1) * parts, step * parts):
            loss = self._loss(k) / parts
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        refuse_broken_loss(total, step)
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), MAX_GRAD_NORM)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._config, step)
        self._optimizer.step()
        return total

    def _loss(self, k: int) -> torch.Tensor:
        photos = [self._photos[i] for i in self._sampler.batch(k)]
        rng = torch.Generator().manual_seed(derived_seed(self._config.seed, "step", k))
        count = len(photos)
        # Drawn on the CPU in this order on every device, and as a whole even where nothing comes of it.
        mirrored = torch.rand(count, generator=rng) < 0.5
        dropped = torch.rand(count, generator=rng) < self._config.caption_dropout
        # One timestep from each of `count` equal ranges: the same mean as independent draws with less scatter.
        places = (torch.arange(count) + torch.rand(count, generator=rng)) / count
        bucket = photos[0].bucket
        times = self._objective.times_of(places, bucket.width_px * bucket.height_px).to(self._device)
        sides = [p.sides[-1 if m else 0] for p, m in zip(photos, mirrored.tolist(), strict=True)]
        mean, std = (torch.stack(values) for values in zip(*sides, strict=True))
        latents = mean + std * self._noise(mean.shape, rng)
        noise = self._noise(mean.shape, rng)
        texts = [self._empty_text if d else p.text for p, d in zip(photos, dropped.tolist(), strict=True)]
        prediction = self.predict(self._objective.noised(latents, noise, times), times, texts, bucket)
        errors = self._objective.errors(prediction, latents, noise, times)
        return (errors * self._objective.weights(times)).mean()

    def predict(self, noisy: torch.Tensor, times: torch.Tensor, texts: Sequence[Text], bucket: Bucket) -> torch.Tensor:
        """The denoiser's answer. noisy (B, C, h, w), times (B,), B texts -> (B, C, h, w)."""
        framing = Framing(width_px=bucket.width_px, height_px=bucket.height_px)
        with self._precision():
            inputs = self._architecture.inputs(self._denoiser, texts, [framing] * len(texts))
            return self._architecture.predict(self._denoiser, noisy, times, inputs, {})

    def _precision(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._autocast is None else torch.autocast(self._device.type, dtype=self._autocast)

    def _noise(self, shape: torch.Size, rng: torch.Generator) -> torch.Tensor:
        return torch.randn(shape, generator=rng).to(self._device)

    @property
    def _device(self) -> torch.device:
        return next(iter(self._parameters.values())).device

    def checkpoint(self, step: int) -> Checkpoint:
        """Copies of the matrices and of the optimiser's moments."""
        names = list(self._parameters)
        moments = self._optimizer.state_dict()["state"]
        return Checkpoint(
            step=step,
            lora={name: p.detach().cpu().clone() for name, p in self._parameters.items()},
            optimizer={
                f"{names[i]}|{key}": value.detach().cpu().clone()
                for i, state in moments.items()
                for key, value in state.items()
            },
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same run."""
        numbers = {name: i for i, name in enumerate(self._parameters)}
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(checkpoint.lora[name])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for label, value in checkpoint.optimizer.items():
            name, _, key = label.rpartition("|")
            state.setdefault(numbers[name], {})[key] = value
        self._optimizer.load_state_dict({"state": state, "param_groups": self._optimizer.state_dict()["param_groups"]})


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The rate of step `step` (from 1): linear warm-up, then constant, or a half cosine that ends near zero."""
    if step <= config.lr_warmup_steps:
        return config.learning_rate * step / config.lr_warmup_steps
    if config.lr_scheduler == "constant":
        return config.learning_rate
    done = (step - 1 - config.lr_warmup_steps) / max(1, config.max_train_steps - config.lr_warmup_steps)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))


def refuse_broken_loss(loss: float, step: int) -> None:
    """Raise InputError where a loss is no finite number."""
    if not math.isfinite(loss):
        raise InputError(
            f"The loss broke off at step {step}: it is no finite number any more.",
            "Train again with a lower learning rate; checkpoints from before can still be published.",
        )
