"""What a base can do, as data: page and API read it to grey things out with a reason."""

from __future__ import annotations

from studio.records.base import Record, Slug


class Capability(Record):
    """Whether one thing works, and if not, why, in words for a person."""

    supported: bool
    reason: str = ""


class Capabilities(Record):
    """One family's row."""

    text_to_image: Capability
    lora_load: Capability
    lora_train: Capability
    controlnet: dict[str, Capability]
    """Kind of control map (`openpose`, `canny`, `depth`) -> capability."""
    reference_image: Capability
    inpaint: Capability


class BaseCard(Record):
    """`presets/bases/<name>/card.yaml`: a base model as data."""

    name: Slug
    title: str
    family: Slug
    path: str = ""
    """Folder of the weights, relative to the card; empty: the card's own folder."""
    licence: str
    commercial_use: bool | None
    """None: unknown; export is blocked until a person has read the licence."""
    licence_source: str
    width_px: int
    height_px: int
    num_inference_steps: int
    guidance_scale: float
    training_preset: Slug
    notes: str = ""
