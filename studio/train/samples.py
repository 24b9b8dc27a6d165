"""Samples: the same prompts with the same seed as training goes, to see what the numbers do not say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.records.training import TrainingConfig
from studio.train.snapshot import Snapshot

DrawSample = Callable[[Any, str, int, Path], None]
"""draw(unet, prompt, seed, path): draws one picture with the UNet as it is, matrices included, and writes a PNG."""


def sample_prompts(config: TrainingConfig, snapshot: Snapshot) -> tuple[str, ...]:
    """The config's prompts, or the caption of the first held-out (else first) photo where it names none."""
    first = (*snapshot.held_out, *snapshot.train)[0]
    return config.sample_prompts or (first.caption,)


class Samples:
    """The samples of one run."""

    def __init__(self, folder: Path, prompts: tuple[str, ...], seed: int, draw: DrawSample | None) -> None:
        self._folder = folder
        self._prompts = prompts
        self._seed = seed
        self._draw = draw

    def draw(self, unet: Any, step: int) -> None:
        """Draw those of a step that are not there yet; nothing where nobody can draw."""
        if self._draw is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for number, prompt in enumerate(self._prompts):
            path = self._folder / f"step_{step:08d}_{number:02d}.png"
            if path.exists():
                continue
            unfinished = path.with_name(f".unfinished_{path.name}")
            self._draw(unet, prompt, self._seed, unfinished)
            os.replace(unfinished, path)


def samples_near(folder: Path, step: int) -> list[Path]:
    """The samples of that step, or of the last sampled step before it; empty when there are none."""
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("step_*.png")):
        found.setdefault(int(path.name.split("_")[1]), []).append(path)
    return found[max(earlier)] if (earlier := [s for s in found if s <= step]) else []
