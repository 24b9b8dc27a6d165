"""diffusers' own training script as an arm: unchanged, in a process of its own that waits between the rounds.

So its steps are timed in their steady state and in turn with the other arms; its start is told apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.rounds import Work
from benchmarks.script_steps import MARK
from studio.records.training import TrainingConfig
from studio.settings import REPOSITORY

STARTED = "script_start_s.txt"
WRAPPER = Path(__file__).with_name("script_steps.py")
NEVER = 10**9


class ScriptRun(NamedTuple):
    """One run of a script of `examples/dreambooth`.

    Attributes:
        photos: a folder with photos and nothing else.
        side_px: what they are cut to.
        steps: optimiser steps in a round.
        mixed_precision: accelerate's word; empty for fp32.
    """

    script: Path
    base: Path
    photos: Path
    output: Path
    side_px: int
    config: TrainingConfig
    steps: int
    threads: int
    mixed_precision: str = ""

    def arguments(self) -> list[str]:
        """What the script is told. All else is as it chooses."""
        config = self.config
        precision = ["--mixed_precision", self.mixed_precision] if self.mixed_precision else []
        return [
            "--pretrained_model_name_or_path", str(self.base), "--instance_data_dir", str(self.photos),
            "--instance_prompt", "a photo of a dress", "--output_dir", str(self.output), "--resolution",
            str(self.side_px), "--center_crop", "--train_batch_size", str(config.train_batch_size),
            "--max_train_steps", str(config.max_train_steps), "--learning_rate", str(config.learning_rate),
            "--lr_scheduler", "constant", "--lr_warmup_steps", "0", "--rank", str(config.lora_rank), "--seed",
            str(config.seed), "--checkpointing_steps", str(NEVER), *precision,
        ]  # fmt: skip


@contextmanager
def script_arm(run: ScriptRun, started: Path) -> Iterator[Work]:
    """Opened when the script stands before its first step; `started` is told how many seconds that took.

    Raises:
        RuntimeError: the script ended; tells the end of what it said.
    """
    log, began = run.output.with_suffix(".log"), time.perf_counter()
    environment = os.environ | {
        "OMP_NUM_THREADS": str(run.threads),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, str(WRAPPER), str(run.steps), str(run.script), *run.arguments()]
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
            text=True,
        )  # fmt: skip
    with process:  # closes the pipes
        yield from _answering(process, log, began, started)


def _answering(process: subprocess.Popen[str], log: Path, began: float, started: Path) -> Iterator[Work]:
    told: dict[str, Any] = {}

    def answer() -> list[float]:
        told.update(_answer(process, log))
        return list(told["losses"])

    def steps(_: int) -> list[float]:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        return answer()

    try:
        answer()
        started.write_text(str(time.perf_counter() - began), encoding="utf-8")
        yield Work(steps, lambda losses: np.array(losses), lambda: float(told["cpu_s"]))
    finally:
        process.kill()


def _answer(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return found
    raise RuntimeError(f"The script ended before its time:\n{log.read_text(encoding='utf-8')[-2000:]}")
