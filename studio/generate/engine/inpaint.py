"""Inpainting: only the masked part of a picture is drawn anew.

After every step the latents outside the mask are those of the picture, noised for the next step, as in the stock
inpainting pipelines; a denoiser with inputs for a mask is shown mask and masked picture as well. Outside the mask the
finished picture is the old one again: an autoencoder would change it slightly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from studio.errors import InputError
from studio.generate.pictures import ReadPicture
from studio.models.architecture import Architecture
from studio.records.generation import GenerationRequest, Inpaint
from studio.records.pose import Framing

MAX_STRETCH = 0.01
"""Difference of the sides' ratios up to which a picture is fitted to a request's size."""


@dataclass(frozen=True)
class Original:
    """A picture that is drawn anew in part, at the size of its request; `mask`: mode L, white where it is drawn."""

    picture: Image.Image
    mask: Image.Image

    @classmethod
    def of(cls, inpaint: Inpaint, framing: Framing, read: ReadPicture) -> Original:
        """Raises InputError: picture, mask and request do not have the same shape."""
        picture, mask = read(inpaint.picture_sha256).convert("RGB"), read(inpaint.mask_sha256).convert("L")
        size = framing.width_px, framing.height_px
        if mask.size != picture.size:
            raise InputError(
                f"The mask has {mask.width}x{mask.height} px, its picture {picture.width}x{picture.height}.",
                "Paint the mask on the picture itself.",
            )
        if abs(picture.width * size[1] / (picture.height * size[0]) - 1) > MAX_STRETCH:
            raise InputError(
                f"The picture has {picture.width}x{picture.height} px; {size[0]}x{size[1]} would stretch it.",
                "Choose a size of the same shape, or crop the picture first.",
            )
        if np.asarray(mask).max() < 128:
            raise InputError("The mask is empty: nothing would be drawn anew.", "Paint over what is to change.")
        return cls(_fitted(picture, size), _fitted(mask, size))

    def masked(self) -> Tensor:
        """(1, 3, H, W) in [-1, 1], zero where it is drawn anew."""
        return pixels_of(self.picture) * (1 - _binary(self.mask))

    def finished(self, drawn: Image.Image) -> Image.Image:
        """The drawn picture inside the mask, the old one outside, mixed where the mask is grey."""
        return Image.composite(drawn, self.picture, self.mask)


@dataclass(frozen=True)
class Fill:
    """What a batch of B pictures keeps.

    Attributes:
        kept: latents of the old pictures, (B, C, h, w); None where pure noise and the denoiser's own inputs suffice.
        mask: (B, 1, h, w), 1 where it is drawn anew.
        shown: mask and masked latents for a denoiser that takes them, (B, 1 + C, h, w); None for the others.
        strength: share of the denoising that is done.
    """

    kept: Tensor | None
    mask: Tensor
    shown: Tensor | None
    strength: float

    def blended(self, latents: Tensor, kept: Tensor) -> Tensor:
        """Latents inside the mask, `kept` outside."""
        return (1 - self.mask) * kept + self.mask * latents


def first_step(steps: int, strength: float) -> int:
    """The step that a run of `strength` begins with, counted from 0; `steps` when none is left."""
    return max(steps - int(steps * strength), 0)


def encode(
    architecture: Architecture, vae: Any, pixels: Sequence[Tensor], generators: Sequence[torch.Generator]
) -> Tensor:
    """Latents (B, C, h, w) in fp32 of pictures (1, 3, H, W), each drawn from its posterior with its own generator, as
    the stock pipelines do.
    """
    latents = []
    for picture, generator in zip(pixels, generators, strict=True):
        posterior = vae.encode(picture.to(vae.device, vae.dtype)).latent_dist
        latents.append(architecture.to_latents(vae, posterior.sample(generator)).float())
    return torch.cat(latents)


def masks_of(originals: Sequence[Original], size: tuple[int, int], device: Any) -> Tensor:
    """(B, 1, h, w) of 0 and 1 at the latents' height and width."""
    masks = torch.cat([_binary(original.mask) for original in originals])
    return torch.nn.functional.interpolate(masks, size).to(device)


def originals_of(requests: Sequence[GenerationRequest], read: ReadPicture) -> list[Original]:
    """The pictures that the requests change; empty for requests that change none."""
    return [Original.of(r.inpaint, r.framing, read) for r in requests if r.inpaint is not None]


def pixels_of(picture: Image.Image) -> Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1)[None] / 127.5 - 1


def _binary(mask: Image.Image) -> Tensor:
    """(1, 1, H, W) of 0 and 1."""
    return torch.from_numpy((np.asarray(mask) >= 128).astype(np.float32))[None, None]


def _fitted(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
