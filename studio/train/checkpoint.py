"""Checkpoints: matrices, optimiser moments and step in one safetensors file each, written whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import ConflictError, NotFoundError
from studio.models.weights import load_weights
from studio.store import write_atomic

if TYPE_CHECKING:
    import torch

_NAME = re.compile(r"step_(\d{8})\.safetensors")
_LORA, _OPTIMIZER = "lora:", "optimizer:"
_HEADER = "sasage.checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a run."""

    step: int
    lora: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        fingerprint: of the run's config and photos; written into each file and asked for again.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder
        self._fingerprint = fingerprint

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, ascending."""
        names = (_NAME.fullmatch(path.name) for path in self._folder.glob("*"))
        return sorted(int(name[1]) for name in names if name)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write one. Raises ResourceError when the disk is full; older ones are untouched."""
        from safetensors.torch import save

        tensors = {f"{_LORA}{name}": value for name, value in checkpoint.lora.items()}
        tensors |= {f"{_OPTIMIZER}{name}": value for name, value in checkpoint.optimizer.items()}
        header = {"format": "pt", _HEADER: json.dumps({"step": checkpoint.step, "fingerprint": self._fingerprint})}
        write_atomic(self._path(checkpoint.step), save(tensors, header))

    def load(self, step: int) -> Checkpoint:
        """Read one.

        Raises:
            NotFoundError: no checkpoint of that step.
            ConflictError: it belongs to another config or other photos.
            GateError: the file was damaged, or holds numbers that are not finite.
        """
        path = self._path(step)
        if not path.is_file():
            kept = ", ".join(map(str, self.steps())) or "none"
            raise NotFoundError(f"There is no checkpoint of step {step}.", f"There are: {kept}.")
        file, tensors = load_weights(path)
        header = json.loads(file.metadata.get(_HEADER, "{}"))
        if header.get("fingerprint") != self._fingerprint:
            raise ConflictError(
                f"{path} was made with another config or other photos than the run's folder now holds.",
                "Restore config.json and data.json, or prepare a new run.",
            )
        return Checkpoint(step, _under(_LORA, tensors), _under(_OPTIMIZER, tensors))

    def prune(self, keep: Collection[int]) -> None:
        """Delete all but these steps."""
        for step in set(self.steps()) - set(keep):
            self._path(step).unlink(missing_ok=True)

    def _path(self, step: int) -> Path:
        return self._folder / f"step_{step:08d}.safetensors"


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
