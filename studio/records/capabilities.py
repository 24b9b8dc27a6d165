"""What a base can do, as data: page and API read it to grey things out with a reason."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from studio.records.base import Record, Slug
from studio.records.pullable import HubSource, Licence, Pullable


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


class MemoryNeed(Record):
    """Memory of the device for the weights of one picture at a time; what is computed on the way comes on top."""

    dtype: Literal["bf16", "fp8"]
    """fp8: the denoiser's numbers take one byte; text encoders and autoencoder stay bf16."""
    offload: bool
    """Whether only the component that works lies on the device."""
    weights_bytes: int = Field(ge=1)


class Resolution(Record):
    """A size that the base was made for, in pixels."""

    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)


class BaseCard(Record):
    """A base model as data: `presets/bases/<name>/card.yaml` beside bundled weights, `presets/bases/<name>.yaml` for
    one that is pulled.
    """

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
    sources: tuple[HubSource, ...] = ()
    """Where the weights are pulled from; empty: they are bundled, beside the card."""
    resolutions: tuple[Resolution, ...] = ()
    """Other sizes it was made for; empty: its own size only."""
    memory: tuple[MemoryNeed, ...] = ()
    memory_source: str = ""
    """How the figures of `memory` came about."""

    @property
    def pullable(self) -> Pullable | None:
        """What is pulled for it; None where the weights are bundled."""
        if not self.sources:
            return None
        licence = Licence(name=self.licence, commercial_use=self.commercial_use, source=self.licence_source)
        return Pullable(
            name=self.name,
            title=self.title,
            kind="base",
            licence=licence,
            sources=self.sources,
            family=self.family,
            notes=self.notes,
        )
