"""The requests that are drawn, and the one place where the pictures of every arm are seen: the autoencoder itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.plan import Plan
from benchmarks.rounds import Outcome
from studio.generate.matrix import matrix
from studio.presets import Presets, pick
from studio.records.generation import GenerationRequest

if TYPE_CHECKING:
    from torch import Tensor


def presets_of(plan: Plan) -> Presets:
    """The plan's presets. Brand models are never looked for: what is measured needs none."""
    return Presets(plan.presets, plan.presets / "no-brand-models")


def requests_of(plan: Plan, *, control_guidance_end: float = 1.0) -> list[GenerationRequest]:
    """Every pose of the plan with every look, each with a seed of its own.

    Raises:
        NotFoundError: an unknown pose, look or base.
    """
    presets = presets_of(plan)
    poses, looks = presets.poses(), presets.looks()
    found = matrix(
        [pick(poses, name, "pose") for name in plan.poses],
        [pick(looks, name, "look") for name in plan.looks],
        [0],
        card=presets.base(plan.base),
        num_inference_steps=plan.steps,
        control_guidance_end=control_guidance_end,
    )
    return [request.model_copy(update={"seed": seed}) for seed, request in enumerate(found)]


class Seen:
    """Latents and decoded pictures in the order in which an autoencoder was given them, in fp32 and unrounded."""

    def __init__(self) -> None:
        self._latents: list[Tensor] = []
        self._pixels: list[Tensor] = []

    def take(self, order: Sequence[int]) -> Outcome:
        """All that was seen since the last call, as one flat array, latents first, picture `order[0]` first decoded.

        Latents are as the UNet knows them; pixels in [0, 1].
        """
        latents, pixels = (np.concatenate([t.numpy() for t in kept]) for kept in (self._latents, self._pixels))
        self._latents.clear()
        self._pixels.clear()
        places = np.argsort(order)
        return np.concatenate([latents[places].ravel(), pixels[places].ravel()])

    def add_latents(self, latents: Tensor, scaling_factor: float) -> None:
        """(B, C, h, w) as the autoencoder gets them."""
        self._latents.append(latents.detach().float().cpu() * scaling_factor)

    def add_pixels(self, decoded: Tensor) -> None:
        """(B, 3, H, W) in about [-1, 1]."""
        self._pixels.append((decoded.detach().float().cpu() / 2 + 0.5).clamp(0, 1))


@contextmanager
def watched(vae: Any) -> Iterator[Seen]:
    """Sees every picture that an AutoencoderKL decodes, whoever asks it to. Costs a copy of each picture."""
    seen, scaling_factor = Seen(), float(vae.config.scaling_factor)

    def before(_: Any, arguments: tuple[Any, ...]) -> None:
        seen.add_latents(arguments[0], scaling_factor)

    def after(_: Any, arguments: tuple[Any, ...], decoded: Tensor) -> None:
        seen.add_pixels(decoded)

    entrance = vae.decoder if vae.post_quant_conv is None else vae.post_quant_conv
    hooks = entrance.register_forward_pre_hook(before), vae.decoder.register_forward_hook(after)
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
