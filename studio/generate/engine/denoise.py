"""The denoising loop: one batch from noise to latents. The order of operations is that of the stock pipelines."""

from __future__ import annotations

import copy
import inspect
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.generate.engine.control import Control, ControlPictures, control_of
from studio.generate.engine.decode import decode_small
from studio.generate.pictures import Preview, Watch
from studio.records.generation import GenerationRequest


@dataclass(frozen=True)
class Conditions:
    """All that decides a batch of B pictures, apart from weights and scheduler.

    Attributes:
        texts: (B, T, C), or (2B, T, C) with guidance: negative prompts first.
        guidance_scale: (B, 1, 1, 1) in fp32; None without guidance.
        noise: (B, C, h, w) in fp32 on the CPU, each picture's from its own seed.
        generators: the generators that made it, for schedulers that draw more noise.
        control: (B, 3, H, W) in [0, 1]; None without pose.
    """

    requests: tuple[GenerationRequest, ...]
    texts: Tensor
    guidance_scale: Tensor | None
    noise: Tensor
    generators: list[torch.Generator]
    control: Tensor | None

    @classmethod
    def of(
        cls, requests: tuple[GenerationRequest, ...], texts: dict[tuple[str, str], Tensor],
        control: ControlPictures | None, latent_size: tuple[int, int], unet: Any,
    ) -> Conditions:  # fmt: skip
        """The conditions of requests that may stand in one batch."""
        device, guided = unet.device, requests[0].guidance_scale > 1
        rows = [texts[r.base, r.negative_prompt] for r in requests] if guided else []
        rows += [texts[r.base, r.prompt] for r in requests]
        scales = torch.tensor([r.guidance_scale for r in requests], device=device).view(-1, 1, 1, 1)
        generators = [torch.Generator().manual_seed(r.seed) for r in requests]
        shape = (1, unet.config.in_channels, *latent_size)
        return cls(
            requests=requests,
            texts=torch.cat(rows).to(device, unet.dtype),
            guidance_scale=scales if guided else None,
            noise=torch.cat([torch.randn(shape, generator=generator) for generator in generators]),
            generators=generators,
            control=torch.cat([control.picture(r) for r in requests]) if control is not None else None,
        )


@torch.no_grad()
def denoise(
    unet: Any, controlnet: Any, vae: Any, scheduler: Any, conditions: Conditions, indices: tuple[int, ...], watch: Watch
) -> Tensor:
    """Latents (B, C, h, w) in fp32 of the finished pictures.

    Latents stay in fp32 whatever the UNet's dtype: rounding them at every step would add up.

    Raises:
        Cancelled: by `watch.check`, before any step.
    """
    scheduler = copy.deepcopy(scheduler)  # it keeps state of a run
    scheduler.set_timesteps(conditions.requests[0].num_inference_steps, device=unet.device)
    timesteps = scheduler.timesteps
    latents: Tensor = conditions.noise.to(unet.device) * scheduler.init_noise_sigma
    options = _step_options(scheduler, conditions.generators)
    with _control(controlnet, conditions) as control:
        for number, timestep in enumerate(timesteps):
            watch.check()
            share = number / len(timesteps), (number + 1) / len(timesteps)
            prediction = _predict(unet, control, scheduler, latents, timestep, conditions, share)
            step = scheduler.step(prediction, timestep, latents, **options)
            latents = step.prev_sample
            watch.stepped(indices, share[1])
            if watch.preview is not None and (number + 1) % watch.preview_every == 0 and share[1] < 1:
                estimate = getattr(step, "pred_original_sample", None)  # not every scheduler tells it
                small = decode_small(vae, latents if estimate is None else estimate)
                for index, image in zip(indices, small, strict=True):
                    watch.preview(Preview(index, share[1], image))
    return latents


def _predict(
    unet: Any, control: Control | None, scheduler: Any, latents: Tensor, timestep: Tensor, conditions: Conditions,
    share: tuple[float, float],
) -> Tensor:  # fmt: skip
    """The UNet's output in fp32, (B, C, h, w), guidance applied: one call for both halves."""
    guided = conditions.guidance_scale is not None
    sample = scheduler.scale_model_input(torch.cat([latents] * 2) if guided else latents, timestep).to(unet.dtype)
    down = mid = None
    if control is not None:
        down, mid = control.residuals(sample, timestep, conditions.texts, share)
    output: Tensor = unet(
        sample,
        timestep,
        encoder_hidden_states=conditions.texts,
        down_block_additional_residuals=down,
        mid_block_additional_residual=mid,
        return_dict=False,
    )[0].float()
    if conditions.guidance_scale is None:
        return output
    without, given = output.chunk(2)
    guided_output: Tensor = without + conditions.guidance_scale * (given - without)
    return guided_output


def _control(controlnet: Any, conditions: Conditions) -> Any:
    if controlnet is None or conditions.control is None:
        return nullcontext()
    return control_of(controlnet, conditions.requests, conditions.control)


def _step_options(scheduler: Any, generators: list[torch.Generator]) -> dict[str, Any]:
    """Each picture's own generator, for schedulers whose step draws noise."""
    return {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
