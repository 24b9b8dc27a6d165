"""The one safe way to open a picture that somebody else made.

Order of the checks: size in bytes, magic bytes against the suffix, the file's own structure (truncated? something
else glued on?), pixel count, and only then the decoder. What comes out is upright 8-bit sRGB without any metadata, so
a position from a phone's GPS cannot travel on.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from studio.errors import InputError, ResourceError

RGB = npt.NDArray[np.uint8]
"""Picture as an array of shape (H, W, 3), sRGB."""
Mask = npt.NDArray[np.bool_]
"""Mask of shape (H, W)."""
Format = Literal["jpeg", "png", "webp"]

SUFFIXES: dict[str, Format] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
MAX_PIXELS = 50_000_000
MAX_BYTES = 64 * 1024**2
MAX_ICC_BYTES = 4 * 1024**2
"""Press profiles reach 2-3 MB; more is no profile that a camera or an editor writes."""
MIN_SIDE_PX = 16

# The plug-in classes are called directly: `Image.open` would try every decoder that Pillow has.
_READERS = {"jpeg": JpegImageFile, "png": PngImageFile, "webp": WebPImageFile}
_EXPORT_AGAIN = "Export it from an image editor as an 8-bit sRGB JPEG or PNG."
_OTHER_KINDS = (
    (b"GIF8", "a GIF"), (b"BM", "a BMP"), (b"II*\0", "a TIFF"), (b"MM\0*", "a TIFF"), (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"), (b"PK\x03\x04", "a zip"), (b"<", "SVG, HTML or other markup"),
)  # fmt: skip
_FOREIGN = re.compile(rb"<script|<html|<!doctype|<svg|<\?php|%PDF-|PK\x03\x04|PK\x05\x06", re.IGNORECASE)
# The next JPEG marker after a scan: not a stuffed zero, a restart marker or a fill byte.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that passed every check.

    Attributes:
        image: mode RGB, upright, sRGB, 8 bit, no metadata.
        format: what the file was.
        notes: what was converted on the way in, in words.
    """

    image: Image.Image
    format: Format
    notes: tuple[str, ...] = ()

    @property
    def rgb(self) -> RGB:
        """The pixels, (H, W, 3) uint8; a copy."""
        return np.array(self.image)


class _Part(NamedTuple):
    """A stretch of a file: its metadata, and where the picture that it belongs to ends."""

    metadata: bytes
    end: int


def open_picture(
    path: Path, *, name: str | None = None, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> Picture:
    """Read a picture from disk; `name` is the name it came with, if the file lies under another one.

    Raises:
        InputError: whatever is wrong with the file, naming it.
    """
    shown = name or path.name
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise InputError(
                f"{shown!r} has {size / 1e6:.0f} MB; the limit is {max_bytes / 1e6:.0f} MB.", _EXPORT_AGAIN
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{shown!r} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    return read_picture(data, shown, max_pixels=max_pixels, max_bytes=max_bytes)


def read_picture(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> Picture:
    """Check and decode the bytes of a JPEG, PNG or WebP file called `name`.

    Raises:
        InputError: too large, another kind than its suffix says, truncated, a polyglot, animated, over the pixel cap,
            or in colours that cannot be converted.
        ResourceError: not enough memory to decode it.
    """
    if len(data) > max_bytes:
        raise InputError(
            f"{name!r} has {len(data) / 1e6:.0f} MB; the limit is {max_bytes / 1e6:.0f} MB.", _EXPORT_AGAIN
        )
    kind = _kind(data, name)
    _refuse_foreign(data, kind, name)
    try:
        return _decode(data, kind, name, max_pixels)
    except (InputError, ResourceError):
        raise
    except MemoryError as error:
        raise ResourceError(f"Not enough memory to open {name!r}.", "Make the picture smaller.") from error
    except Exception as error:  # decoders meet hostile bytes here and raise whatever they like
        raise InputError(
            f"{name!r} is damaged and cannot be decoded ({error}).", "Copy or export the file again."
        ) from error


def encode_png(image: Image.Image) -> bytes:
    """An RGB image as PNG bytes without metadata; the same pixels give the same bytes."""
    out = io.BytesIO()
    Image.fromarray(np.asarray(image.convert("RGB"))).save(out, "PNG", compress_level=6)
    return out.getvalue()


def _kind(data: bytes, name: str) -> Format:
    """The format by magic bytes, which has to agree with the suffix."""
    suffix = f".{name.rpartition('.')[2]}".lower() if "." in name else ""
    expected = SUFFIXES.get(suffix)
    found: Format
    if data.startswith(b"\xff\xd8\xff"):
        found = "jpeg"
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        found = "png"
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        found = "webp"
    else:
        head = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
        what = next((words for magic, words in _OTHER_KINDS if head.startswith(magic)), "no JPEG, PNG or WebP")
        if data[4:8] == b"ftyp":
            what = "a HEIC, AVIF or video file"
        raise InputError(f"{name!r} is {what if data else 'empty'}.", _EXPORT_AGAIN)
    if expected is None:
        raise InputError(
            f"{name!r} is a {found.upper()} but its name does not say so.", f"Rename it to end in .{found}."
        )
    if expected != found:
        raise InputError(
            f"{name!r} is a {found.upper()} inside, not what its name says.", f"Rename it to end in .{found}."
        )
    return found


def _refuse_foreign(data: bytes, kind: Format, name: str) -> None:
    """Walk the file's structure: find a missing end, and anything in it that is not a picture."""
    start = 0
    while True:
        part = _part(data, start, kind)
        if part is None:
            raise InputError(
                f"{name!r} is truncated: the file ends before the picture does.", "Copy or download it again."
            )
        if match := _FOREIGN.search(part.metadata):
            raise InputError(
                f"{name!r} carries other content ({match[0][:9].decode('latin-1')!r}) in its metadata.", _EXPORT_AGAIN
            )
        rest = data[part.end :].lstrip(b"\0 \r\n\t")
        if not rest:
            return
        # Phones append further JPEGs (depth, gain map); anything else after the end is no picture.
        if kind != "jpeg" or not rest.startswith(b"\xff\xd8\xff"):
            raise InputError(f"{name!r} has {len(rest)} bytes of something else after the picture.", _EXPORT_AGAIN)
        start = len(data) - len(rest)


def _part(data: bytes, start: int, kind: Format) -> _Part | None:
    """The picture that begins at `start`, or None when the data ends too early."""
    walk = {"jpeg": _walk_jpeg, "png": _walk_png, "webp": _walk_webp}[kind]
    try:
        pieces = list(walk(data, start))
    except (struct.error, IndexError):
        return None
    end = pieces[-1][0] if pieces else len(data) + 1
    return None if end > len(data) else _Part(b"\0".join(metadata for _, metadata in pieces), end)


def _walk_jpeg(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield (end, metadata) per segment; raises when the end-of-image marker never comes."""
    position = start + 2
    while True:
        while data[position + 1] == 0xFF:
            position += 1
        if data[position] != 0xFF:
            raise IndexError("not at a marker")
        marker = data[position + 1]
        position += 2
        if marker == 0xD9:
            yield position, b""
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        # APPn and COM segments carry whatever a program wanted to leave there.
        yield position + length, data[position : position + length] if marker >= 0xE0 else b""
        position += length
        if marker == 0xDA:
            found = _JPEG_MARKER.search(data, position)
            if found is None:
                raise IndexError("no end of image")
            position = found.start()


def _walk_png(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    position = start + 8
    name = b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 12 + length
        if position > len(data):
            raise IndexError("chunk runs past the end")
        yield position, b"" if name in (b"IDAT", b"PLTE", b"fdAT") else body


def _walk_webp(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    (size,) = struct.unpack_from("<I", data, start + 4)
    end = start + 8 + size + size % 2
    if end - size % 2 > len(data):
        raise IndexError("shorter than its header says")
    position = start + 12
    while position < end - 7:
        name, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        yield min(end, len(data)), b"" if name in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF") else body
        position += 8 + length + length % 2


def _decode(data: bytes, kind: Format, name: str, max_pixels: int) -> Picture:
    image: Any = _READERS[kind](io.BytesIO(data))
    width, height = image.size
    if width * height > max_pixels:
        raise InputError(
            f"{name!r} has {width * height / 1e6:.1f} megapixels ({width}x{height}); "
            f"the limit is {max_pixels / 1e6:.1f}.",
            "Make it smaller in an image editor.",
        )
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(f"{name!r} is only {width}x{height} pixels.", "Give the photo itself, not an icon of it.")
    if getattr(image, "is_animated", False):
        raise InputError(f"{name!r} is animated.", "Export one frame as JPEG or PNG.")
    notes: list[str] = []
    if kind == "png" and data[24] == 16:
        notes.append("16 bit reduced to 8")
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.size != image.size or image.getexif().get(0x0112, 1) != 1:
        notes.append("turned upright")
    clean = _to_srgb(upright, name, notes)
    clean.info.clear()
    return Picture(clean, kind, tuple(notes))


def _to_srgb(image: Image.Image, name: str, notes: list[str]) -> Image.Image:
    """RGB, 8 bit, sRGB, on white where it was transparent; writes what was done into `notes`."""
    profile_bytes: bytes = image.info.get("icc_profile") or b""
    if len(profile_bytes) > MAX_ICC_BYTES:
        raise InputError(f"{name!r} carries a colour profile of {len(profile_bytes) / 1e6:.0f} MB.", _EXPORT_AGAIN)
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.float64)
        image = Image.fromarray(np.rint(wide / 257).clip(0, 255).astype(np.uint8))
    if image.mode == "P" or "transparency" in image.info:
        notes.append("palette resolved" if image.mode == "P" else "transparent colour resolved")
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    if image.mode in ("1", "LA"):
        image = image.convert("L")
    elif image.mode == "RGBA":
        image = image.convert("RGB")
    if profile_bytes:
        image = _through_profile(image, profile_bytes, name, notes)
    elif image.mode not in ("L", "RGB"):
        raise InputError(f"{name!r} is {image.mode} without a colour profile: its colours are unknown.", _EXPORT_AGAIN)
    rgb = image.convert("RGB")
    if alpha is None:
        return rgb
    notes.append("transparent parts put on white")
    return Image.composite(rgb, Image.new("RGB", rgb.size, (255, 255, 255)), alpha)


def _through_profile(image: Image.Image, profile_bytes: bytes, name: str, notes: list[str]) -> Image.Image:
    """Colours by the embedded ICC profile.

    Raises:
        InputError: the profile is broken or describes other channels than the picture has.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_bytes))
        space = profile.profile.xcolor_space.strip()
        if image.mode == "L" and space == "RGB":
            image = image.convert("RGB")
        if {"L": "GRAY"}.get(image.mode, image.mode) != space:
            raise InputError(f"{name!r} is {image.mode} but its colour profile is for {space}.", _EXPORT_AGAIN)
        if "sRGB" in ImageCms.getProfileDescription(profile):
            return image
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise InputError(f"{name!r} has a colour profile that cannot be read.", _EXPORT_AGAIN) from error
    if converted is None:
        raise InputError(f"{name!r} could not be converted to sRGB.", _EXPORT_AGAIN)
    notes.append(f"{image.mode} converted to sRGB by its colour profile")
    return converted
