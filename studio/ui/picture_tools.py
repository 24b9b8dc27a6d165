"""Upscaling and cutting out for every piece that shows pictures: the actions that `picture_tools.js` calls."""

from __future__ import annotations

from typing import Any

from PIL import Image

from studio.studio import Studio
from studio.ui.piece import Action


def tool_actions(studio: Studio) -> dict[str, Action]:
    """The actions by name; a piece adds them to its own."""

    def methods(message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        """Every way to upscale and to cut out, with whether it can be used now and why not."""
        return [method.model_dump() for method in studio.tools.methods()]

    def upscale(message: dict[str, Any], person: str) -> str:
        """`{"id", "factor", "method"}` -> the id of a job."""
        payload = studio.tools.upscale_payload(str(message["id"]), float(message["factor"]), str(message["method"]))
        return studio.jobs.submit("upscale", payload, owner=person).id

    def cut_out(message: dict[str, Any], person: str) -> str:
        """`{"id", "ground", "method"}` -> the id of a job."""
        payload = studio.tools.cut_out_payload(str(message["id"]), str(message["ground"]), str(message["method"]))
        return studio.jobs.submit("cut-out", payload, owner=person).id

    def made(message: dict[str, Any], person: str) -> dict[str, Any] | None:
        """`{"job_id"}` -> the picture that came of it, or null."""
        variant = studio.tools.made(str(message["job_id"]))
        if variant is None:
            return None
        with Image.open(studio.store.files.path(variant.image_sha256)) as image:
            size = image.size
        return {"id": variant.id, "sha256": variant.image_sha256, "width": size[0], "height": size[1]}

    def remove(message: dict[str, Any], person: str) -> bool:
        """`{"id"}`: takes away what a tool made and nobody has decided about."""
        studio.tools.remove(str(message["id"]))
        return True

    return {
        "tool_methods": methods, "tool_upscale": upscale, "tool_cut_out": cut_out, "tool_made": made,
        "tool_remove": remove,
    }  # fmt: skip
