"""Renders a split into shards that training reads memory-mapped.

`python -m foundry.dataset --split croquis --count 12000` writes `artefacts/renders/croquis/00000.npz.d/*.npy`;
it skips shards that exist, so it can be stopped and started again.
"""

from __future__ import annotations

import argparse
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.body import BodyPack
from foundry.render import Render, render
from foundry.scene import sample_scene
from studio.records.attributes import ATTRIBUTE_VALUES
from studio.records.pose import Framing

Array = npt.NDArray[Any]
ROOT = Path("artefacts/renders")
SHARD = 250
PARTS = ("image", "labels", "joints_px", "visible", "attributes", "px_per_mm")
"""`labels`: 0 background, 1 figure, 2 trousers or skirt, 3 top or dress.
`attributes`: indices into ATTRIBUTE_VALUES."""


def sample_framing(seed: int) -> Framing:
    """A camera near the default: figures of a pose editor do not always stand in the middle."""
    rng = np.random.default_rng([seed, 77])
    return Framing(
        px_per_mm=Framing().px_per_mm * float(rng.uniform(0.92, 1.05)),
        origin_x_px=96 + float(rng.uniform(-12, 12)),
        origin_y_px=246 + float(rng.uniform(-5, 3)),
    )


def _row(picture: Render) -> dict[str, Array]:
    labels = (picture.figure_mask > 127).astype(np.uint8)
    labels[picture.garment_mask > 127] = 2
    labels[picture.upper_mask > 127] = 3
    chosen = picture.attributes.model_dump()
    return {
        "image": picture.image,
        "labels": labels,
        "joints_px": picture.joints_px.astype(np.float32),
        "visible": picture.visible,
        "attributes": np.array([values.index(chosen[name]) for name, values in ATTRIBUTE_VALUES.items()], np.uint8),
        "px_per_mm": np.float32(picture.framing.px_per_mm),
    }


def write_shard(job: tuple[str, int, Path]) -> Path:
    """Renders one shard and moves it into place whole."""
    split, number, folder = job
    pack = BodyPack()
    rows = []
    for seed in range(number * SHARD, (number + 1) * SHARD):
        rows.append(_row(render(pack, sample_scene(pack, seed, split), sample_framing(seed))))
    temporary = folder / f".{number:05d}.{os.getpid()}"
    temporary.mkdir(parents=True)
    for part in PARTS:
        np.save(temporary / f"{part}.npy", np.stack([row[part] for row in rows]))
    target = folder / f"{number:05d}"
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    return target


@dataclass(frozen=True)
class Renders:
    """Memory-mapped shards of a split, read by global index."""

    shards: tuple[dict[str, Array], ...]

    @classmethod
    def open(cls, split: str, root: Path = ROOT) -> Renders:
        """All whole shards of a split.

        Raises:
            FileNotFoundError: none rendered yet.
        """
        folders = sorted(p for p in (root / split).glob("[0-9]*") if p.is_dir())
        if not folders:
            raise FileNotFoundError(f"no renders of {split}: python -m foundry.dataset --split {split}")
        return cls(tuple({part: np.load(f / f"{part}.npy", mmap_mode="r") for part in PARTS} for f in folders))

    def __len__(self) -> int:
        return len(self.shards) * SHARD

    def batch(self, indices: Array, part: str) -> Array:
        """Rows `indices` of one part, stacked."""
        return np.stack([self.shards[i // SHARD][part][i % SHARD] for i in indices])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", required=True)
    parser.add_argument("--count", type=int, default=12000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--root", type=Path, default=ROOT)
    arguments = parser.parse_args()
    folder = arguments.root / arguments.split
    missing = [i for i in range(arguments.count // SHARD) if not (folder / f"{i:05d}").is_dir()]
    with ProcessPoolExecutor(arguments.workers) as pool:
        for done, path in enumerate(pool.map(write_shard, [(arguments.split, i, folder) for i in missing]), 1):
            print(f"{path} ({done} of {len(missing)})", flush=True)


if __name__ == "__main__":
    main()
