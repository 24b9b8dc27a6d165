"""Encodes an approved picture for a channel: sRGB JPEG or WebP with its profile, sized down where asked, never up.

Nothing of the source file survives but its pixels: no EXIF, no GPS, no comment, no text chunk.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageOps

from studio.errors import InputError
from studio.listing.channels import DeliveredFormat

BEST_QUALITY = 95
LEAST_QUALITY = 60
"""Below this, fabric texture turns into blocks: a smaller picture serves the shop better."""


@dataclass(frozen=True)
class Encoded:
    """An encoded picture. `quality` is that of the encoder, 1 to 100."""

    data: bytes
    width_px: int
    height_px: int
    quality: int
    format: DeliveredFormat

    @property
    def sha256(self) -> str:
        """Hash of the encoded bytes."""
        return hashlib.sha256(self.data).hexdigest()


def encode(
    image: Image.Image,
    *,
    width_px: int,
    height_px: int,
    format: DeliveredFormat = "jpeg",
    max_bytes: int | None = None,
    xmp: bytes = b"",
) -> Encoded:
    """Encode at the best quality that stays within `max_bytes`.

    Raises:
        InputError: the asked size is larger than the picture, the picture has transparent parts, or it stays over
            `max_bytes` even at the least quality.
    """
    pixels = to_srgb(image)
    if width_px > pixels.width or height_px > pixels.height:
        raise InputError(
            f"The picture is {pixels.width}x{pixels.height}, smaller than {width_px}x{height_px}.",
            "Generate it larger; nothing is upscaled silently.",
        )
    if (width_px, height_px) != pixels.size:
        pixels = pixels.resize((width_px, height_px), Image.Resampling.LANCZOS)
    quality, data = _within(pixels, format, max_bytes, xmp)
    return Encoded(data=data, width_px=width_px, height_px=height_px, quality=quality, format=format)


def to_srgb(image: Image.Image) -> Image.Image:
    """The pixels upright in sRGB, mode RGB, with an embedded profile applied and all metadata left behind.

    Raises:
        InputError: transparent parts, an unreadable profile, or a kind of pixel that has no sure meaning here.
    """
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        alpha = upright.convert("RGBA").getchannel("A")
        if alpha.getextrema() != (255, 255):
            raise InputError("The picture has transparent parts.", "Put it on a background before it is packed.")
        upright = upright.convert("RGB")
    if upright.mode not in ("RGB", "L", "P", "CMYK"):
        raise InputError(f"Pictures of mode {upright.mode} cannot be packed.", "Save it as 8-bit RGB.")
    profile = upright.info.get("icc_profile")
    if upright.mode == "CMYK" and not profile:
        raise InputError("The picture is CMYK without a colour profile.", "Save it as RGB with a profile.")
    if profile and upright.mode in ("RGB", "CMYK"):
        upright = _apply(upright, profile)
    return Image.fromarray(np.asarray(upright.convert("RGB")).copy())


def on_white(image: Image.Image, width_px: int, height_px: int) -> Image.Image:
    """The picture in the middle of a white frame of this size, which is not smaller than it."""
    frame = Image.new("RGB", (width_px, height_px), (255, 255, 255))
    frame.paste(image.convert("RGB"), ((width_px - image.width) // 2, (height_px - image.height) // 2))
    return frame


def srgb_profile() -> bytes:
    """An sRGB ICC profile that has the same bytes at every call (the library stamps the time of day into it)."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Bytes 24-35 of an ICC header are its date: year, month, day, hour, minute, second as big-endian 16 bit.
    data[24:36] = b"".join(part.to_bytes(2, "big") for part in (2000, 1, 1, 0, 0, 0))
    return bytes(data)


def _apply(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise InputError("The picture's colour profile cannot be read.", "Save it again as sRGB.") from error
    if converted is None:  # profileToProfile returns None only when it works in place
        raise InputError("The picture's colour profile cannot be applied.", "Save it again as sRGB.")
    return converted


def _within(image: Image.Image, format: DeliveredFormat, max_bytes: int | None, xmp: bytes) -> tuple[int, bytes]:
    """Best quality within the limit, by bisection: size grows with quality."""
    best = _write(image, format, BEST_QUALITY, xmp)
    if max_bytes is None or len(best) <= max_bytes:
        return BEST_QUALITY, best
    low, found = LEAST_QUALITY, _write(image, format, LEAST_QUALITY, xmp)
    if len(found) > max_bytes:
        raise InputError(
            f"{image.width}x{image.height} takes {len(found)} bytes at quality {LEAST_QUALITY}, allowed: {max_bytes}.",
            "Generate it smaller.",
        )
    high = BEST_QUALITY
    while high - low > 1:
        middle = (low + high) // 2
        data = _write(image, format, middle, xmp)
        if len(data) <= max_bytes:
            low, found = middle, data
        else:
            high = middle
    return low, found


def _write(image: Image.Image, format: DeliveredFormat, quality: int, xmp: bytes) -> bytes:
    buffer = io.BytesIO()
    if format == "jpeg":
        # Full colour resolution: fine coloured patterns bleed at the usual half resolution.
        image.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True, icc_profile=srgb_profile(), xmp=xmp)
    else:
        image.save(buffer, "WEBP", quality=quality, method=4, icc_profile=srgb_profile(), xmp=xmp)
    return buffer.getvalue()
