"""The label tab's work surface: photos in, and everything that is said about them before training.

The script stands in parts: intake (drops and their job), captions (autosave), wall (photos and the choice of them),
crop, side (the panel for one or many), undo; `label_desk.js` puts them together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from studio.errors import NotFoundError
from studio.records.base import now
from studio.records.photo import Dataset, Photo
from studio.studio import Studio
from studio.ui.brands import other_datasets
from studio.ui.piece import Piece
from studio.ui.uploads import uploaded

EXPIRED = "licence expired"


class LabelDesk(Piece):
    """What the label tab shows."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        label = studio.label
        super().__init__(
            value={
                "photo_bytes": studio.settings.max_upload_bytes,
                "zip_bytes": studio.settings.max_zip_bytes,
                "sample": label.has_sample_brand,
            },
            actions={
                "state": self._state,
                "propose": self._propose,
                "take": self._take,
                "take_sample": self._take_sample,
                "cancel": self._cancel,
                "caption": self._caption,
                "undo_captions": self._undo_captions,
                "replace": self._replace,
                "tags": lambda message, person: rows(label.set_tags(message["tags"])),
                "rights": lambda message, person: rows(label.change_rights(message["changes"])),
                "crop": lambda message, person: rows([label.set_crop(message["photo_id"], message["crop_px"])]),
                "split": self._split,
                "statistics": self._statistics,
                "remove": lambda message, person: len(label.remove(message["photo_ids"])),
                "restore": lambda message, person: len(label.restore(message["photo_ids"], message["dataset_id"])),
            },
            fill=True,
        )

    def _state(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """All that the tab shows of a `brand`, or of all of them.

        `photos` is None where they are what the page knows already (same `digest`).
        """
        others = other_datasets(self._studio, message)
        datasets = [dataset for dataset in self._studio.label.datasets() if dataset.id not in others]
        chosen = next((d for d in datasets if d.id == message.get("dataset_id")), None)
        if chosen is None and datasets and not message.get("draft"):
            chosen = datasets[-1]
        found = rows(self._studio.label.photos(chosen.id)) if chosen else []
        digest = hashlib.sha256(json.dumps([chosen and chosen.id, found]).encode()).hexdigest()[:16]
        return {
            "datasets": [dataset_row(dataset) for dataset in datasets],
            "dataset_id": chosen.id if chosen else "",
            "digest": digest,
            "photos": None if digest == message.get("digest") else found,
            "job": self._job(str(message.get("job_id") or "")),
        }

    def _job(self, job_id: str) -> dict[str, Any] | None:
        """The ingest that the page watches; without one, whichever is under way."""
        try:
            job = self._studio.jobs.get(job_id) if job_id else None
        except NotFoundError:
            job = None
        if job is None:
            going_on = (*self._studio.jobs.list("running"), *self._studio.jobs.list("waiting"))
            job = next((job for job in going_on if job.kind == "ingest"), None)
        if job is None:
            return None
        progress = job.progress.model_dump()
        return {
            "id": job.id, "status": job.status, "dataset": str(job.payload.get("dataset", "")), "error": job.error,
            "result": job.result, "stopping": job.cancel_requested, **progress,
        }  # fmt: skip

    def _propose(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        name = str(message.get("name", "")).strip()
        return dataset_row(self._studio.label.propose(name, str(message.get("trigger_token") or "").strip() or None))

    def _take(self, message: dict[str, Any], person: str) -> str:
        """Submits an ingest of uploaded files, `[{path, name}]`; returns the job's id."""
        dataset = self._studio.label.propose(str(message["dataset"]), message.get("trigger_token") or None)
        files = [(uploaded(str(f["path"])), str(f["name"])) for f in message.get("files") or ()]
        payload = {
            "dataset": dataset.name,
            "trigger_token": message.get("trigger_token") or "",
            "upload": self._studio.label.receive(files),
        }
        return self._studio.jobs.submit("ingest", payload, owner=person).id

    def _take_sample(self, message: dict[str, Any], person: str) -> str:
        name = self._studio.label.sample_brand().dataset
        return self._studio.jobs.submit("ingest", {"sample": True, "dataset": name}, owner=person).id

    def _cancel(self, message: dict[str, Any], person: str) -> bool:
        self._studio.jobs.cancel(str(message["job_id"]))
        return True

    def _caption(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        return rows([self._studio.label.set_caption(str(message["photo_id"]), str(message["text"]), person)])

    def _undo_captions(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        return rows(self._studio.label.undo_captions(message["photo_ids"], person))

    def _replace(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        find, replacement = str(message["find"]), str(message["replacement"])
        return rows(self._studio.label.replace_in_captions(message["photo_ids"], find, replacement, person))

    def _split(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        return rows(self._studio.label.split(str(message["dataset_id"]), held_out=float(message["share"])))

    def _statistics(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """The numbers of a dataset, for the `base` that was last chosen to train on where it is still there."""
        known = self._studio.presets.bases()
        base = {"base": str(message["base"])} if message.get("base") in known else {}
        return self._studio.label.statistics(str(message["dataset_id"]), **base).model_dump(mode="json")


def dataset_row(dataset: Dataset) -> dict[str, Any]:
    """A dataset as the page shows it."""
    return {"id": dataset.id, "name": printable(dataset.name), "trigger_token": dataset.trigger_token}


def rows(photos: Sequence[Photo]) -> list[dict[str, Any]]:
    """Photos as the page shows them."""
    return [_row(photo) for photo in photos]


def _row(photo: Photo) -> dict[str, Any]:
    findings = [f.model_dump(include={"code", "level", "message"}) for f in photo.findings if f.level != "ok"]
    return {
        "id": photo.id, "sha256": photo.sha256, "file_name": printable(photo.file_name), "width_px": photo.width_px,
        "height_px": photo.height_px, "caption": photo.caption, "tags": list(photo.tags), "split": photo.split,
        "rights": photo.rights.model_dump(mode="json"), "gaps": _gaps(photo), "findings": findings,
        "crop_px": photo.crop_px and list(photo.crop_px),
    }  # fmt: skip


def _gaps(photo: Photo) -> list[str]:
    """Codes of what the rights lack: source, owner, licence, model_release, expired."""
    missing = photo.rights.missing(now().date())
    return ["expired" if gap.startswith(EXPIRED) else gap.replace(" ", "_") for gap in missing]


def printable(text: str) -> str:
    """A name without signs that are not seen, or that turn the direction of what follows."""
    return "".join(sign if sign.isprintable() else "·" for sign in text)
