"""The denoising loop: one batch from noise to latents. The order of operations is that of the stock pipelines."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.generate.engine.control import Control, added
from studio.generate.engine.decode import decode_small
from studio.generate.pictures import Preview, Watch
from studio.models.architecture import Architecture, Inputs, Text
from studio.records.generation import GenerationRequest

DRAFT_GUIDANCE_END = 0.6
"""Share of the steps after which a draft is drawn without guidance: half of the rest's work, another picture."""


@dataclass(frozen=True)
class Networks:
    """What draws a batch: the family's calls, its denoiser, autoencoder and scheduler."""

    architecture: Architecture
    denoiser: Any
    vae: Any
    scheduler: Any


@dataclass(frozen=True)
class Conditions:
    """All that decides a batch of B pictures, apart from weights, scheduler and control.

    Attributes:
        inputs: the denoiser's arguments for B rows, or 2B with guidance: negative prompts first.
        guidance_scale: (B, 1, 1, 1) in fp32; None without guidance.
        noise: (B, C, h, w) in fp32 on the CPU, each picture's from its own seed.
        generators: the generators that made it, for schedulers that draw more noise.
        guidance_end: share of the steps after which guidance ends.
    """

    requests: tuple[GenerationRequest, ...]
    inputs: Inputs
    guidance_scale: Tensor | None
    noise: Tensor
    generators: list[torch.Generator]
    guidance_end: float = 1.0

    @classmethod
    def of(
        cls, requests: tuple[GenerationRequest, ...], texts: Mapping[tuple[str, str], Text], networks: Networks
    ) -> Conditions:
        """The conditions of requests that may stand in one batch. `texts`: by base and text."""
        architecture, denoiser, first = networks.architecture, networks.denoiser, requests[0]
        guided = first.guidance_scale > 1
        rows = [_negative(architecture, texts, r) for r in requests] if guided else []
        rows += [texts[r.base, r.prompt] for r in requests]
        scales = torch.tensor([r.guidance_scale for r in requests], device=denoiser.device).view(-1, 1, 1, 1)
        generators = [torch.Generator().manual_seed(r.seed) for r in requests]
        shape = (1, *architecture.latent_shape(denoiser, networks.vae, first.framing))
        framings = [r.framing for r in requests] * (2 if guided else 1)
        return cls(
            requests=requests,
            inputs=architecture.inputs(denoiser, rows, framings),
            guidance_scale=scales if guided else None,
            noise=torch.cat([torch.randn(shape, generator=generator) for generator in generators]),
            generators=generators,
            guidance_end=DRAFT_GUIDANCE_END if first.speed == "draft" else 1.0,
        )


def _negative(architecture: Architecture, texts: Mapping[tuple[str, str], Text], request: GenerationRequest) -> Text:
    text = texts[request.base, request.negative_prompt]
    return text if request.negative_prompt else architecture.unprompted(text)


@torch.no_grad()
def denoise(
    networks: Networks, conditions: Conditions, controls: Sequence[Control], indices: tuple[int, ...], watch: Watch
) -> Tensor:
    """Latents (B, C, h, w) in fp32 of the finished pictures.

    Latents stay in fp32 whatever the denoiser's dtype: rounding them at every step would add up.

    Raises:
        Cancelled: by `watch.check`, before any step.
    """
    architecture, device = networks.architecture, networks.denoiser.device
    scheduler = copy.deepcopy(networks.scheduler)  # it keeps state of a run
    noise = conditions.noise.to(device)
    shape = (noise.shape[1], noise.shape[2], noise.shape[3])
    timesteps = architecture.timesteps(scheduler, conditions.requests[0].num_inference_steps, shape, device)
    latents = architecture.noised(scheduler, None, noise, timesteps[0])
    options = _step_options(scheduler, conditions.generators)
    for number, timestep in enumerate(timesteps):
        watch.check()
        share = number / len(timesteps), (number + 1) / len(timesteps)
        prediction = _predict(networks, scheduler, controls, latents, timestep, conditions, share)
        step = scheduler.step(prediction, timestep, latents, **options)
        latents = step.prev_sample
        watch.stepped(indices, share[1])
        if watch.preview is not None and (number + 1) % watch.preview_every == 0 and share[1] < 1:
            estimate = getattr(step, "pred_original_sample", None)  # not every scheduler tells it
            small = decode_small(architecture, networks.vae, latents if estimate is None else estimate)
            for index, image in zip(indices, small, strict=True):
                watch.preview(Preview(index, share[1], image))
    return latents


def _predict(
    networks: Networks, scheduler: Any, controls: Sequence[Control], latents: Tensor, timestep: Tensor,
    conditions: Conditions, share: tuple[float, float],
) -> Tensor:  # fmt: skip
    """The denoiser's output in fp32, (B, C, h, w), guidance applied: one call for both halves."""
    architecture, inputs, scale = networks.architecture, conditions.inputs, conditions.guidance_scale
    if scale is not None and share[0] >= conditions.guidance_end:
        given_rows = torch.arange(len(latents), 2 * len(latents), device=latents.device)
        inputs, scale = architecture.pick(inputs, given_rows), None
    doubled = latents if scale is None else torch.cat([latents] * 2)
    sample = architecture.model_input(scheduler, doubled, timestep)
    residuals = added([control.residuals(sample, timestep, inputs, share) for control in controls])
    output = architecture.predict(networks.denoiser, sample, timestep, inputs, residuals)
    if scale is None:
        return output
    without, given = output.chunk(2)
    return architecture.guided(without, given, scale)


def _step_options(scheduler: Any, generators: list[torch.Generator]) -> dict[str, Any]:
    """Each picture's own generator, for schedulers whose step draws noise."""
    return {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
