"""Encoded pictures: sRGB with a profile, within the limits, never larger than the source, nothing of its metadata."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from studio.errors import InputError
from studio.listing.encode import LEAST_QUALITY, encode, srgb_profile, to_srgb
from studio.listing.xmp import TRAINED_ALGORITHMIC_MEDIA, digital_source_type, packet
from tests.listing.pictures import painted


def _with_gps() -> Image.Image:
    """A JPEG such as a phone writes: lying on its side, with a position and a comment."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (35.0, 41.0, 22.0)
    buffer = io.BytesIO()
    painted(128, 64).save(buffer, "JPEG", exif=exif, comment=b"secret", dpi=(300, 300))
    return Image.open(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_only_pixels_profile_and_xmp_come_out(kind: str) -> None:
    source = _with_gps()
    assert source.getexif().get_ifd(0x8825)
    encoded = encode(source, width_px=64, height_px=128, format=kind, xmp=packet("A dress"))
    with Image.open(io.BytesIO(encoded.data)) as written:
        assert written.format == kind.upper()
        assert written.size == (64, 128) == (encoded.width_px, encoded.height_px)
        assert not written.getexif()
        assert written.info["icc_profile"] == srgb_profile()
        assert "comment" not in written.info
    assert b"secret" not in encoded.data
    assert digital_source_type(encoded.data) == TRAINED_ALGORITHMIC_MEDIA


def test_alt_text_cannot_break_the_packet() -> None:
    xmp = packet('</rdf:li> & "quoted" \x00\x0b ]]> 日本語')
    encoded = encode(painted(), width_px=192, height_px=256, xmp=xmp)
    assert digital_source_type(encoded.data) == TRAINED_ALGORITHMIC_MEDIA
    assert "日本語".encode() in encoded.data


def test_a_picture_without_xmp_reads_as_undeclared() -> None:
    assert digital_source_type(encode(painted(), width_px=192, height_px=256).data) == ""
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    assert digital_source_type(encode(painted(), width_px=192, height_px=256, xmp=bomb).data) == ""


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_quality_is_the_best_that_fits(kind: str) -> None:
    free = encode(painted(), width_px=192, height_px=256, format=kind)
    limit = int(len(free.data) * 0.7)
    held = encode(painted(), width_px=192, height_px=256, format=kind, max_bytes=limit)
    assert len(held.data) <= limit
    assert LEAST_QUALITY <= held.quality < free.quality
    with pytest.raises(InputError, match="allowed: 500"):
        encode(painted(), width_px=192, height_px=256, format=kind, max_bytes=500)


def test_same_picture_same_bytes() -> None:
    first, second = (encode(painted(), width_px=96, height_px=128, xmp=packet()) for _ in range(2))
    assert first.data == second.data
    assert first.sha256 == second.sha256
    ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))


def test_never_upscaled() -> None:
    with pytest.raises(InputError, match="192x256, smaller than 762x1100"):
        encode(painted(), width_px=762, height_px=1100)


def test_an_embedded_profile_is_used_or_refused() -> None:
    image = painted()
    image.info["icc_profile"] = b"no profile at all"
    with pytest.raises(InputError, match="profile cannot be"):
        to_srgb(image)
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    with pytest.raises(InputError, match="profile cannot be"):
        to_srgb(image)
    image.info["icc_profile"] = srgb_profile()
    np.testing.assert_allclose(np.asarray(to_srgb(image), int), np.asarray(painted(), int), atol=1)


def test_other_kinds_of_pixels() -> None:
    np.testing.assert_array_equal(to_srgb(painted().convert("RGBA")), painted())
    assert to_srgb(painted().convert("L")).mode == "RGB"
    see_through = painted().convert("RGBA")
    see_through.putalpha(128)
    for image in (see_through, painted().convert("CMYK"), Image.new("F", (8, 8))):
        with pytest.raises(InputError):
            to_srgb(image)
