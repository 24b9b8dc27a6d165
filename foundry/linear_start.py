"""Starts the autoencoder as a linear one: the encoder as the principal components of 8x8 patches, the decoder as their
mean colour, smoothly enlarged; residual branches start at zero.

A random start spends thousands of steps on finding the colours, because every group norm throws the level of its
group away. Here pairs (x, -x) pass through norm and SiLU unchanged, since silu(x) - silu(-x) = x, and a constant
pair (K, -K) in each group keeps the norm's scale fixed. Everything remains trainable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL
from torch import nn

from foundry.dataset import SHARD, Renders

Array = npt.NDArray[Any]
CONSTANT, AMPLITUDE = 1.0, 0.12
SMOOTH = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16


def patches(renders: Renders, count: int = 24000) -> torch.Tensor:
    """(N, 3, 8, 8) in [-1, 1], three quarters of them on the figure."""
    rng, found = np.random.default_rng(0), []
    while len(found) < count:
        index = int(rng.integers(len(renders)))
        shard, row = renders.shards[index // SHARD], index % SHARD
        image, labels = shard["image"][row], shard["labels"][row]
        for _ in range(24):
            y, x = int(rng.integers(0, image.shape[0] - 8)), int(rng.integers(0, image.shape[1] - 8))
            if labels[y + 4, x + 4] or rng.random() < 0.1:
                found.append(image[y : y + 8, x : x + 8])
    return torch.from_numpy(np.stack(found[:count])).permute(0, 3, 1, 2).float() / 127.5 - 1


def components(signal: torch.Tensor, kept: int) -> torch.Tensor:
    """(kept, C) principal directions of (N, C, h, w), around zero."""
    flat = signal.permute(1, 0, 2, 3).flatten(1)
    _, directions = torch.linalg.eigh((flat @ flat.T / flat.shape[1]).double())
    return directions.flip(1).T[:kept].float()


def fold(signal: torch.Tensor) -> torch.Tensor:
    """Space to depth by two: (N, C, h, w) to (N, 4C, h/2, w/2), channel = (row, column, C)."""
    parts = [signal[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.cat(parts, 1)


def _quiet(model: nn.Module) -> None:
    """Zeroes the last convolution of every residual branch."""
    for module in model.modules():
        if hasattr(module, "conv2") and hasattr(module, "norm2"):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)


def _carry(conv: nn.Conv2d, signals: int, kernel: torch.Tensor | None = None) -> None:
    """Makes the first `signals` outputs copies of the inputs; the other outputs keep their random weights."""
    conv.weight[:signals] = 0
    conv.bias[:signals] = 0
    for channel in range(signals):
        if kernel is None:
            conv.weight[channel, channel, conv.kernel_size[0] // 2, conv.kernel_size[1] // 2] = 1
        else:
            conv.weight[channel, channel] = kernel


def _pair_up(conv: nn.Conv2d, scale: torch.Tensor, groups: int) -> list[tuple[int, int]]:
    """Writes signals i as (scale_i * x_i, -scale_i * x_i) and a constant pair into every group of `conv`'s outputs.

    Returns: the two channels of every signal.
    """
    size = conv.out_channels // groups
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    places = []
    for group in range(groups):
        first = group * size
        conv.bias[first], conv.bias[first + 1] = CONSTANT, -CONSTANT
        places += [(first + 2 * k, first + 2 * k + 1) for k in range(1, size // 2)]
    for signal, (plus, minus) in enumerate(places[: len(scale)]):
        conv.weight[plus, signal], conv.weight[minus, signal] = scale[signal], -scale[signal]
    return places[: len(scale)]


def _read_pairs(conv: nn.Conv2d, places: list[tuple[int, int]], factor: torch.Tensor, size: int) -> None:
    """Makes output i of `conv` the signal of pair i after norm and SiLU, times `factor_i`."""
    norm = (2 * CONSTANT**2 / size) ** 0.5
    conv.weight[: len(places)] = 0
    conv.bias[: len(places)] = 0
    for signal, (plus, minus) in enumerate(places):
        conv.weight[signal, plus, 1, 1] = factor[signal] * norm
        conv.weight[signal, minus, 1, 1] = -factor[signal] * norm


@torch.no_grad()
def start_linear(model: AutoencoderKL, renders: Renders) -> None:
    """Overwrites the weights of `model` (four levels) as described above."""
    _quiet(model)
    encoder = model.encoder
    groups = encoder.conv_norm_out.num_groups
    signal = patches(renders)
    _carry(encoder.conv_in, 3)
    for block in encoder.down_blocks[:3]:
        shortcut, down = block.resnets[0].conv_shortcut, block.downsamplers[0].conv
        if shortcut is not None:
            _carry(shortcut, signal.shape[1])
        folded = fold(signal)
        kept = min(folded.shape[1], down.out_channels)
        directions = components(folded, kept)
        down.weight[:kept], down.bias[:kept] = 0, 0
        for part, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            inputs = signal.shape[1]
            down.weight[:kept, :inputs, row, column] = directions[:, part * inputs : (part + 1) * inputs]
        signal = torch.einsum("kc,nchw->nkhw", directions, folded)
    latents = model.config.latent_channels
    spread = signal[:, :latents].square().mean((0, 2, 3)).sqrt()
    gain = AMPLITUDE / spread
    places = _pair_up(encoder.down_blocks[3].resnets[0].conv_shortcut, gain, groups)
    _read_pairs(encoder.conv_out, places, 1 / gain / spread, encoder.conv_norm_out.num_channels // groups)
    _mean_colour_decoder(model, renders, spread)


def _mean_colour_decoder(model: AutoencoderKL, renders: Renders, spread: torch.Tensor) -> None:
    decoder, latents = model.decoder, model.config.latent_channels
    model.quant_conv.weight[:latents] = 0
    model.quant_conv.bias[:latents] = 0
    _carry(model.quant_conv, latents)
    _carry(model.post_quant_conv, latents)
    batch = patches(renders, 4000)
    codes = model.encode(batch).latent_dist.mode().flatten(1)
    colour = torch.linalg.lstsq(codes, batch.mean((2, 3))).solution.T  # (3, latents)
    carried = 3 + latents
    decoder.conv_in.weight[:carried], decoder.conv_in.bias[:carried] = 0, 0
    decoder.conv_in.weight[:3, :, 1, 1] = colour
    for channel in range(latents):
        decoder.conv_in.weight[3 + channel, channel, 1, 1] = 1
    for block in decoder.up_blocks[:3]:
        if block.resnets[0].conv_shortcut is not None:
            _carry(block.resnets[0].conv_shortcut, carried)
        _carry(block.upsamplers[0].conv, carried, SMOOTH)
    groups = decoder.conv_norm_out.num_groups
    gain = torch.full((3,), AMPLITUDE)
    places = _pair_up(decoder.up_blocks[3].resnets[0].conv_shortcut, gain, groups)
    _read_pairs(decoder.conv_out, places, 1 / gain, decoder.conv_norm_out.num_channels // groups)
