"""Loss on fixed noise and timesteps: the same question at every step, so that its answers may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from studio.train.buckets import Bucket
from studio.train.sampler import derived_seed

if TYPE_CHECKING:
    import torch

    from studio.train.loop_objective import Objective
    from studio.train.loop_trainer import EncodedPhoto, LoraTrainer

TIMESTEPS_PER_PHOTO = 4
MAX_HELD_OUT = 8
MAX_TRAINED = 4
"""Photos measured. Each costs `TIMESTEPS_PER_PHOTO` forward passes at every measurement."""


class FixedQuestions:
    """A fixed set of (photo, noise, timestep).

    Args:
        photos: those measured, in a fixed order; never mirrored, and at the mean of their posterior.
        batch_size: pictures per forward pass.

    Each photo gets one timestep from each of `TIMESTEPS_PER_PHOTO` equal ranges, shifted from photo to photo, so that
    together they cover the whole of it evenly.
    """

    def __init__(self, photos: Sequence[EncodedPhoto], objective: Objective, *, seed: int, batch_size: int) -> None:
        import torch

        self._objective = objective
        groups: dict[Bucket, list[tuple[torch.Tensor, torch.Tensor, int, torch.Tensor]]] = {}
        for place, photo in enumerate(photos):
            rng = torch.Generator().manual_seed(derived_seed(seed, "held-out", photo.key))
            mean = photo.sides[0].mean
            for part in range(TIMESTEPS_PER_PHOTO):
                within = (part + (place + 0.5) / len(photos)) / TIMESTEPS_PER_PHOTO
                noise = torch.randn(mean.shape, generator=rng).to(mean.device)
                question = (mean, noise, int(within * objective.num_train_timesteps), photo.text)
                groups.setdefault(photo.bucket, []).append(question)
        self._batches = [
            _stacked(group[i : i + batch_size]) for group in groups.values() for i in range(0, len(group), batch_size)
        ]

    def loss(self, trainer: LoraTrainer) -> float:
        """Mean squared error over all questions; the same weights give the same number. Needs at least one photo."""
        import torch

        errors = []
        with torch.no_grad():
            for latents, noise, timesteps, texts in self._batches:
                prediction = trainer.predict(self._objective.noised(latents, noise, timesteps), timesteps, texts)
                errors.append(self._objective.errors(prediction, latents, noise, timesteps))
        return float(torch.cat(errors).mean())


def _stacked(
    questions: Sequence[tuple[torch.Tensor, torch.Tensor, int, torch.Tensor]],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """latents (B, C, h, w), noise (B, C, h, w), timesteps (B,), texts (B, L, D)."""
    import torch

    latents, noise, timesteps, texts = zip(*questions, strict=True)
    return (
        torch.stack(latents),
        torch.stack(noise),
        torch.tensor(timesteps, device=latents[0].device),
        torch.stack(texts),
    )
