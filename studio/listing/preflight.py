"""What a channel would say about each picture before it is sent there, in plain words.

A refusal stops the package, a warning does not. What nobody measures is said to be not measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.listing.channels import (
    advice_words,
    aspect_words,
    delivered_size,
    factor_to_advised,
    factor_to_least,
    is_too_small,
    minimum_words,
)
from studio.listing.licences import LicenceUse
from studio.records.listing import Channel, LicenceOverride, PreflightFinding, SlotImage
from studio.records.tool import ToolUse


class Words(NamedTuple):
    """What is said about one picture."""

    level: Literal["ok", "warning", "refused"]
    code: str
    message: str
    fix: str = ""
    values: dict[str, str] = {}


_LARGER = "Generate at this size or larger."

WHITE_TOLERANCE = 8
"""A pixel more than this many levels below white belongs to the product, when its extent is measured."""


def check_slot(
    slot: SlotImage, position: int, image: Image.Image, channel: Channel, *, repeated: bool = False
) -> list[PreflightFinding]:
    """All findings for one picture in one slot; a single `ok` when there is nothing to say.

    Args:
        position: 0 for the main picture.
        image: the variant, as generated.
        repeated: an earlier slot shows the same variant.
    """
    words = _size(image.width, image.height, channel) + _count(position, channel)
    if position == 0:
        words += _main_picture(image, channel)
    if repeated:
        words.append(Words("refused", "repeated", "the same picture is in an earlier slot", "Choose another picture."))
    words += _by_eye(channel)
    if not any(said.level == "refused" for said in words):
        words.insert(0, _delivery(image.width, image.height, channel))
    return _findings(slot, words)


def not_approved(slot: SlotImage) -> list[PreflightFinding]:
    """The finding for a picture whose newest decision is no approval."""
    fix = "Approve it in review, or take it out."
    return _findings(slot, [Words("refused", "unapproved", "this picture is not approved any more", fix)])


def check_edits(slot: SlotImage, made_by: Iterable[ToolUse]) -> list[PreflightFinding]:
    """One warning for each time that the picture was enlarged: a person looks whether it bears that."""
    words = []
    for use in made_by:
        if use.tool == "upscale":
            values = {"factor": use.settings.get("factor", "?"), "method": use.method}
            message = f"enlarged {values['factor']} times by {use.method}"
            words.append(Words("warning", "enlarged", message, "Look at fabric and face at full size.", values))
    return _findings(slot, words)


def check_licences(
    slot: SlotImage, uses: Iterable[LicenceUse], overrides: Iterable[LicenceOverride]
) -> list[PreflightFinding]:
    """Findings for the licences behind a picture that do not allow commercial use by themselves."""
    answered = {override.subject: override.author for override in overrides}
    words = list[Words]()
    for use in uses:
        if not use.blocks:
            continue
        values = {"subject": use.subject, "licence": use.licence, "author": answered.get(use.subject, "")}
        if use.subject in answered:
            message = f"{use.words}; {answered[use.subject]} answers for it"
            words.append(Words("warning", "licence_answered", message, "", values))
        else:
            code = "licence_forbids" if use.commercial_use is False else "licence_unknown"
            fix = "Use another, or let a named person override it."
            words.append(Words("refused", code, use.words, fix, values))
    return _findings(slot, words)


def _findings(slot: SlotImage, words: Iterable[Words]) -> list[PreflightFinding]:
    return [PreflightFinding(slot=slot.slot, variant_id=slot.variant_id, **said._asdict()) for said in words]


def _delivery(width_px: int, height_px: int, channel: Channel) -> Words:
    delivered, size = delivered_size(width_px, height_px, channel), f"{width_px}x{height_px}"
    if delivered == (width_px, height_px):
        return Words("ok", "delivered", f"{size}, delivered at this size", "", {"size": size})
    smaller = f"{delivered[0]}x{delivered[1]}"
    return Words("ok", "sized_down", f"{size}, sized down to {smaller}", "", {"size": size, "delivered": smaller})


def _size(width_px: int, height_px: int, channel: Channel) -> list[Words]:
    """Least and advised size and shape, judged on the size in which the picture would be delivered."""
    delivered = delivered_size(width_px, height_px, channel)
    size, found = f"{width_px}x{height_px}", list[Words]()
    if is_too_small(*delivered, channel):
        least = minimum_words(channel)
        fix = f"{_LARGER} Nothing is upscaled here."
        values = {"size": size, "least": least, "factor": f"{factor_to_least(*delivered, channel):.2f}"}
        found.append(Words("refused", "too_small", f"{size}, needs {least}", fix, values))
    elif advised := advice_words(*delivered, channel):
        values = {"size": size, "advised": advised, "factor": f"{factor_to_advised(*delivered, channel):.2f}"}
        found.append(Words("warning", "small", f"{size}, {advised} advised", _LARGER, values))
    if channel.aspect:
        asked = channel.aspect.value
        if abs(width_px / height_px / asked - 1) > channel.aspect_tolerance:
            values = {"size": size, "shape": aspect_words(width_px / height_px), "asked": aspect_words(asked)}
            message = f"{size} is {values['shape']}, needs {values['asked']}"
            fix = "Generate in this shape, or put it on white in this shape; nothing is cropped here."
            found.append(Words("refused", "shape", message, fix, values))
    return found


def _count(position: int, channel: Channel) -> list[Words]:
    if channel.max_images and position >= channel.max_images.value:
        values = {"channel": channel.title, "position": f"{position + 1}", "limit": f"{channel.max_images.value:.0f}"}
        message = f"picture {position + 1}, {channel.title} takes {values['limit']}"
        return [Words("refused", "too_many", message, "Leave this slot empty.", values)]
    return []


def _main_picture(image: Image.Image, channel: Channel) -> list[Words]:
    """Pure white around the product, and how much of the frame the product fills."""
    if not channel.main_white_background:
        return []
    pixels = np.asarray(image.convert("RGB"))
    level = channel.main_white_background.value
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    share = float((border >= level).all(axis=-1).mean())
    found = list[Words]()
    if share < 1.0:
        message = f"{share:.0%} of the picture's edge is pure white ({level:.0f}), needs all of it"
        fix = "Generate on a white background, or cut the figure out onto white."
        found.append(Words("refused", "not_white", message, fix, {"share": f"{share:.0%}", "level": f"{level:.0f}"}))
    if channel.min_product_fill:
        found += _product_fill(pixels, share == 1.0, channel.min_product_fill.value)
    return found


def _product_fill(pixels: NDArray[np.uint8], on_white: bool, least: float) -> list[Words]:
    if not on_white:
        message = f"product share not measured (needs {least:.0%}): the background is not white"
        fix = "Look whether the product fills the frame."
        return [Words("warning", "fill_unknown", message, fix, {"least": f"{least:.0%}"})]
    rows, columns = np.nonzero((pixels < 255 - WHITE_TOLERANCE).any(axis=-1))
    height, width = pixels.shape[:2]
    fill = max((np.ptp(rows) + 1) / height, (np.ptp(columns) + 1) / width) if rows.size else 0.0
    if fill < least:
        message = f"the product fills {fill:.0%} of the frame, needs {least:.0%}"
        values = {"fill": f"{fill:.0%}", "least": f"{least:.0%}"}
        return [Words("refused", "fills_little", message, "Generate it closer.", values)]
    return []


def _by_eye(channel: Channel) -> list[Words]:
    """What no program here measures, said as such, and the channel's own words against generated pictures."""
    found = list[Words]()
    if channel.max_text_share:
        limit = f"{channel.max_text_share.value:.0%}"
        message = f"text coverage not measured (limit {limit} on a 10x10 grid)"
        fix = "Look at the picture: generated pictures should hold no text."
        found.append(Words("warning", "look_text", message, fix, {"limit": limit}))
    found += [
        Words("warning", "look", f"not measured: {rule}", "Look at the picture.", {"rule": rule})
        for rule in channel.human_checks
    ]
    if channel.refuses_generated:
        message = f"{channel.title} asks for {channel.refuses_generated}: a generated picture may be taken down"
        values = {"channel": channel.title, "rule": channel.refuses_generated}
        found.append(Words("warning", "generated", message, "Use a photo of the item itself here.", values))
    return found
