"""Encodes a split's renders once with the finished autoencoder and draws their control maps.

`python -m foundry.latents --split croquis`; shards that exist are skipped. Latents are stored scaled, as mean only:
the posterior's deviation is a thousandth of the latents' own.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL

from foundry.autoencoder import FOLDER as AUTOENCODER
from foundry.dataset import ROOT, SHARD
from foundry.fit import pick_device
from foundry.render import FACE_JOINTS
from studio.compose.openpose import draw_openpose
from studio.records.pose import Framing, Joint, Pose

Array = npt.NDArray[Any]
LATENTS = Path("artefacts/latents")


def control_of(joints_px: Array, visible: Array) -> Array:
    """(256, 192, 3) uint8 OpenPose map of a render's joints; hidden face joints are left out, as in a pose record."""
    joints = tuple(
        Joint(x_mm=float(x), y_mm=-float(y), present=bool(visible[i] or i not in FACE_JOINTS))
        for i, (x, y) in enumerate(joints_px)
    )
    return draw_openpose(Pose(name="render", joints=joints), Framing(px_per_mm=1.0, origin_x_px=0, origin_y_px=0))


@torch.no_grad()
def encode(model: AutoencoderKL, images: Array) -> Array:
    """(N, H, W, 3) uint8 to scaled latents (N, C, H/8, W/8) float16."""
    device = next(model.parameters()).device
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    parts = [model.encode(part.to(device)).latent_dist.mode() for part in batch.split(25)]
    return (torch.cat(parts) * model.config.scaling_factor).cpu().numpy().astype(np.float16)


def encode_shard(shard: Path, target: Path) -> Path:
    """Encodes one rendered shard and draws its control maps."""
    torch.set_num_threads(1)
    model = AutoencoderKL.from_pretrained(AUTOENCODER / "vae").to(pick_device()).eval()
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / "latents.npy", encode(model, np.load(shard / "image.npy")))
    joints, visible = np.load(shard / "joints_px.npy"), np.load(shard / "visible.npy")
    np.save(target / "control.npy", np.stack([control_of(j, v) for j, v in zip(joints, visible, strict=True)]))
    return target


def write(split: str, workers: int) -> None:
    """Encodes every rendered shard of the split that has no control maps yet (they are written last)."""
    shards = sorted(p for p in (ROOT / split).glob("[0-9]*") if p.is_dir())
    missing = [s for s in shards if not (LATENTS / split / s.name / "control.npy").is_file()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for target in pool.map(encode_shard, missing, [LATENTS / split / s.name for s in missing]):
            print(target, flush=True)


@dataclass(frozen=True)
class Latents:
    """Memory-mapped latents, control maps and attribute indices of splits, one after the other."""

    shards: tuple[tuple[str, int], ...]
    latents: tuple[Array, ...]
    control: tuple[Array, ...]
    attributes: tuple[Array, ...]

    @classmethod
    def open(cls, *splits: str) -> Latents:
        """All encoded shards."""
        folders = [folder for split in splits for folder in sorted((LATENTS / split).glob("[0-9]*"))]
        return cls(
            tuple((f.parent.name, int(f.name)) for f in folders),
            tuple(np.load(f / "latents.npy", mmap_mode="r") for f in folders),
            tuple(np.load(f / "control.npy", mmap_mode="r") for f in folders),
            tuple(np.load(ROOT / f.parent.name / f.name / "attributes.npy") for f in folders),
        )

    def __len__(self) -> int:
        return len(self.latents) * SHARD

    def scene(self, index: int) -> tuple[str, int]:
        """Split and seed of the scene that row `index` shows."""
        split, shard = self.shards[index // SHARD]
        return split, shard * SHARD + index % SHARD

    def batch(self, indices: Array) -> tuple[Array, Array, Array]:
        """Latents (B, C, h, w), control maps (B, H, W, 3) and attribute indices (B, A) of rows `indices`."""
        places = [(i // SHARD, i % SHARD) for i in indices]
        parts = (self.latents, self.control, self.attributes)
        latents, control, attributes = (np.stack([part[s][r] for s, r in places]) for part in parts)
        return latents, control, attributes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="croquis")
    parser.add_argument("--workers", type=int, default=1 if torch.cuda.is_available() else os.cpu_count() or 1)
    arguments = parser.parse_args()
    write(arguments.split, arguments.workers)
