"""A run's folder: config.json and data.json written once, metrics.jsonl, checkpoints/ and samples/ as training goes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from studio.errors import NotFoundError
from studio.records.training import TrainingConfig
from studio.store import write_atomic
from studio.train.snapshot import Snapshot


class RunFolder:
    """Where the parts of one run lie."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.metrics = root / "metrics.jsonl"
        self.checkpoints = root / "checkpoints"
        self.samples = root / "samples"
        self._config = root / "config.json"
        self._data = root / "data.json"

    def write(self, config: TrainingConfig, snapshot: Snapshot) -> None:
        """Keep what the run was started with; it is read from here ever after."""
        write_atomic(self._data, snapshot.model_dump_json(indent=1).encode())
        write_atomic(self._config, config.model_dump_json(indent=1).encode())

    def config(self) -> TrainingConfig:
        """The run's config. Raises NotFoundError."""
        return TrainingConfig.model_validate_json(_read(self._config))

    def snapshot(self) -> Snapshot:
        """The run's photos. Raises NotFoundError."""
        return Snapshot.model_validate_json(_read(self._data))

    def fingerprint(self) -> str:
        """Hash of config and photos; a checkpoint with another one belongs to another run."""
        return hashlib.sha256(_read(self._config) + _read(self._data)).hexdigest()


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise NotFoundError(f"The training run's file {path} is gone.", "Prepare the run again.")
    return path.read_bytes()
