"""The denoising loop: one batch from noise to latents. The order of operations is that of the stock pipelines."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.generate.engine.control import Control
from studio.generate.engine.decode import decode_small
from studio.generate.engine.inpaint import Fill, Original, encode, first_step, masks_of, pixels_of
from studio.generate.pictures import Preview, Watch
from studio.models.architecture import Architecture, Inputs, Text, added
from studio.models.placement import device_of
from studio.records.generation import GenerationRequest

DRAFT_GUIDANCE_END = 0.6
"""Share of the steps after which a draft is drawn without guidance: half of the rest's work, another picture."""


@dataclass(frozen=True)
class Networks:
    """What draws a batch: the family's calls, its denoiser, autoencoder and scheduler.

    `tiny`: an autoencoder for previews alone; None: previews are decoded as pictures are.
    """

    architecture: Architecture
    denoiser: Any
    vae: Any
    scheduler: Any
    tiny: Any = None


@dataclass(frozen=True)
class Conditions:
    """All that decides a batch of B pictures, apart from weights, scheduler and control.

    Attributes:
        inputs: the denoiser's arguments for B rows, or 2B with guidance: negative prompts first.
        guidance_scale: (B, 1, 1, 1) in fp32; None without guidance.
        noise: (B, C, h, w) in fp32 on the CPU, each picture's from its own seed.
        generators: the generators that made it, for schedulers that draw more noise.
        guidance_end: share of the steps after which guidance ends.
        fill: what is kept of a picture that is drawn anew in part; None for whole pictures.
    """

    requests: tuple[GenerationRequest, ...]
    inputs: Inputs
    guidance_scale: Tensor | None
    noise: Tensor
    generators: list[torch.Generator]
    guidance_end: float = 1.0
    fill: Fill | None = None

    @classmethod
    def of(
        cls, requests: tuple[GenerationRequest, ...], texts: Mapping[tuple[str, str], Text], networks: Networks,
        originals: Sequence[Original] = (),
    ) -> Conditions:  # fmt: skip
        """The conditions of requests that may stand in one batch.

        Args:
            texts: by base and text.
            originals: the picture of each request that is drawn anew in part; empty for whole pictures.
        """
        architecture, denoiser, first = networks.architecture, networks.denoiser, requests[0]
        guided = first.guidance_scale > 1
        rows = [_negative(architecture, texts, r) for r in requests] if guided else []
        rows += [texts[r.base, r.prompt] for r in requests]
        scales = torch.tensor([r.guidance_scale for r in requests], device=device_of(denoiser)).view(-1, 1, 1, 1)
        generators = [torch.Generator().manual_seed(r.seed) for r in requests]
        shape = (1, *architecture.latent_shape(denoiser, networks.vae, first.framing))
        kept = _kept(networks, originals, generators, first, shape[1])  # before the noise, as stock draws them
        noise = torch.cat([torch.randn(shape, generator=generator) for generator in generators])
        framings = [r.framing for r in requests] * (2 if guided else 1)
        return cls(
            requests=requests,
            inputs=architecture.inputs(denoiser, rows, framings),
            guidance_scale=scales if guided else None,
            noise=noise,
            generators=generators,
            guidance_end=DRAFT_GUIDANCE_END if first.speed == "draft" else 1.0,
            fill=_fill(networks, originals, generators, first, kept, shape) if originals else None,
        )


def _negative(architecture: Architecture, texts: Mapping[tuple[str, str], Text], request: GenerationRequest) -> Text:
    text = texts[request.base, request.negative_prompt]
    return text if request.negative_prompt else architecture.unprompted(text)


def _kept(
    networks: Networks, originals: Sequence[Original], generators: list[torch.Generator], first: GenerationRequest,
    channels: int,
) -> Tensor | None:  # fmt: skip
    """Latents of the old pictures where they are needed: a denoiser that is shown them starts from pure noise."""
    if first.inpaint is None or (_takes_mask(networks, channels) and first.inpaint.strength == 1):
        return None
    return encode(networks.architecture, networks.vae, [pixels_of(o.picture) for o in originals], generators)


def _fill(
    networks: Networks, originals: Sequence[Original], generators: list[torch.Generator], first: GenerationRequest,
    kept: Tensor | None, shape: tuple[int, ...],
) -> Fill:  # fmt: skip
    assert first.inpaint is not None
    mask, shown = masks_of(originals, (shape[2], shape[3]), device_of(networks.denoiser)), None
    if _takes_mask(networks, shape[1]):
        masked = encode(networks.architecture, networks.vae, [o.masked() for o in originals], generators)
        shown = torch.cat([mask, masked], dim=1)
    return Fill(kept, mask, shown, first.inpaint.strength)


def _takes_mask(networks: Networks, channels: int) -> bool:
    """Whether the denoiser has inputs for mask and masked picture beside the latents."""
    return bool(networks.denoiser.config.in_channels == 2 * channels + 1)


@torch.no_grad()
def denoise(
    networks: Networks, conditions: Conditions, controls: Sequence[Control], indices: tuple[int, ...], watch: Watch
) -> Tensor:
    """Latents (B, C, h, w) in fp32 of the finished pictures.

    Latents stay in fp32 whatever the denoiser's dtype: rounding them at every step would add up.

    Raises:
        Cancelled: by `watch.check`, before any step.
    """
    architecture, device = networks.architecture, device_of(networks.denoiser)
    scheduler = copy.deepcopy(networks.scheduler)  # it keeps state of a run
    noise = conditions.noise.to(device)
    shape = (noise.shape[1], noise.shape[2], noise.shape[3])
    steps, fill = conditions.requests[0].num_inference_steps, conditions.fill
    timesteps = architecture.timesteps(scheduler, steps, shape, device)
    if fill is not None:
        begin = first_step(steps, fill.strength) * scheduler.order
        timesteps = timesteps[begin:]
        if hasattr(scheduler, "set_begin_index"):  # schedulers that count their steps, and need to know the first
            scheduler.set_begin_index(begin)
    start = None if fill is None or fill.strength == 1 else fill.kept
    latents = architecture.noised(scheduler, start, noise, timesteps[0])
    options = _step_options(scheduler, conditions.generators)
    for number, timestep in enumerate(timesteps):
        watch.check()
        share = number / len(timesteps), (number + 1) / len(timesteps)
        prediction = _predict(networks, scheduler, controls, latents, timestep, conditions, share)
        step = scheduler.step(prediction, timestep, latents, **options)
        latents = step.prev_sample
        if fill is not None and fill.shown is None and fill.kept is not None:
            last = number + 1 == len(timesteps)
            kept = fill.kept if last else architecture.noised(scheduler, fill.kept, noise, timesteps[number + 1])
            latents = fill.blended(latents, kept)
        watch.stepped(indices, share[1])
        if watch.preview is not None and (number + 1) % watch.preview_every == 0 and share[1] < 1:
            estimate = getattr(step, "pred_original_sample", None)  # not every scheduler tells it
            shown = latents if estimate is None else estimate
            small = decode_small(architecture, networks.vae, shown, networks.tiny)
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
    residuals = added(control.residuals(sample, timestep, inputs, share) for control in controls)
    if conditions.fill is not None and conditions.fill.shown is not None:
        shown = conditions.fill.shown
        sample = torch.cat([sample, shown if scale is None else torch.cat([shown] * 2)], dim=1)
    output = architecture.predict(networks.denoiser, sample, timestep, inputs, residuals)
    if scale is None:
        return output
    without, given = output.chunk(2)
    return architecture.guided(without, given, scale)


def _step_options(scheduler: Any, generators: list[torch.Generator]) -> dict[str, Any]:
    """Each picture's own generator, for schedulers whose step draws noise."""
    return {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
