"""BrandModel: a LoRA with its card, trained here or brought from elsewhere. In `brand_models/<name>/card.json`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import model_validator

from studio.records.base import Record, Sha256, Slug
from studio.records.training import OverfitVerdict, TrainingConfig

LoraLayout = Literal["kohya", "diffusers", "ai-toolkit"]
"""What a LoRA is written as for other tools."""


class ImportedLora(Record):
    """What a person says of a LoRA that was made elsewhere. Its training photos are not known."""

    file_name: str
    layout: str
    """As the file came: `kohya`, `diffusers`, `peft` or `ai-toolkit`. It is kept as it is."""
    source: str
    """Where it comes from, e.g. the address of its page."""
    owner: str
    licence: str
    commercial_use: bool | None = None
    """None: nobody has read the licence yet; export is blocked until a named person answers for it."""
    by: str
    """Who brought it in and said so."""


class BrandModel(Record):
    """A brand's own model: what it is, what it was made from, what it may be used for.

    Raises:
        pydantic.ValidationError: it is neither trained here nor imported, or both.
    """

    name: Slug
    base: Slug
    base_licence: str
    trigger_token: str
    weights_file: str = "pytorch_lora_weights.safetensors"
    weights_sha256: Sha256
    lora_rank: int
    lora_alpha: float
    """Of most layers; the file knows that of each."""
    data_sha256: Sha256 | None = None
    photo_count: int = 0
    rights_summary: dict[str, int] = {}
    """Licence text -> number of photos under it."""
    training: TrainingConfig | None = None
    imported: ImportedLora | None = None
    verdict: OverfitVerdict | None = None
    scorecard: dict[str, float] = {}
    samples: tuple[str, ...] = ()
    training_sha256: tuple[Sha256, ...] = ()
    """Content addresses of the training photos, so that review can look for copies."""
    created_at: datetime

    @model_validator(mode="after")
    def _one_origin(self) -> BrandModel:
        if (self.training is None) == (self.imported is None):
            raise ValueError("a brand model was either trained here or imported")
        if self.training is not None and self.data_sha256 is None:
            raise ValueError("a brand model that was trained here names its data_sha256")
        return self
