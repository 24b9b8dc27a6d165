"""AutoencoderKL's latents and how denoisers know them: shifted and scaled as its config says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from studio.records.pose import Framing


def latent_shape(vae: Any, framing: Framing) -> tuple[int, int, int]:
    """(C, h, w) of one picture: as many channels as the autoencoder has; an inpainting denoiser takes more."""
    factor = int(2 ** (len(vae.config.block_out_channels) - 1))
    return int(vae.config.latent_channels), framing.height_px // factor, framing.width_px // factor


def to_latents(vae: Any, encoded: Tensor) -> Tensor:
    """(encoded - shift) * factor."""
    scaled: Tensor = (encoded - _shift(vae)) * vae.config.scaling_factor
    return scaled


def from_latents(vae: Any, latents: Tensor) -> Tensor:
    """The other way round."""
    unscaled: Tensor = latents / vae.config.scaling_factor + _shift(vae)
    return unscaled


def _shift(vae: Any) -> float:
    return float(getattr(vae.config, "shift_factor", None) or 0.0)
