"""What a channel would say about each picture before it is sent there, in plain words.

A refusal stops the package, a warning does not. What nobody measures is said to be not measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.listing.channels import advice_words, aspect_words, delivered_size, is_too_small, minimum_words
from studio.listing.licences import LicenceUse
from studio.records.listing import Channel, LicenceOverride, PreflightFinding, SlotImage

Words = tuple[Literal["ok", "warning", "refused"], str, str]
"""Level, message, fix."""

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
        words.append(("refused", "the same picture is in an earlier slot", "Choose another picture."))
    words += _by_eye(channel)
    if not any(level == "refused" for level, _, _ in words):
        words.insert(0, ("ok", _delivery(image.width, image.height, channel), ""))
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
        if use.subject in answered:
            words.append(("warning", f"{use.words}; {answered[use.subject]} answers for it", ""))
        else:
            words.append(("refused", use.words, "Use another, or let a named person override it."))
    return _findings(slot, words)


def _findings(slot: SlotImage, words: Iterable[Words]) -> list[PreflightFinding]:
    return [
        PreflightFinding(slot=slot.slot, variant_id=slot.variant_id, level=level, message=message, fix=fix)
        for level, message, fix in words
    ]


def _delivery(width_px: int, height_px: int, channel: Channel) -> str:
    delivered = delivered_size(width_px, height_px, channel)
    if delivered == (width_px, height_px):
        return f"{width_px}x{height_px}, delivered at this size"
    return f"{width_px}x{height_px}, sized down to {delivered[0]}x{delivered[1]}"


def _size(width_px: int, height_px: int, channel: Channel) -> list[Words]:
    """Least and advised size and shape, judged on the size in which the picture would be delivered."""
    delivered = delivered_size(width_px, height_px, channel)
    size, found = f"{width_px}x{height_px}", list[Words]()
    if is_too_small(*delivered, channel):
        found.append(("refused", f"{size}, needs {minimum_words(channel)}", f"{_LARGER} Nothing is upscaled here."))
    elif advised := advice_words(*delivered, channel):
        found.append(("warning", f"{size}, {advised} advised", _LARGER))
    if channel.aspect:
        asked = channel.aspect.value
        if abs(width_px / height_px / asked - 1) > channel.aspect_tolerance:
            shapes = f"{aspect_words(width_px / height_px)}, needs {aspect_words(asked)}"
            found.append(("refused", f"{size} is {shapes}", "Generate in this shape; nothing is cropped here."))
    return found


def _count(position: int, channel: Channel) -> list[Words]:
    if channel.max_images and position >= channel.max_images.value:
        limit = f"{channel.title} takes {channel.max_images.value:.0f}"
        return [("refused", f"picture {position + 1}, {limit}", "Leave this slot empty.")]
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
        found.append(("refused", message, "Generate on a white background, or cut the figure out onto white."))
    if channel.min_product_fill:
        found += _product_fill(pixels, share == 1.0, channel.min_product_fill.value)
    return found


def _product_fill(pixels: NDArray[np.uint8], on_white: bool, least: float) -> list[Words]:
    if not on_white:
        message = f"product share not measured (needs {least:.0%}): the background is not white"
        return [("warning", message, "Look whether the product fills the frame.")]
    rows, columns = np.nonzero((pixels < 255 - WHITE_TOLERANCE).any(axis=-1))
    height, width = pixels.shape[:2]
    fill = max((np.ptp(rows) + 1) / height, (np.ptp(columns) + 1) / width) if rows.size else 0.0
    if fill < least:
        return [("refused", f"the product fills {fill:.0%} of the frame, needs {least:.0%}", "Generate it closer.")]
    return []


def _by_eye(channel: Channel) -> list[Words]:
    """What no program here measures, said as such, and the channel's own words against generated pictures."""
    found = list[Words]()
    if channel.max_text_share:
        message = f"text coverage not measured (limit {channel.max_text_share.value:.0%} on a 10x10 grid)"
        found.append(("warning", message, "Look at the picture: generated pictures should hold no text."))
    found += [("warning", f"not measured: {rule}", "Look at the picture.") for rule in channel.human_checks]
    if channel.refuses_generated:
        message = f"{channel.title} asks for {channel.refuses_generated}: a generated picture may be taken down"
        found.append(("warning", message, "Use a photo of the item itself here."))
    return found
