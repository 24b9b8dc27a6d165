"""The loss of bases that learn the way from picture to noise: flow matching (Lipman et al. 2022).

As diffusers' own script for Z-Image does by default (examples/dreambooth/train_dreambooth_lora_z_image.py, weighting
"none"): times spread evenly and then shifted as the base's own scheduler shifts them, every time weighing the same.
"""

from __future__ import annotations

from typing import Any

import torch

from studio.errors import CapabilityError


class FlowObjective:
    """The flow-matching loss of one base. Times run from 1000 (noise) to 0 (picture).

    Args:
        scheduler: the base's scheduler; only its config is read.
        snr_gamma: has no meaning here and must be None.
        token_px: pixels of one token of the denoiser, for schedulers that shift with the picture's size.

    Raises:
        CapabilityError: the scheduler is of another kind, or Min-SNR weights are asked for.
    """

    def __init__(self, scheduler: Any, snr_gamma: float | None, token_px: int) -> None:
        from diffusers import FlowMatchEulerDiscreteScheduler

        kind: Any = FlowMatchEulerDiscreteScheduler
        if not isinstance(scheduler, kind):
            raise CapabilityError(
                f"A base with a {type(scheduler).__name__} cannot be trained by flow matching.",
                "Put back the scheduler_config.json that the base came with.",
            )
        if snr_gamma is not None:
            raise CapabilityError(
                "Min-SNR weights are for bases that predict noise or velocity, not for flow matching.",
                "Leave snr_gamma empty.",
            )
        # Made anew: the cached one may have been set up for a run, with that run's few steps.
        self._scheduler: Any = kind.from_config(scheduler.config)
        self._steps = int(self._scheduler.config.num_train_timesteps)
        self._token_px = token_px

    def times_of(self, places: torch.Tensor, pixels: int) -> torch.Tensor:
        """Numbers in [0, 1) as times: 0 is pure noise. (B,) -> (B,) in fp32."""
        sigmas: torch.Tensor = self._scheduler.sigmas[(places * self._steps).long()]
        if self._scheduler.config.use_dynamic_shifting:
            sigmas = self._scheduler.time_shift(_mu(self._scheduler.config, pixels // self._token_px), 1.0, sigmas)
        return sigmas * self._steps

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """On the straight line between picture and noise. All (B, C, h, w), times (B,)."""
        sigmas = (times / self._steps).view(-1, 1, 1, 1)
        return (1.0 - sigmas) * latents + sigmas * noise

    def errors(
        self, prediction: torch.Tensor, latents: torch.Tensor, noise: torch.Tensor, times: torch.Tensor
    ) -> torch.Tensor:
        """Mean squared error of each picture from the line's direction, noise - latents, in fp32. Returns (B,)."""
        return (prediction.float() - (noise - latents).float()).square().mean(dim=(1, 2, 3))

    def weights(self, times: torch.Tensor) -> torch.Tensor:
        """Every time the same. (B,) -> (B,)."""
        return torch.ones(times.shape, device=times.device)


def _mu(config: Any, tokens: int) -> float:
    """How far a scheduler shifts for a picture of that many tokens, by the formula of the stock pipelines."""
    from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift

    shift: Any = calculate_shift
    return float(
        shift(tokens, config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift)
    )
