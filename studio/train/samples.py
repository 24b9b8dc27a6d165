"""Samples: the same prompts with the same seed as training goes, to see what the numbers do not say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.records.base import Record
from studio.records.training import TrainingConfig
from studio.train.snapshot import Snapshot

DrawSample = Callable[[Any, str, int, Path], None]
"""draw(unet, prompt, seed, path): draws one picture with the UNet as it is, matrices included, and writes a PNG."""


def sample_prompts(config: TrainingConfig, snapshot: Snapshot) -> tuple[str, ...]:
    """The config's prompts, or the caption of the first held-out (else first) photo where it names none."""
    first = (*snapshot.held_out, *snapshot.train)[0]
    return config.sample_prompts or (first.caption,)


class SampleSheet(Record):
    """The samples that a run has drawn: step -> file name of each prompt's picture, None where there is none yet."""

    prompts: tuple[str, ...]
    rows: dict[int, tuple[str | None, ...]]


def sample_sheet(folder: Path, prompts: tuple[str, ...]) -> SampleSheet:
    """What lies in a run's folder of samples, ordered by steps."""
    there = {path.name for path in folder.glob("step_*.png")}
    steps = sorted({int(name.split("_")[1]) for name in there})
    names = {step: tuple(_name(step, number) for number in range(len(prompts))) for step in steps}
    return SampleSheet(
        prompts=prompts,
        rows={step: tuple(name if name in there else None for name in row) for step, row in names.items()},
    )


def _name(step: int, number: int) -> str:
    return f"step_{step:08d}_{number:02d}.png"


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
            path = self._folder / _name(step, number)
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
