"""Latents to pictures: whole ones, and small ones while a picture is drawn."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from studio.models.architecture import Architecture


@torch.no_grad()
def decode(architecture: Architecture, vae: Any, latents: Tensor) -> list[Image.Image]:
    """Latents (B, C, h, w) -> B RGB pictures. One at a time: full resolution is the peak of a run's memory."""
    images = []
    unscaled = architecture.from_latents(vae, latents).to(vae.dtype)
    for place in range(len(unscaled)):
        decoded = vae.decode(unscaled[place : place + 1], return_dict=False)[0]
        unit = (decoded.float() / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).cpu().numpy()
        images.append(Image.fromarray((unit * 255).round().astype("uint8")))
    return images


def decode_small(architecture: Architecture, vae: Any, latents: Tensor, tiny: Any = None) -> list[Image.Image]:
    """As `decode`, at half the size for a quarter of the time; blurred, which an estimate is anyway.

    Args:
        tiny: an AutoencoderTiny for these latents, which is quick enough for the whole size.
    """
    if tiny is not None:
        return [image.reduce(2) for image in decode(architecture, tiny, latents)]
    height, width = latents.shape[-2] // 2, latents.shape[-1] // 2
    return decode(architecture, vae, torch.nn.functional.interpolate(latents.float(), (height, width), mode="area"))
