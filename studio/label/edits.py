"""What people change on a photo, checked: tags, a crop by hand, rights, and words in captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from studio.errors import FaultsError, InputError
from studio.label.names import shown
from studio.records.base import field_faults
from studio.records.photo import Photo, Rights
from studio.store import Store

MAX_TAGS, MAX_TAG = 20, 40
MIN_CROP_PX = 32
"""Nothing is learned from less."""

Crop = tuple[int, int, int, int]


def update_photos(store: Store, changes: Mapping[str, Mapping[str, object]]) -> list[Photo]:
    """Change fields of photos, photo id -> field -> value, in one commit and on top of what they are by then.

    Raises:
        NotFoundError: one of the photos does not exist; none is changed then.
    """
    with store.transaction():
        changed = [store.photos.get(key).model_copy(update=fields) for key, fields in changes.items()]
        for photo in changed:
            store.photos.put(photo)
    return changed


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as they may be stored: stripped, each once, in the given order.

    Raises:
        InputError: too many, too long, or not on one line.
    """
    cleaned = tuple(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if len(cleaned) > MAX_TAGS:
        raise InputError(f"A photo takes {MAX_TAGS} tags, not {len(cleaned)}.", "Remove some.")
    for tag in cleaned:
        if len(tag) > MAX_TAG or not tag.isprintable():
            raise InputError(f"{shown(tag)!r} is no tag.", f"Use 1 to {MAX_TAG} ordinary characters.")
    return cleaned


def checked_crop(photo: Photo, crop_px: Sequence[int]) -> Crop:
    """A crop (left, top, right, bottom in the upright picture) that lies inside its photo.

    Raises:
        InputError: outside, or less than 32 px wide or high.
    """
    if len(crop_px) != 4:
        raise InputError("A crop has four sides.", "Draw it again.")
    left, top, right, bottom = crop_px
    if left < 0 or top < 0 or right > photo.width_px or bottom > photo.height_px:
        raise InputError(
            f"The crop reaches outside {shown(photo.file_name)}, which has {photo.width_px}x{photo.height_px} px.",
            "Draw it inside the picture.",
        )
    if right - left < MIN_CROP_PX or bottom - top < MIN_CROP_PX:
        raise InputError("The crop is too small.", f"Draw it at least {MIN_CROP_PX} px wide and high.")
    return left, top, right, bottom


def changed_rights(old: Rights, changes: Mapping[str, object]) -> Rights:
    """Rights with some fields replaced.

    Raises:
        FaultsError: a field or a value that rights do not have.
    """
    try:
        return Rights.model_validate({**old.model_dump(), **changes})
    except ValidationError as error:
        raise FaultsError("Rights", field_faults(error), "Fill them in anew.") from error


def replaced(photos: Sequence[Photo], find: str, replacement: str) -> dict[str, str]:
    """Photo id -> its caption with every `find` replaced, of the photos that have it; case counts.

    Raises:
        InputError: nothing to find.
    """
    if not find:
        raise InputError("There is nothing to find.", "Type the words that are to be replaced.")
    return {photo.id: photo.caption.replace(find, replacement) for photo in photos if find in photo.caption}
