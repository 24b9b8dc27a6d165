"""TrainingConfig, TrainingRun, OverfitVerdict: how a LoRA is trained and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from studio.records.base import Record, Slug


class TrainingConfig(Record):
    """Saved as `config.json` in the run folder before the first step; a resume reads it from there.

    `lora_alpha` is always stored beside `lora_rank` (a file without it is read differently by different tools).
    """

    name: Slug
    dataset_id: str
    base: Slug = "croquis"
    trigger_token: str = ""
    lora_rank: int = Field(default=8, ge=1, le=256)
    lora_alpha: float = Field(default=8.0, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    lr_scheduler: Literal["constant", "cosine"] = "cosine"
    lr_warmup_steps: int = Field(default=10, ge=0)
    max_train_steps: int = Field(default=300, ge=1)
    train_batch_size: int = Field(default=4, ge=1)
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    repeats: int = Field(default=1, ge=1)
    caption_dropout: float = Field(default=0.1, ge=0, le=1)
    target_modules: tuple[str, ...] = ()
    """Ends of the names of the denoiser's layers that get LoRA matrices, as peft matches them; empty: the family's."""
    snr_gamma: float | None = Field(default=None, gt=0)
    """Min-SNR weighting (Hang et al. 2023, 5.0 is theirs); None: every timestep counts the same."""
    random_flip: bool = False
    """Mirror half of the photos; wrong for logos, lettering and one-sided cuts."""
    validate_every: int = Field(default=50, ge=1)
    checkpoint_every: int = Field(default=50, ge=1)
    sample_every: int = Field(default=100, ge=1)
    sample_prompts: tuple[str, ...] = ()
    sample_seed: int = 7
    seed: int = 0


class OverfitVerdict(Record):
    """The verdict in words with the numbers behind it."""

    sentence: str
    best_step: int
    overfits_from_step: int | None = None
    held_out_loss: tuple[tuple[int, float], ...] = ()
    train_loss: tuple[tuple[int, float], ...] = ()


class TrainingRun(Record):
    """One run. Its folder holds config.json, metrics.jsonl, checkpoints and samples."""

    id: str
    config: TrainingConfig
    folder: str
    """Where it was prepared. A home may have moved since: a run is found in its home by its id."""
    status: Literal["waiting", "running", "stopped", "done", "failed"]
    step: int = 0
    data_sha256: str = ""
    verdict: OverfitVerdict | None = None
    brand_model: str = ""
    created_at: datetime
