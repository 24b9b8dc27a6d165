"""One picture as a channel gets it: put on white where asked, sized down, encoded within the limit."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image

from studio.listing.channels import delivered_format, delivered_size, padded_size
from studio.listing.encode import Encoded, encode, on_white, to_srgb
from studio.listing.xmp import packet
from studio.records.listing import Channel, SlotImage

KEPT = 24
"""Encoded pictures kept in memory, two full listings; a large one has 2 MB."""


def in_shape(image: Image.Image, slot: SlotImage, channel: Channel) -> Image.Image:
    """The picture, on white in the channel's shape where the slot asks for that."""
    if not slot.padded or channel.aspect is None:
        return image
    return on_white(image, *padded_size(*image.size, channel.aspect.value))


class Encoder:
    """Encodes for a channel, and keeps the newest results: whoever asks what a package weighs then packs the same."""

    def __init__(self) -> None:
        self._kept = lru_cache(maxsize=KEPT)(_encoded)

    def __call__(self, path: Path, slot: SlotImage, channel: Channel) -> Encoded:
        """The picture at `path`, which is a content address, as it is delivered.

        Raises:
            InputError: it cannot be encoded within the channel's limits.
            CapabilityError: the channel takes no format that can be written.
        """
        return self._kept(path, SlotImage(slot="", variant_id="", alt_text=slot.alt_text, padded=slot.padded), channel)


def _encoded(path: Path, slot: SlotImage, channel: Channel) -> Encoded:
    with Image.open(path) as image:
        shaped = in_shape(to_srgb(image), slot, channel)
    width_px, height_px = delivered_size(*shaped.size, channel)
    return encode(
        shaped,
        width_px=width_px,
        height_px=height_px,
        format=delivered_format(channel),
        max_bytes=int(channel.max_bytes.value) if channel.max_bytes else None,
        xmp=packet(slot.alt_text),
    )
