"""ToolUse and CutOutHints: what a tool did to a finished picture, and what a person told it about the figure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from studio.records.base import Record, Sha256

ToolName = Literal["upscale", "cut-out"]
Ground = Literal["white", "transparent"]
Share = Annotated[float, Field(ge=-1.0, le=2.0)]
"""A place as a share of the picture's width or height; a stroke may run over the edge."""


class ToolUse(Record):
    """One change to a finished picture; kept with the picture and written into everything that is exported."""

    tool: ToolName
    method: str
    """`lanczos`, `grabcut`, or the name of a pulled model."""
    weights_sha256: str = ""
    """Of the model; empty where the method has none."""
    licence: str = ""
    """Of the model, as it stood when it was used."""
    commercial_use: bool | None = True
    source_sha256: Sha256
    """The picture that was changed."""
    settings: dict[str, str] = {}

    @property
    def words(self) -> str:
        """The change in a few words, for tables: `upscale by lanczos (factor 2)`."""
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"{self.tool} by {self.method}" + (f" ({settings})" if settings else "")


class Stroke(Record):
    """One stroke of a brush over a picture: surely figure, or surely ground."""

    points: tuple[tuple[Share, Share], ...] = Field(min_length=1, max_length=2000)
    radius: float = Field(gt=0.0, le=0.5)
    """As a share of the picture's longer side."""
    figure: bool


class CutOutHints(Record):
    """What a person said about where the figure is; without any, it is looked for."""

    rectangle: tuple[Share, Share, Share, Share] | None = None
    """Left, top, right, bottom; outside of it is ground."""
    strokes: tuple[Stroke, ...] = Field(default=(), max_length=200)
    mask_sha256: Sha256 | None = None
    """A picture in the file store, as large as the one that is cut out: white is figure, black is ground."""

    @property
    def given(self) -> bool:
        """Whether anything was said."""
        return self.rectangle is not None or bool(self.strokes) or self.mask_sha256 is not None


class ToolMethod(Record):
    """One way to do what a tool does, and whether it can be used now."""

    tool: ToolName
    name: str
    title: str
    ready: bool
    reason: str = ""
    """Why not, with the next step."""
    licence: str = ""
