"""Photo: one picture of a dataset, with its rights, caption and findings."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from studio.records.base import Record, Sha256, now


class Rights(Record):
    """Where a picture comes from and what allows its use for training."""

    source: str = ""
    owner: str = ""
    licence: str = ""
    model_release: Literal["signed", "not-needed", "missing"] = "missing"
    expires_on: date | None = None

    def missing(self, today: date) -> tuple[str, ...]:
        """What still has to be filled in before training may use the photo; empty when cleared."""
        gaps = [name for name in ("source", "owner", "licence") if not getattr(self, name).strip()]
        if self.model_release == "missing":
            gaps.append("model release")
        if self.expires_on is not None and self.expires_on < today:
            gaps.append(f"licence expired on {self.expires_on.isoformat()}")
        return tuple(gaps)


class Finding(Record):
    """One result of a check, in plain words. `code` is stable for machines.

    `value` and `limit` are None where nothing was measured.
    """

    code: str
    level: Literal["ok", "warning", "refused", "not-checked"]
    message: str
    value: float | None = None
    limit: float | None = None


class Photo(Record):
    """One ingested picture. The original lies in the file store under `sha256`."""

    id: str
    dataset_id: str
    sha256: Sha256
    file_name: str
    """The name it came with; shown escaped, never used as a path."""
    width_px: int
    height_px: int
    caption: str = ""
    tags: tuple[str, ...] = ()
    split: Literal["train", "held-out"] = "train"
    rights: Rights = Rights()
    findings: tuple[Finding, ...] = ()
    phash: str = ""
    crop_px: tuple[int, int, int, int] | None = None
    """Left, top, right, bottom of a crop made by hand."""
    sku: str = ""


class CaptionRevision(Record):
    """One state of a caption in its history (append only)."""

    id: str
    photo_id: str
    text: str
    author: str = "local"
    created_at: datetime


class Dataset(Record):
    """A named set of photos that a LoRA learns from."""

    id: str
    name: str
    trigger_token: str = ""
    sku: str = ""
    created_at: datetime


def caption_revision(photo_id: str, text: str, author: str, revision_id: str) -> CaptionRevision:
    """A caption revision stamped with the present moment."""
    return CaptionRevision(id=revision_id, photo_id=photo_id, text=text, author=author, created_at=now())
