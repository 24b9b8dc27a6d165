"""Loss on fixed noise and timesteps: the same question at every step, so that its answers may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from studio.models.architecture import Objective, Text
from studio.train.buckets import Bucket
from studio.train.sampler import derived_seed

if TYPE_CHECKING:
    import torch

    from studio.train.loop_trainer import EncodedPhoto, LoraTrainer

TIMESTEPS_PER_PHOTO = 4
MAX_HELD_OUT = 8
MAX_TRAINED = 4
"""Photos measured. Each costs `TIMESTEPS_PER_PHOTO` forward passes at every measurement."""


class _Question(NamedTuple):
    """Latents and noise (C, h, w), the timestep's place in [0, 1), the caption's embeddings."""

    latents: torch.Tensor
    noise: torch.Tensor
    place: float
    text: Text


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
        groups: dict[Bucket, list[_Question]] = {}
        for place, photo in enumerate(photos):
            rng = torch.Generator().manual_seed(derived_seed(seed, "held-out", photo.key))
            mean = photo.sides[0].mean
            for part in range(TIMESTEPS_PER_PHOTO):
                within = (part + (place + 0.5) / len(photos)) / TIMESTEPS_PER_PHOTO
                noise = torch.randn(mean.shape, generator=rng).to(mean.device)
                groups.setdefault(photo.bucket, []).append(_Question(mean, noise, within, photo.text))
        self._batches = [
            (bucket, group[i : i + batch_size])
            for bucket, group in groups.items()
            for i in range(0, len(group), batch_size)
        ]

    def loss(self, trainer: LoraTrainer) -> float:
        """Mean squared error over all questions; the same weights give the same number. Needs at least one photo."""
        import torch

        errors = []
        with torch.no_grad():
            for bucket, questions in self._batches:
                latents = torch.stack([q.latents for q in questions])
                noise = torch.stack([q.noise for q in questions])
                places = torch.tensor([q.place for q in questions], dtype=torch.float64)
                times = self._objective.times_of(places, bucket.width_px * bucket.height_px).to(latents.device)
                noisy = self._objective.noised(latents, noise, times)
                prediction = trainer.predict(noisy, times, [q.text for q in questions], bucket)
                errors.append(self._objective.errors(prediction, latents, noise, times))
        return float(torch.cat(errors).mean())
