"""Teaches croquis's image encoder to tell fabrics apart: `python -m foundry.image_encoder --minutes 6`.

Two reference pictures of one cloth are brought together, those of other cloths kept away (InfoNCE, van den Oord et
al. 2018, arXiv 1807.03748); four cloths in a row share their colours, so that colours alone do not tell them apart.
Beside that the features say both colours. What else croquis wants to know of a cloth it teaches the encoder itself,
together with the IP-Adapter's layers, in `foundry.denoiser`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from foundry.fabrics import FABRICS
from foundry.fit import FitConfig, Losses, fit, pick_device
from foundry.free_fabrics import PREFIX, free_colours
from foundry.scene import Cloth
from foundry.swatch import SIDE, reference

Array = npt.NDArray[Any]
Rng = np.random.Generator
FOLDER = Path("artefacts/image_encoder")
CLOTHS, ALIKE, TEMPERATURE = 24, 4, 0.1
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of transformers' CLIPImageProcessor, which reads the pictures in use."""


def build_encoder() -> CLIPVisionModelWithProjection:
    """The encoder at its final shape, random weights."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=160, intermediate_size=480, projection_dim=256, num_hidden_layers=4, num_attention_heads=4,
            image_size=SIDE, patch_size=8,
        )
    )  # fmt: skip


def pixels(pictures: Array) -> torch.Tensor:
    """(B, H, W, 3) uint8 to what the encoder reads, (B, 3, H, W)."""
    values = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return (values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


class Reader(nn.Module):
    """The encoder, and a head that says the two colours."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = build_encoder()
        self.colours = nn.Linear(self.encoder.config.projection_dim, 6)


def cloths(rng: Rng) -> list[Cloth]:
    """Fabrics of all families, named or not; of `ALIKE` ones in a row all have the same colours."""
    names = [*FABRICS, *(f"{PREFIX}{int(n)}" for n in rng.integers(10**6, 10**9, 2 * len(FABRICS)))]
    found = []
    for _ in range(CLOTHS // ALIKE):
        ground, second = free_colours(rng)
        for name in rng.choice(names, ALIKE, replace=False):
            found.append(Cloth(str(name), ground, second, float(rng.uniform(0.88, 1.16))))
    return found


def losses(reader: Reader, step: int, device: torch.device) -> Losses:
    """One step's losses; everything follows from its number."""
    rng = np.random.default_rng([step, 41])
    chosen = cloths(rng)
    shown = np.stack([reference(cloth, rng) for cloth in (*chosen, *chosen)])
    features = reader.encoder(pixels(shown).to(device)).image_embeds
    first, second = F.normalize(features, dim=1).chunk(2)
    alike = first @ second.T / TEMPERATURE
    own = torch.arange(len(chosen), device=device)
    truth = np.stack([np.concatenate([cloth.colour, cloth.second]) for cloth in chosen]) / 255
    told = torch.from_numpy(np.concatenate([truth, truth])).float().to(device)
    return {
        "alike": 0.1 * (F.cross_entropy(alike, own) + F.cross_entropy(alike.T, own)),
        "colours": 4 * F.mse_loss(reader.colours(features), told),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6)
    minutes = parser.parse_args().minutes
    device = pick_device()
    torch.manual_seed(0)
    reader = Reader().to(device)
    config = FitConfig(FOLDER, minutes, learning_rate=1e-3, ema_decay=0.99)
    fit(reader, lambda step: losses(reader, step, device), config)
    reader.encoder.save_pretrained(FOLDER / "image_encoder")


if __name__ == "__main__":
    main()
