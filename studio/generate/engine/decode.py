"""Latents to pictures: whole ones, and small ones while a picture is drawn."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor


def scale_factor(vae: Any) -> int:
    """Pixels a latent cell covers along one side, from the autoencoder's config."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


@torch.no_grad()
def decode(vae: Any, latents: Tensor) -> list[Image.Image]:
    """Latents (B, C, h, w) -> B RGB pictures. One at a time: full resolution is the peak of a run's memory."""
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    images = []
    for latent in (latents / vae.config.scaling_factor + shift).to(vae.dtype).split(1):
        decoded = vae.decode(latent, return_dict=False)[0]
        unit = (decoded.float() / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).cpu().numpy()
        images.append(Image.fromarray((unit * 255).round().astype("uint8")))
    return images


def decode_small(vae: Any, latents: Tensor) -> list[Image.Image]:
    """As `decode`, at half the size for a quarter of the time; blurred, which an estimate is anyway."""
    height, width = latents.shape[-2] // 2, latents.shape[-1] // 2
    return decode(vae, torch.nn.functional.interpolate(latents.float(), (height, width), mode="area"))
