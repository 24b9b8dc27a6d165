"""What the processes of test_kill do: train, and die of kill -9 at a chosen place."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from studio.settings import Settings


def train_until(settings: Settings, job_id: str, place: str) -> None:
    """Run the job; die at `place`: `step N` (after its progress was told), `sample N` (half drawn), or never."""
    import torch

    from studio.jobs import JobQueue, Lane
    from studio.store import Store
    from tests.train.brand import png, service_of

    torch.set_num_threads(1)  # bits depend on the number of threads

    def die_at(reached: str) -> None:
        if reached == place:
            os.kill(os.getpid(), signal.SIGKILL)

    def draw(unet: Any, prompt: str, seed: int, path: Path) -> None:
        path.write_bytes(png(seed)[:100])
        die_at(f"sample {int(path.name.split('_')[2])}")
        path.write_bytes(png(seed))

    def on_progress(job: Any) -> None:
        if "loss" in job.progress.note:
            die_at(f"step {job.progress.done}")

    with Store.open(settings) as store:
        service = service_of(store, settings, draw)
        Lane(JobQueue(store), {"train": service.handle}).run_job(job_id, on_progress)
