"""The photos of one run as they were when it was prepared, kept in its folder as `data.json`.

A dataset may change while a run is stopped; the run does not, so that going on gives the same result as never stopping.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Literal

from studio.records.base import Record, Sha256
from studio.records.photo import Photo, Rights
from studio.train.buckets import Assignment, Bucket, assign


class TrainingItem(Record):
    """One photo: what it shows, how it is cut, and what allows its use."""

    photo_id: str
    sha256: Sha256
    file_name: str
    caption: str
    split: Literal["train", "held-out"]
    rights: Rights
    crop_px: tuple[int, int, int, int] | None
    """Left, top, right, bottom of a crop made by hand, applied before the bucket's."""
    width_px: int
    height_px: int
    """Size of the bucket."""
    crop_loss: float

    @property
    def bucket(self) -> Bucket:
        """The size at which the photo is trained."""
        return Bucket(self.width_px, self.height_px)


class Snapshot(Record):
    """All photos of a run in a fixed order."""

    items: tuple[TrainingItem, ...]

    @property
    def train(self) -> tuple[TrainingItem, ...]:
        """The photos that the LoRA learns from."""
        return tuple(item for item in self.items if item.split == "train")

    @property
    def held_out(self) -> tuple[TrainingItem, ...]:
        """The photos that it never sees, for the verdict."""
        return tuple(item for item in self.items if item.split == "held-out")

    @property
    def captions(self) -> tuple[str, ...]:
        """Every distinct caption and the empty one, sorted."""
        return tuple(sorted({"", *(item.caption for item in self.items)}))

    def data_sha256(self) -> str:
        """Hash over all pictures, captions, crops, splits and rights."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def rights_summary(self) -> dict[str, int]:
        """Licence text -> number of photos under it."""
        return dict(sorted(Counter(item.rights.licence.strip() for item in self.items).items()))


def photo_size(photo: Photo) -> tuple[int, int]:
    """Width and height in pixels of what is used of a photo: its crop by hand, or all of it."""
    if photo.crop_px is None:
        return photo.width_px, photo.height_px
    left, top, right, bottom = photo.crop_px
    return right - left, bottom - top


def take_snapshot(photos: list[Photo], buckets: tuple[Bucket, ...]) -> Snapshot:
    """The given photos as a run will use them, ordered by content so that the order of ingest does not matter."""

    def item(photo: Photo, assignment: Assignment) -> TrainingItem:
        return TrainingItem(
            photo_id=photo.id,
            sha256=photo.sha256,
            file_name=photo.file_name,
            caption=photo.caption,
            split=photo.split,
            rights=photo.rights,
            crop_px=photo.crop_px,
            width_px=assignment.bucket.width_px,
            height_px=assignment.bucket.height_px,
            crop_loss=assignment.crop_loss,
        )

    ordered = sorted(photos, key=lambda p: (p.sha256, p.id))
    return Snapshot(items=tuple(item(photo, assign(*photo_size(photo), buckets)) for photo in ordered))
