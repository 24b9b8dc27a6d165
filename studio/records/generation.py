"""GenerationRequest and Variant: what is asked of the engine, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from studio.records.base import Record, Sha256, Slug, Unit
from studio.records.look import Look
from studio.records.pose import Framing, Pose
from studio.records.tool import ToolUse


class AdapterWeight(Record):
    """A brand model and how strongly it is applied."""

    brand_model: Slug
    adapter_weight: float = Field(default=1.0, ge=-2.0, le=2.0)


ControlKind = Literal["openpose", "canny", "lineart", "depth"]


class ControlPicture(Record):
    """A control map that is a picture in the file store, stretched to the request's size.

    Raises:
        pydantic.ValidationError: an empty control range.
    """

    kind: ControlKind
    picture_sha256: Sha256
    controlnet_conditioning_scale: float = Field(default=1.0, ge=0.0, le=2.0)
    control_guidance_start: Unit = 0.0
    control_guidance_end: Unit = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> ControlPicture:
        if self.control_guidance_start >= self.control_guidance_end:
            raise ValueError("control_guidance_start must lie before control_guidance_end")
        return self


class Reference(Record):
    """A picture in the file store whose fabric or product is to be kept, through an IP-Adapter."""

    picture_sha256: Sha256
    ip_adapter_scale: float = Field(default=0.6, ge=0.0, le=2.0)


class Inpaint(Record):
    """A picture in the file store of which only a part is drawn anew.

    Attributes:
        mask_sha256: a picture of the same size, white where it is drawn anew.
        strength: share of the denoising that is done; at 1 the old content of the mask does not count.
    """

    picture_sha256: Sha256
    mask_sha256: Sha256
    strength: float = Field(default=1.0, gt=0.0, le=1.0)


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
    controls: tuple[ControlPicture, ...] = Field(default=(), max_length=4)
    """Maps beside the pose, each followed by the base's ControlNet of its kind."""
    reference: Reference | None = None
    inpaint: Inpaint | None = None
    adapters: tuple[AdapterWeight, ...] = Field(default=(), max_length=4)
    speed: Literal["exact", "draft"] = "exact"
    """`draft`: guidance ends early; another picture than the exact one, in less time."""
    look: Look | None = None
    sku: str = ""

    @property
    def control_kinds(self) -> tuple[str, ...]:
        """The kinds of its maps in their order: its pose first."""
        return (*(("openpose",) if self.pose is not None else ()), *(control.kind for control in self.controls))

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
    """One generated picture, or one that a tool made of it. The PNG lies in the file store under `image_sha256`."""

    id: str
    batch_id: str
    request: GenerationRequest
    image_sha256: Sha256
    seconds: float
    """Wall time of the batch divided by its size."""
    created_at: datetime
    sku: str = ""
    derived_from: str = ""
    """Id of the variant that a tool made this one of; empty for a picture as it was generated. Decisions are not
    inherited."""
    made_by: tuple[ToolUse, ...] = ()
    """Every change since it was generated, oldest first."""
