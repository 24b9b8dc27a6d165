"""Pose control: the maps as tensors, and the ControlNet run only where and when it counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from studio.generate.pictures import DrawControl
from studio.records.generation import GenerationRequest
from studio.records.pose import Framing, Pose


class ControlPictures:
    """Draws each pose in each framing once for a whole run."""

    def __init__(self, draw_control: DrawControl) -> None:
        self._draw = draw_control
        self._drawn: dict[tuple[Pose, Framing], Tensor] = {}

    def picture(self, request: GenerationRequest) -> Tensor:
        """(1, 3, H, W) in [0, 1], of a request that has a pose."""
        assert request.pose is not None
        key = (request.pose, request.framing)
        if key not in self._drawn:
            pixels = torch.from_numpy(self._draw(*key).copy())
            self._drawn[key] = pixels.permute(2, 0, 1).float().div(255).unsqueeze(0)
        return self._drawn[key]


class Residuals(NamedTuple):
    """What a ControlNet adds to the UNet: one tensor a down block, and one for the middle."""

    down: list[Tensor] | None
    mid: Tensor | None


class Control:
    """A ControlNet with the conditions of one batch of B pictures.

    Args:
        scale: controlnet_conditioning_scale of each picture, (B, 1, 1, 1).
        ranges: control_guidance_start and _end of each picture, as shares of all steps.
        embedded: the maps after the ControlNet's own embedding, (B, C, h, w).
    """

    def __init__(self, controlnet: Any, scale: Tensor, ranges: list[tuple[float, float]], embedded: Tensor) -> None:
        self._controlnet, self._scale, self._ranges, self._embedded = controlnet, scale, ranges, embedded

    def residuals(self, sample: Tensor, timestep: Tensor, texts: Tensor, share: tuple[float, float]) -> Residuals:
        """Residuals for `sample` (R * B, C, h, w), where R is 2 with guidance.

        The ControlNet sees only the pictures in whose range the step lies; the others get zeros, as in the stock
        pipeline, which computes them all and multiplies by zero.

        Args:
            share: begin and end of this step as shares of all steps.
        """
        inside = [i for i, (start, end) in enumerate(self._ranges) if not (share[0] < start or share[1] > end)]
        if not inside:
            return Residuals(None, None)
        repeats, whole = sample.shape[0] // len(self._ranges), len(inside) == len(self._ranges)
        rows = torch.tensor([r * len(self._ranges) + i for r in range(repeats) for i in inside], device=sample.device)
        some = torch.tensor(inside, device=sample.device)
        down, mid = self._controlnet(
            sample if whole else sample[rows],
            timestep,
            encoder_hidden_states=texts if whole else texts[rows],
            controlnet_cond=self._embedded[some].repeat(repeats, 1, 1, 1),
            conditioning_scale=self._scale[some].repeat(repeats, 1, 1, 1),
            return_dict=False,
        )
        if whole:
            return Residuals(list(down), mid)
        return Residuals([_scatter(d, rows, sample.shape[0]) for d in down], _scatter(mid, rows, sample.shape[0]))


@contextmanager
def control_of(controlnet: Any, requests: tuple[GenerationRequest, ...], pictures: Tensor) -> Iterator[Control]:
    """The ControlNet with a batch's maps embedded once, instead of at every step at full resolution.

    Args:
        pictures: (B, 3, H, W) in [0, 1].
    """
    embedding = controlnet.controlnet_cond_embedding
    embedded = embedding(pictures.to(controlnet.device, controlnet.dtype))
    scales = [request.controlnet_conditioning_scale for request in requests]
    scale = torch.tensor(scales, device=controlnet.device, dtype=controlnet.dtype).view(-1, 1, 1, 1)
    ranges = [(request.control_guidance_start, request.control_guidance_end) for request in requests]
    try:
        controlnet.controlnet_cond_embedding = nn.Identity()
        yield Control(controlnet, scale, ranges, embedded)
    finally:
        controlnet.controlnet_cond_embedding = embedding


def _scatter(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Values in their rows among `count`, zeros elsewhere."""
    whole = values.new_zeros((count, *values.shape[1:]))
    whole[rows] = values
    return whole
