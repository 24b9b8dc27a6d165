"""What a channel's rules mean for one picture: the size and format in which it would be delivered.

The rules themselves are data in `presets/channels/`; a team edits them there.
"""

from __future__ import annotations

import math
from typing import Literal

from studio.errors import CapabilityError
from studio.records.listing import Channel, Sourced

DeliveredFormat = Literal["jpeg", "webp"]
"""What the encoder writes; of the formats that channels take, these two carry XMP and stay small."""


def delivered_size(width_px: int, height_px: int, channel: Channel) -> tuple[int, int]:
    """Width and height after the down-sizing that the channel's upper limits ask for; never larger than the source."""
    factor = 1.0
    if channel.max_longest_px:
        factor = min(factor, channel.max_longest_px.value / max(width_px, height_px))
    if channel.max_megapixels:
        factor = min(factor, math.sqrt(channel.max_megapixels.value * 1e6 / (width_px * height_px)))
    if factor >= 1.0:
        return width_px, height_px
    # Rounded down, so that a limit on the product of both sides holds too.
    return max(1, math.floor(width_px * factor + 1e-9)), max(1, math.floor(height_px * factor + 1e-9))


def padded_size(width_px: int, height_px: int, aspect: float) -> tuple[int, int]:
    """The smallest frame of the shape `aspect` (width / height) around a picture of this size."""
    if width_px / height_px < aspect:
        return round(height_px * aspect), height_px
    return width_px, round(width_px / aspect)


def delivered_format(channel: Channel) -> DeliveredFormat:
    """The first format of the channel's list that can be written.

    Raises:
        CapabilityError: the channel takes neither JPEG nor WebP.
    """
    for name in channel.formats:
        if name in ("jpeg", "webp"):
            return name
    raise CapabilityError(
        f"{channel.title} takes only {', '.join(channel.formats)}, and packages hold JPEG or WebP.",
        "Add jpeg or webp to the formats in the channel's preset if the channel takes it.",
    )


def minimum_words(channel: Channel) -> str:
    """The least size in words, e.g. `762x1100`; empty when the channel has none."""
    if channel.min_width_px and channel.min_height_px:
        return f"{channel.min_width_px.value:.0f}x{channel.min_height_px.value:.0f}"
    if channel.min_width_px:
        return f"{channel.min_width_px.value:.0f} px of width"
    if channel.min_height_px:
        return f"{channel.min_height_px.value:.0f} px of height"
    if channel.min_longest_px:
        return f"{channel.min_longest_px.value:.0f} px on its longer side"
    return ""


def is_too_small(width_px: int, height_px: int, channel: Channel) -> bool:
    """Whether a picture of this size misses any of the channel's least sizes."""
    limits = (
        (channel.min_width_px, width_px),
        (channel.min_height_px, height_px),
        (channel.min_longest_px, max(width_px, height_px)),
    )
    return any(rule is not None and size < rule.value for rule, size in limits)


def factor_to_least(width_px: int, height_px: int, channel: Channel) -> float:
    """How many times as large a picture must be to reach the channel's least sizes, rounded up to hundredths."""
    return _factor(width_px, height_px, channel.min_width_px, channel.min_height_px, channel.min_longest_px)


def factor_to_advised(width_px: int, height_px: int, channel: Channel) -> float:
    """As `factor_to_least`, for the advised sizes."""
    advised = channel.advised_width_px, channel.advised_height_px, channel.advised_longest_px
    return _factor(width_px, height_px, *advised)


def _factor(
    width_px: int, height_px: int, width: Sourced | None, height: Sourced | None, longest: Sourced | None
) -> float:
    asked = ((width, width_px), (height, height_px), (longest, max(width_px, height_px)))
    return math.ceil(max([1.0, *(rule.value / size for rule, size in asked if rule)]) * 100 - 1e-9) / 100


def advice_words(width_px: int, height_px: int, channel: Channel) -> str:
    """The advised size in words when the picture is smaller than it; empty otherwise."""
    wide, high, longest = channel.advised_width_px, channel.advised_height_px, channel.advised_longest_px
    if wide and high and (width_px < wide.value or height_px < high.value):
        return f"{wide.value:.0f}x{high.value:.0f}"
    if longest and max(width_px, height_px) < longest.value:
        return f"{longest.value:.0f} px on the longer side"
    return ""


def aspect_words(aspect: float) -> str:
    """A ratio of width to height as `1:1.44` (or `1.33:1` when wider than high)."""
    return f"1:{1 / aspect:.2f}" if aspect <= 1 else f"{aspect:.2f}:1"
