"""BrandModel: a trained LoRA with its card. Lies in `brand_models/<name>/card.json`."""

from __future__ import annotations

from datetime import datetime

from studio.records.base import Record, Sha256, Slug
from studio.records.training import OverfitVerdict, TrainingConfig


class BrandModel(Record):
    """A brand's own model: what it is, what it was made from, what it may be used for."""

    name: Slug
    base: Slug
    base_licence: str
    trigger_token: str
    weights_file: str = "pytorch_lora_weights.safetensors"
    weights_sha256: Sha256
    lora_rank: int
    lora_alpha: float
    data_sha256: Sha256
    photo_count: int
    rights_summary: dict[str, int]
    """Licence text -> number of photos under it."""
    training: TrainingConfig
    verdict: OverfitVerdict | None = None
    scorecard: dict[str, float] = {}
    samples: tuple[str, ...] = ()
    training_sha256: tuple[Sha256, ...] = ()
    """Content addresses of the training photos, so that review can look for copies."""
    created_at: datetime
