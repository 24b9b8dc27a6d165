"""The canvas tab's work surface: poses, pose editor, live preview, grids. The scripts lie beside this file.

`canvas_desk.js` puts together what the files `canvas_desk_*.js` make: the maths of a figure, the editor with its
controls, the shelf of poses, the result with its live preview, the board of a grid, and the asks below.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from pydantic import ValidationError

from studio.errors import FaultsError, InputError
from studio.records.attributes import ATTRIBUTE_VALUES
from studio.records.base import Record, field_faults
from studio.records.generation import AdapterWeight, Variant
from studio.records.look import Look
from studio.records.pose import Framing, Pose
from studio.studio import Studio
from studio.ui.conditions import condition_actions
from studio.ui.picture_tools import tool_actions
from studio.ui.piece import Piece

FILM = 20
LOOK_FIELDS = ("background", "age_group", "gender", "body", "skin", "hair", "hair_colour")
PREVIEW_WAIT_S = 6.0


class CanvasDesk(Piece):
    """What the canvas tab shows."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        # Made here, in one thread, so that warm-up and the first preview share one model cache.
        self._drafts, self._previews = studio.drafts, studio.previews
        actions = {
            "start": self._start, "poses": self._poses, "models": self._models, "commit": self._commit,
            "preview": self._preview, "draw": self._draw, "grid": self._grid, "batch": self._batch,
            "cancel": self._cancel, "film": self._film, "save_pose": self._save_pose, "time": self._time,
            "keep_mask": self._keep_mask, **tool_actions(studio), **condition_actions(studio),
        }  # fmt: skip
        super().__init__(actions=actions, fill=True)

    def _start(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """All that the tab needs once."""
        studio, registry = self._studio, self._studio.cache.registry
        bases = [
            {
                "name": card.name, "title": card.title, "steps": card.num_inference_steps,
                "guidance": card.guidance_scale, "framing": self._drafts.framing(card.name).model_dump(),
                "framings": [framing.model_dump() for framing in self._drafts.framings(card.name)],
                "capabilities": registry.capabilities(card.name).model_dump(),
            }
            for card in studio.presets.bases().values()
        ]  # fmt: skip
        return {
            "figure": studio.compose.figure(),
            "bases": bases,
            "looks": [look.model_dump() for look in studio.presets.looks().values()],
            "values": {name: ATTRIBUTE_VALUES[name] for name in (*LOOK_FIELDS, "view", "action")},
            "skus": [product.sku for product in studio.store.products.find()],
            **self._poses(message, person),
            **self._models(message, person),
        }

    def _poses(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        own = self._studio.compose.own_names()
        poses = self._studio.compose.poses()
        return {"poses": [pose.model_dump() | {"own": name in own} for name, pose in poses.items()]}

    def _models(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        models = self._studio.presets.brand_models().values()
        return {
            "models": [{"name": m.name, "base": m.base, "trigger": m.trigger_token} for m in models],
            "states": self._studio.installed.base_states(),
        }

    def _commit(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """The pose as Python reads it, its prompt, and joints off the canvas; `rev` comes back as it was sent."""
        pose, look = _read(Pose, message["pose"], "The pose"), _read(Look, message["look"], "The look")
        adapters = [_read(AdapterWeight, value, "The brand models") for value in message.get("adapters", ())]
        framing = _read(Framing, message["framing"], "The framing")
        return {
            "rev": message["rev"],
            "pose": pose.model_dump(),
            "prompt": self._drafts.prompt(look, pose if message.get("posed", True) else None, adapters),
            "off": self._studio.compose.off_canvas(pose, framing),
        }

    def _preview(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Waits for the preview of one revision, but not for long; the page asks again while it is `drawing`."""
        request = self._drafts.read(message["request"])
        page = f"{person}/{message['page']}"
        answer = self._previews.ask(page, int(message["rev"]), request, wait_s=PREVIEW_WAIT_S)
        return {"rev": answer.rev, "state": answer.state, "picture": answer.picture, "words": answer.words}

    def _draw(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """One picture, or several that differ in their seed, as a job."""
        request = self._drafts.read(message["request"])
        if request.pose is not None:
            self._studio.compose.check(request.pose, request.framing)
        return self._submit(self._drafts.variations(request, int(message.get("count", 1))), person)

    def _grid(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Poses x looks x seeds as a job; everything comes by value, so that unsaved poses count too. Null: no pose."""
        template = self._drafts.read(message["request"])
        poses = [None if value is None else _read(Pose, value, "A pose") for value in message["poses"]]
        looks = [_read(Look, value, "A look") for value in message["looks"]]
        for pose in filter(None, poses):
            self._studio.compose.check(pose, template.framing)
        seeds = [(template.seed + step) % 2**63 for step in range(int(message["seeds"]))]
        return self._submit(self._drafts.grid(template, poses, looks, seeds), person)

    def _submit(self, requests: Any, person: str) -> dict[str, Any]:
        job = self._studio.jobs.submit("generate", self._drafts.payload(requests), owner=person)
        return {"job_id": job.id, "requests": job.payload["requests"]}

    def _batch(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """How far a job is, and its pictures by place; with its requests where they are asked for."""
        job = self._studio.jobs.get(str(message["job_id"]))
        requests = job.payload["requests"]
        waiting = [other.id for other in self._studio.jobs.list(status="waiting")] if job.status == "waiting" else []
        drawn = self._drafts.drawn(job.id, len(requests))
        return {
            "status": job.status, "ended": job.ended, "stopping": job.cancel_requested, "error": job.error,
            "place": waiting.index(job.id) + 1 if job.id in waiting else 0,
            "seconds_left": job.progress.seconds_left, "count": len(requests),
            "cells": {str(place): _picture(variant) for place, variant in drawn.items()},
            **({"requests": requests} if message.get("with_requests") else {}),
        }  # fmt: skip

    def _cancel(self, message: dict[str, Any], person: str) -> bool:
        self._studio.jobs.cancel(str(message["job_id"]))
        return True

    def _film(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        """The newest pictures, newest first, with all their settings."""
        newest = reversed(self._studio.store.variants.find(newest=FILM))
        return [_picture(variant) | {"request": variant.request.model_dump(mode="json")} for variant in newest]

    def _save_pose(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        pose = _read(Pose, message["pose"], "The pose")
        self._studio.compose.save_pose(pose, overwrite=bool(message.get("overwrite")))
        return self._poses(message, person)

    def _keep_mask(self, message: dict[str, Any], person: str) -> str:
        """`{"picture_sha256", "png"}`, a mask as base64, drawn over that picture -> its sha256."""
        try:
            data = base64.b64decode(str(message["png"]), validate=True)
        except binascii.Error as error:
            raise InputError("The mask did not arrive whole.", "Try again.") from error
        return self._studio.tools.keep_mask(str(message["picture_sha256"]), data)

    def _time(self, message: dict[str, Any], person: str) -> float | None:
        """Seconds that one step of one picture takes on this machine, from the last pictures."""
        return self._drafts.seconds_per_step(str(message["base"]))


def _picture(variant: Variant) -> dict[str, Any]:
    return {"id": variant.id, "sha256": variant.image_sha256, "batch_id": variant.batch_id, "seconds": variant.seconds}


def _read(kind: type[Record], values: Any, what: str) -> Any:
    """A record from what the page sent. Raises FaultsError in plain words."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise FaultsError(what, field_faults(error, "value")) from error
