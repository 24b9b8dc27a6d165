"""What passes between engine and service: drawn pictures, previews, and who watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.models.lora_file import LoraFile
from studio.records.brand_model import BrandModel

if TYPE_CHECKING:
    from PIL.Image import Image


def _pass() -> None:
    """Nobody asks to stop."""


def _ignore(indices: tuple[int, ...], share: float) -> None:
    """Nobody looks at the progress."""


@dataclass(frozen=True)
class Preview:
    """A small estimate of the finished picture while it is drawn.

    Attributes:
        index: the request's place in what was asked for.
        share: how much of the denoising is done, in (0, 1].
        image: RGB, about half the size of the picture.
    """

    index: int
    share: float
    image: Image


@dataclass(frozen=True)
class Watch:
    """Who looks on while pictures are drawn.

    Attributes:
        check: called before every step; raises Cancelled to stop.
        stepped: called after every step with the indices of the batch and the share of the denoising that is done.
        preview: receives previews; None: none are decoded.
        preview_every: steps between two previews.
    """

    check: Callable[[], None] = _pass
    stepped: Callable[[tuple[int, ...], float], None] = _ignore
    preview: Callable[[Preview], None] | None = None
    preview_every: int = 4


@dataclass(frozen=True)
class Drawn:
    """A finished picture. `seconds` is the batch's wall time by its size; `note` tells of a change that was forced."""

    index: int
    image: Image
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Adapter:
    """A brand model's LoRA as read from its file."""

    card: BrandModel
    lora: LoraFile


AdapterSource = Callable[[str], Adapter]
"""Brand model's name -> its LoRA."""
DrawControl = Callable[..., Any]
"""(pose, framing) -> np.uint8 (H, W, 3), the OpenPose map."""
ReadPicture = Callable[[str], "Image"]
"""sha256 of a picture in the file store -> the picture."""
