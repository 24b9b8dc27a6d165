"""Trains croquis's autoencoder: `python -m foundry.autoencoder --minutes 35`.

AutoencoderKL of 8x reduction and 12 channels with normalised blocks, on small crops: many cheap steps. Colour is held
by a squared error and a low-resolution term (an L1 and gradient loss alone learned shape and lost colour).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from skimage.color import deltaE_ciede2000, rgb2lab

from foundry.dataset import SHARD, Renders
from foundry.fit import FitConfig, Losses, autocast, fit, pick_device
from foundry.linear_start import start_linear

FOLDER = Path("artefacts/autoencoder")
LATENT_CHANNELS = 12
CROP_PX = 64
BATCH = 4


def build() -> AutoencoderKL:
    """The autoencoder at its final shape, random weights, with a posterior that starts almost without noise:
    at the usual start its noise drowns the small first latents and nothing is learned for a thousand steps.
    """
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 96),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=256,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        model.quant_conv.weight[LATENT_CHANNELS:] = 0
        model.quant_conv.bias[LATENT_CHANNELS:] = -6.0
    return model


def crops(renders: Renders, step: int, held_out: int, whole: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of step `step`: crops (B, 3, 64, 64) or one whole picture (1, 3, 256, 192) in [-1, 1], and the figure's
    mask (B, 1, H, W).
    """
    rng = np.random.default_rng([step, 5])
    images, weights = [], []
    for index in rng.integers(held_out, len(renders), 1 if whole else BATCH):
        shard, row = renders.shards[index // SHARD], index % SHARD
        image, labels = shard["image"][row], shard["labels"][row]
        if not whole:
            top, left = (
                int(rng.integers(low, side - CROP_PX - low + 1))
                for low, side in zip((0, 16), labels.shape, strict=True)
            )
            window = (slice(top, top + CROP_PX), slice(left, left + CROP_PX))
            image, labels = image[window], labels[window]
        flip = -1 if rng.random() < 0.5 else 1
        images.append(image[:, ::flip])
        weights.append((labels > 0)[:, ::flip])
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return batch, torch.from_numpy(np.stack(weights))[:, None].float()


def losses(
    model: AutoencoderKL, images: torch.Tensor, figure: torch.Tensor, noise: torch.Generator, squared: float = 4.0,
    ground: float = 0.2,
) -> Losses:  # fmt: skip
    """Squared, absolute, edge and low-resolution colour errors; the ground weighs `ground` of the figure."""
    with autocast(images.device):
        posterior = model.encode(images).latent_dist
        sample = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=noise).to(images.device)
        output = model.decode(sample).sample
    error = output.float() - images
    weight = ground + (1 - ground) * figure
    weight = weight / weight.mean()
    edges_x, edges_y = error.diff(dim=-1), error.diff(dim=-2)
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    return {
        "mse": (weight * error.square()).mean() * squared,
        "l1": (weight * error.abs()).mean() * 0.5,
        "edge": (edges_x.abs().mean() + edges_y.abs().mean()) * 0.3,
        "colour": F.avg_pool2d(error, 8).abs().mean() * 0.5,
        "kl": (mean.square() + logvar.exp() - 1 - logvar).mean() * 2e-5,
    }


@torch.no_grad()
def reconstruction(model: AutoencoderKL, renders: Renders, count: int) -> dict[str, float]:
    """PSNR in dB and median CIEDE2000 inside the figure, over the first `count` (held-out) renders."""
    device = next(model.parameters()).device
    psnr, delta = [], []
    for start in range(0, count, 8):
        index = np.arange(start, min(start + 8, count))
        truth = renders.batch(index, "image")
        batch = torch.from_numpy(truth).permute(0, 3, 1, 2).float().to(device) / 127.5 - 1
        output = model.decode(model.encode(batch).latent_dist.mode()).sample.clamp(-1, 1)
        pictures = ((output.permute(0, 2, 3, 1).cpu().numpy() + 1) / 2).astype(np.float64)
        for picture, true, labels in zip(pictures, truth / 255.0, renders.batch(index, "labels"), strict=True):
            inside = labels > 0
            psnr.append(-10 * np.log10(((picture[inside] - true[inside]) ** 2).mean()))
            delta.append(np.median(deltaE_ciede2000(rgb2lab(picture[inside]), rgb2lab(true[inside]))))
    return {"psnr_db": float(np.mean(psnr)), "delta_e_median": float(np.median(delta)), "pictures": count}


@torch.no_grad()
def latent_scale(model: AutoencoderKL, renders: Renders, count: int = 256) -> float:
    """1 / standard deviation of the latents, diffusers' `scaling_factor`."""
    device = next(model.parameters()).device
    batch = (
        torch.from_numpy(renders.batch(np.arange(250, 250 + count), "image")).permute(0, 3, 1, 2).float() / 127.5 - 1
    )
    latents = torch.cat([model.encode(part.to(device)).latent_dist.mode() for part in batch.split(16)])
    return 1 / float(latents.std())


def grown(model: AutoencoderKL) -> AutoencoderKL:
    """The same function with at least two residual layers a block: a new layer's branch starts at zero, so the
    encoder's latents stay what croquis was trained on, and the decoder has room to learn on.
    """
    if model.config.layers_per_block >= 2:
        return model
    larger = AutoencoderKL.from_config({**model.config, "layers_per_block": 2})
    missing = larger.load_state_dict(model.state_dict(), strict=False).missing_keys
    with torch.no_grad():
        for name, parameter in larger.named_parameters():
            if name in missing and ".conv2." in name:
                parameter.zero_()
    return larger


def start(renders: Renders, decoder_only: bool) -> AutoencoderKL:
    """A linear start; or the finished autoencoder with only its decoder to train, so that its latents stay."""
    if not decoder_only:
        model = build()
        start_linear(model, renders)
        return model
    model = grown(AutoencoderKL.from_pretrained(FOLDER / "vae"))
    model.encoder.requires_grad_(False)
    model.quant_conv.requires_grad_(False)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--held-out", type=int, default=250, help="first renders kept for the measurement")
    parser.add_argument("--decoder-only", action="store_true", help="train the decoder on, on whole pictures")
    parser.add_argument("--squared", type=float, default=4.0, help="weight of the squared error")
    parser.add_argument("--ground", type=float, default=0.2, help="weight of the ground beside the figure's 1")
    arguments = parser.parse_args()
    device = pick_device()
    torch.manual_seed(0)
    renders = Renders.open("croquis")
    model = start(renders, arguments.decoder_only).to(device)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{millions:.2f} M parameters, {len(renders)} renders, {device}")

    def loss_of_step(step: int) -> Losses:
        images, figure = crops(renders, step, arguments.held_out, whole=arguments.decoder_only)
        noise = torch.Generator().manual_seed(step)
        return losses(model, images.to(device), figure.to(device), noise, arguments.squared, arguments.ground)

    folder, rate = (FOLDER / "decoder", 4e-4) if arguments.decoder_only else (FOLDER, 1.5e-3)
    config = FitConfig(folder, arguments.minutes, learning_rate=rate, ema_decay=0.998)
    fit(model, loss_of_step, config, lambda: reconstruction(model.eval(), renders, 200))
    if not arguments.decoder_only:
        model.register_to_config(scaling_factor=latent_scale(model, renders))
    model.save_pretrained(FOLDER / "vae")
    (FOLDER / "scorecard.json").write_text(json.dumps(reconstruction(model, renders, 200), indent=1))


if __name__ == "__main__":
    main()
