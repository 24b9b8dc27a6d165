"""What is known of an annotator before it is used, and what it has made of a photo."""

from __future__ import annotations

from typing import Literal

from studio.records.base import Record, Sha256
from studio.records.pose import Framing, Pose
from studio.records.pullable import Licence

MapKind = Literal["canny", "lineart", "depth"]


class AnnotatorCard(Record):
    """One annotator with its licence, as a page or a command line shows it."""

    name: str
    """For those that are pulled, the name under `presets/annotators/`."""
    title: str
    makes: Literal["canny", "lineart", "depth", "pose", "people", "faces"]
    licence: Licence
    ready: bool
    why_not: str = ""
    """Why it cannot be used now, with the next step; empty when it can."""
    notes: str = ""


class PhotoMap(Record):
    """A control map of a photo: of its size, in the file store."""

    kind: MapKind
    picture_sha256: Sha256
    width_px: int
    height_px: int
    annotator: str
    licence: Licence


class PhotoPose(Record):
    """A pose that was read from a photo.

    Attributes:
        framing: the view in which the joints fall on the same pixels as in the photo.
        confidence: 0 to 1, one a joint in the order of `JOINT_NAMES`.
        people: how many persons a detector found; the largest was read. None: there is no detector.
    """

    pose: Pose
    framing: Framing
    confidence: tuple[float, ...]
    people: int | None
    annotator: str
    licence: Licence
    notes: tuple[str, ...] = ()
