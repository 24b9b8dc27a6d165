"""GenerationRequest and Variant: what is asked of the engine, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, model_validator

from studio.records.base import Record, Sha256, Slug, Unit
from studio.records.look import Look
from studio.records.pose import Framing, Pose


class AdapterWeight(Record):
    """A brand model and how strongly it is applied."""

    brand_model: Slug
    adapter_weight: float = Field(default=1.0, ge=-2.0, le=2.0)


class GenerationRequest(Record):
    """Everything that decides one picture. The same request gives the same picture, alone or in a batch.

    Raises:
        pydantic.ValidationError: sizes not a multiple of 8, an empty control range, a seed out of range.
    """

    base: Slug = "croquis"
    prompt: str = Field(max_length=2000)
    negative_prompt: str = Field(default="", max_length=2000)
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    num_inference_steps: int = Field(default=20, ge=1, le=200)
    guidance_scale: float = Field(default=4.0, ge=0.0, le=30.0)
    framing: Framing = Framing()
    pose: Pose | None = None
    controlnet_conditioning_scale: float = Field(default=1.0, ge=0.0, le=2.0)
    control_guidance_start: Unit = 0.0
    control_guidance_end: Unit = 1.0
    adapters: tuple[AdapterWeight, ...] = Field(default=(), max_length=4)
    look: Look | None = None
    sku: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> GenerationRequest:
        if self.framing.width_px % 8 or self.framing.height_px % 8:
            raise ValueError(
                f"width and height must be multiples of 8, not {self.framing.width_px}x{self.framing.height_px}"
            )
        if self.control_guidance_start >= self.control_guidance_end:
            raise ValueError("control_guidance_start must lie before control_guidance_end")
        return self


class Variant(Record):
    """One generated picture. The PNG lies in the file store under `image_sha256`."""

    id: str
    batch_id: str
    request: GenerationRequest
    image_sha256: Sha256
    seconds: float
    """Wall time of the batch divided by its size."""
    created_at: datetime
    sku: str = ""
