"""The loss of bases that predict noise or velocity: the noised latents, the target, the error, its weight."""

from __future__ import annotations

from typing import Any

import torch

from studio.errors import CapabilityError


class DiffusionObjective:
    """The denoising loss of one base.

    Args:
        scheduler: the base's scheduler; only its config is read.
        snr_gamma: Min-SNR weighting (Hang et al. 2023); None weighs every timestep the same.

    Raises:
        CapabilityError: the base predicts something else than noise or velocity.
    """

    def __init__(self, scheduler: Any, snr_gamma: float | None) -> None:
        from diffusers import DDPMScheduler

        # Sampling schedulers add noise in units of their own; training's forward process is DDPM's for all of them.
        self._ddpm: Any = DDPMScheduler.from_config(scheduler.config)  # type: ignore[no-untyped-call]
        self._prediction_type = str(self._ddpm.config.prediction_type)
        if self._prediction_type not in ("epsilon", "v_prediction"):
            raise CapabilityError(
                f"A base with prediction type {self._prediction_type} cannot be trained here.",
                "Choose a base that predicts noise (epsilon) or velocity (v_prediction).",
            )
        self._snr_gamma = snr_gamma
        self._num_train_timesteps = int(self._ddpm.config.num_train_timesteps)

    def times_of(self, places: torch.Tensor, pixels: int) -> torch.Tensor:
        """Whole timesteps, evenly spread. (B,) in [0, 1) -> (B,)."""
        return (places * self._num_train_timesteps).long()

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Latents at their timesteps. All (B, C, h, w), times (B,)."""
        return torch.as_tensor(self._ddpm.add_noise(latents, noise, times))

    def errors(
        self, prediction: torch.Tensor, latents: torch.Tensor, noise: torch.Tensor, times: torch.Tensor
    ) -> torch.Tensor:
        """Mean squared error of each picture, unweighted, in fp32. Returns (B,)."""
        target = noise
        if self._prediction_type == "v_prediction":
            target = self._ddpm.get_velocity(latents, noise, times)
        return (prediction.float() - target.float()).square().mean(dim=(1, 2, 3))

    def weights(self, times: torch.Tensor) -> torch.Tensor:
        """Weight of each timestep in the loss. (B,) -> (B,)."""
        if self._snr_gamma is None:
            return torch.ones(times.shape, device=times.device)
        alphas: torch.Tensor = self._ddpm.alphas_cumprod.to(times.device)[times]
        snr = alphas / (1.0 - alphas)
        # The paper's min(snr, gamma) over snr for epsilon (snr may be 0), over snr + 1 for velocity.
        if self._prediction_type == "epsilon":
            return torch.clamp(self._snr_gamma / snr.clamp_min(1e-8), max=1.0)
        return snr.clamp_max(self._snr_gamma) / (snr + 1.0)
