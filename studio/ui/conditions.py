"""What stands beside the words of a picture: what each base follows, pictures from the disk, maps and poses from
photos, and settings out of a picture's file. These are the actions that `canvas_desk_conditions.js` calls.
"""

from __future__ import annotations

from typing import Any, cast

from studio.errors import ConflictError, NotFoundError
from studio.records.annotator import AnnotatorCard, MapKind
from studio.studio import Studio
from studio.ui.piece import Action
from studio.ui.uploads import uploaded

POSE_NAME = "from-photo"
"""What a pose out of a photo is called until it is saved under a name."""


def condition_actions(studio: Studio) -> dict[str, Action]:
    """The actions by name; the canvas adds them to its own."""

    def abilities(message: dict[str, Any], person: str) -> dict[str, Any]:
        """What each base does once an add-on is here (thing -> its name), and what reads photos."""
        return {
            "needs": {row.name: row.needs for row in studio.overview.rows() if row.kind == "base"},
            "annotators": {makes: _card(studio, card) for makes, card in studio.compose.annotators_used().items()},
        }

    def keep_picture(message: dict[str, Any], person: str) -> str:
        """`{"path"}` of an uploaded file -> the sha256 of the picture in the file store."""
        return studio.drafts.keep_picture(uploaded(str(message["path"])))

    def picture_map(message: dict[str, Any], person: str) -> dict[str, Any]:
        """`{"kind", "picture_sha256"}` -> the map of that picture, with the annotator and its licence."""
        kind = cast(MapKind, str(message["kind"]))  # compose refuses others
        if kind == "depth" and not studio.warm.is_set():  # it would load the libraries beside the thread that does
            raise ConflictError("The studio is still starting.", "Try again in a moment.")
        _, made = studio.compose.photo_map(kind, studio.compose.photo(_stored(studio, message)))
        return {"sha256": made.picture_sha256, **_licence(studio.compose.annotators_used()[kind])}

    def photo_pose(message: dict[str, Any], person: str) -> dict[str, Any]:
        """`{"picture_sha256"}` -> the pose of the largest person in it, and what is to be said of it."""
        photo = studio.compose.photo(_stored(studio, message))
        found = studio.compose.pose_from_photo(photo, POSE_NAME)
        return {"pose": found.pose.model_dump(), "notes": list(found.notes)}

    def read_settings(message: dict[str, Any], person: str) -> dict[str, Any]:
        """`{"path"}` of an uploaded PNG that was made here -> its request."""
        return studio.drafts.restore(uploaded(str(message["path"]))).model_dump(mode="json")

    def product_photos(message: dict[str, Any], person: str) -> list[str]:
        """`{"sku"}` -> the photos of that product by sha256; none where no product is called so."""
        try:
            return list(studio.store.products.get(str(message["sku"])).photo_sha256)
        except NotFoundError:
            return []

    return {
        "abilities": abilities, "keep_picture": keep_picture, "picture_map": picture_map, "photo_pose": photo_pose,
        "read_settings": read_settings, "product_photos": product_photos,
    }  # fmt: skip


def _stored(studio: Studio, message: dict[str, Any]) -> Any:
    return studio.store.files.path(str(message["picture_sha256"]))


def _card(studio: Studio, card: AnnotatorCard) -> dict[str, Any]:
    state = "installed" if card.ready else studio.installed.state(card.name)
    return {"name": card.name, "ready": card.ready, "state": state, **_licence(card)}


def _licence(card: AnnotatorCard) -> dict[str, Any]:
    licence = card.licence
    return {
        "title": card.title, "licence": licence.name, "commercial_use": licence.commercial_use,
        "source": licence.source,
    }  # fmt: skip
