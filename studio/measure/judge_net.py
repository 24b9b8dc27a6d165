"""The judge's network: joints, masks and attributes of one dressed figure at 192x256 px.

Attributes are read where a person would look: at the joints and along the limbs that the network has found (whether a
forearm shows skin tells the sleeve), and in the mean under the masks of top and skirt.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from studio.records.attributes import ATTRIBUTE_VALUES
from studio.records.pose import JOINT_NAMES

WIDTH_PX, HEIGHT_PX = 192, 256
CHANNELS = (16, 32, 64, 96, 128)
HEAT_STRIDE, LABEL_STRIDE, EMBEDDING = 4, 2, 96
LABELS = ("background", "figure", "lower", "upper")
LIMBS = ((2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13), (1, 0), (1, 8), (1, 11), (2, 8), (5, 11))
"""Joints between which the network looks half-way."""
TEXTURE = 48


class Output(NamedTuple):
    """What the network says of a batch.

    Attributes:
        heat: (B, 18, 64, 48) logits over places, one softmax per joint.
        seen: (B, 18) logits that the joint is unoccluded.
        labels: (B, 4, 128, 96) logits of `LABELS`.
        attributes: name -> (B, values) logits.
    """

    heat: torch.Tensor
    seen: torch.Tensor
    labels: torch.Tensor
    attributes: dict[str, torch.Tensor]


class Block(nn.Module):
    """Residual block of two normalised convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.one = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm_one, self.norm_two = nn.GroupNorm(8, outputs), nn.GroupNorm(8, outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, stride) if inputs != outputs or stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y = F.silu(self.norm_one(self.one(x)))
        return F.silu(self.norm_two(self.two(y)) + self.short(x))


class JudgeNet(nn.Module):
    """A small U-shaped network; attributes are read from features pooled under the masks that it finds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, CHANNELS[0], 5, 2, 2), nn.GroupNorm(8, CHANNELS[0]), nn.SiLU())
        pairs = list(pairwise(CHANNELS))
        self.down = nn.ModuleList(Block(a, b, 2) for a, b in pairs)
        self.middle = Block(CHANNELS[-1], CHANNELS[-1])
        self.up = nn.ModuleList(Block(a + b, a) for a, b in reversed(pairs))
        self.heat = nn.Conv2d(CHANNELS[1], len(JOINT_NAMES), 1)
        self.labels = nn.Conv2d(CHANNELS[0], len(LABELS), 1)
        self.texture = Block(CHANNELS[1], TEXTURE)
        looked_at = (len(JOINT_NAMES) + len(LIMBS)) * (3 + TEXTURE) + 3 * (3 + TEXTURE) + 3 * TEXTURE
        pooled = CHANNELS[-1] + looked_at + len(JOINT_NAMES) * 2
        self.embed = nn.Sequential(
            nn.LayerNorm(pooled), nn.Linear(pooled, 256), nn.SiLU(), nn.Linear(256, EMBEDDING), nn.SiLU()
        )
        self.seen = nn.Linear(EMBEDDING, len(JOINT_NAMES))
        self.read = nn.Sequential(nn.LayerNorm(pooled), nn.Linear(pooled, 256), nn.SiLU())
        self.heads = nn.ModuleDict({name: nn.Linear(256, len(v)) for name, v in ATTRIBUTE_VALUES.items()})

    def forward(self, images: torch.Tensor) -> Output:
        """images: (B, 3, 256, 192) in [-1, 1]."""
        features = [self.stem(images)]
        for block in self.down:
            features.append(block(features[-1]))
        x = self.middle(features[-1])
        deepest, fine = x, []
        for block, skip in zip(self.up, reversed(features[:-1]), strict=True):
            x = block(torch.cat([F.interpolate(x, size=skip.shape[-2:], mode="nearest"), skip], 1))
            fine.append(x)
        heat, labels = self.heat(fine[-2]), self.labels(fine[-1])
        places = sharp_places(heat.detach()) / torch.tensor([WIDTH_PX, HEIGHT_PX], device=heat.device)
        values = torch.cat([F.avg_pool2d(images, HEAT_STRIDE), self.texture(fine[-2])], 1)
        looked_at = [_at(values, places), _under(values, labels.detach())]
        pooled = torch.cat([*looked_at, deepest.mean((2, 3)), places.flatten(1)], 1)
        read = self.read(pooled)
        attributes = {name: head(read) for name, head in self.heads.items()}
        return Output(heat, self.seen(self.embed(pooled)), labels, attributes)


def _at(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) features at the joints (B, 18, 2; in [0, 1]) and half-way along the limbs, flattened to (B, N)."""
    middles = torch.stack([(places[:, a] + places[:, b]) / 2 for a, b in LIMBS], 1)
    grid = torch.cat([places, middles], 1)[:, None] * 2 - 1
    return F.grid_sample(values, grid, align_corners=False, padding_mode="border").flatten(1)


def _under(values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(B, 3 + T, h, w) colour and texture: their mean under figure, lower and upper, and the texture's spread there."""
    shares = F.avg_pool2d(labels.softmax(1)[:, 1:], 2)
    total = shares.sum((2, 3)).clamp(min=1.0)[:, :, None]
    mean = torch.einsum("bkhw,bchw->bkc", shares, values) / total
    square = torch.einsum("bkhw,bchw->bkc", shares, values[:, 3:].square()) / total
    spread = (square - mean[:, :, 3:].square()).clamp(min=1e-6).sqrt()
    return torch.cat([mean.flatten(1), spread.flatten(1)], 1)


def soft_places(heat: torch.Tensor) -> torch.Tensor:
    """(B, J, h, w) logits to (B, J, 2) x and y in [0, 1]: the mean of each joint's place over the whole map."""
    share = heat.flatten(2).softmax(2).view_as(heat)
    height, width = heat.shape[-2:]
    x = (share.sum(2) * (torch.arange(width, device=heat.device) + 0.5)).sum(2) / width
    y = (share.sum(3) * (torch.arange(height, device=heat.device) + 0.5)).sum(2) / height
    return torch.stack([x, y], 2)


def domain_features(images: torch.Tensor, output: Output) -> torch.Tensor:
    """(B, 4) by which the judge knows its own domain: how surely it finds joints and masks, how much of the picture is
    figure, and how rough the picture is. A photo of something else leaves it in doubt; the 96 numbers of the embedding
    told noise and photos from renders less well than these four.
    """
    peak = output.heat.flatten(2).log_softmax(2).amax(2).mean(1)
    labels = output.labels.softmax(1)
    doubt = -(labels * labels.clamp(min=1e-6).log()).sum(1).mean((1, 2))
    share = (1 - labels[:, 0]).mean((1, 2)).clamp(min=1e-4).log()
    rough = (images.diff(dim=3).abs().mean((1, 2, 3)) + images.diff(dim=2).abs().mean((1, 2, 3))).clamp(min=1e-4).log()
    return torch.stack([peak, doubt, share, rough], 1)


def sharp_places(heat: torch.Tensor, reach: int = 2) -> torch.Tensor:
    """(B, J, h, w) logits to (B, J, 2) picture pixels: the mean within `reach` cells of each joint's peak."""
    height, width = heat.shape[-2:]
    peak = heat.flatten(2).argmax(2)
    row, column = peak // width, peak % width
    near = (torch.arange(height, device=heat.device)[None, None, :, None] - row[..., None, None]).abs() <= reach
    near = near & ((torch.arange(width, device=heat.device) - column[..., None, None]).abs() <= reach)
    local = heat.masked_fill(~near, float("-inf"))
    return soft_places(local) * torch.tensor([width * HEAT_STRIDE, height * HEAT_STRIDE], device=heat.device)
