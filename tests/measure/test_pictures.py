"""Opening pictures from outside: what is converted, and what is refused before a decoder sees it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from studio.errors import InputError
from studio.measure.pictures import MAX_ICC_BYTES, encode_png, open_picture, read_picture
from tests.measure.painting import encoded, paint

PLAIN = paint(size=(96, 128)).rgb
JPEG = encoded(PLAIN, "JPEG", quality=90)
PNG = encoded(PLAIN)
WEBP = encoded(PLAIN, "WEBP", lossless=True)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """The PNG with one more chunk behind its header."""
    return png[:33] + png_chunk(name, body) + png[33:]


@pytest.mark.parametrize(("data", "name"), [(JPEG, "a.jpg"), (JPEG, "A.JPEG"), (PNG, "a.png"), (WEBP, "a.webp")])
def test_ordinary_pictures_open(data: bytes, name: str) -> None:
    picture = read_picture(data, name)
    assert picture.image.mode == "RGB"
    assert picture.rgb.shape == (128, 96, 3)
    assert np.abs(picture.rgb.astype(int) - PLAIN).mean() < 4
    assert picture.notes == ()


def test_png_and_webp_without_loss_keep_every_pixel() -> None:
    assert np.array_equal(read_picture(PNG, "a.png").rgb, PLAIN)
    assert np.array_equal(read_picture(WEBP, "a.webp").rgb, PLAIN)


@pytest.mark.parametrize("data", [JPEG, PNG, WEBP])
@pytest.mark.parametrize("kept", [0.4, 0.9, 0.999])
def test_truncated_files_are_named(data: bytes, kept: float) -> None:
    name = {JPEG: "cut.jpg", PNG: "cut.png", WEBP: "cut.webp"}[data]
    with pytest.raises(InputError, match=rf"{name}' is truncated") as caught:
        read_picture(data[: int(len(data) * kept)], name)
    assert caught.value.next_step


def test_every_cut_of_a_file_is_refused_in_plain_words() -> None:
    for data, name in ((JPEG, "a.jpg"), (PNG, "a.png"), (WEBP, "a.webp")):
        for length in (0, 1, 5, 12, 20, 30, 40, len(data) // 2, len(data) - 3):
            with pytest.raises(InputError):
                read_picture(data[:length], name)


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (PNG, "a.jpg", "is a PNG inside"),
        (JPEG, "a.png", "is a JPEG inside"),
        (JPEG, "a", "its name does not say so"),
        (JPEG, "a.exe", "its name does not say so"),
        (b"", "a.jpg", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "a.svg", "markup"),
        (b"\xef\xbb\xbf  <?xml version='1.0'?><svg/>", "a.png", "markup"),
        (b"GIF89a" + b"\0" * 60, "a.gif", "a GIF"),
        (b"%PDF-1.7", "a.jpg", "a PDF"),
        (b"\0\0\0\x18ftypheic", "a.heic", "HEIC"),
        (b"II*\0" + b"\0" * 60, "a.tif", "a TIFF"),
    ],
)
def test_other_kinds_are_refused_by_their_bytes(data: bytes, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_picture(data, name)


@pytest.mark.parametrize("data", [JPEG, PNG, WEBP])
@pytest.mark.parametrize("tail", [b"PK\x03\x04" + b"x" * 40, b"<script>alert(1)</script>", b"MZ\x90\0program"])
def test_polyglots_with_a_tail_are_refused(data: bytes, tail: bytes) -> None:
    name = {JPEG: "p.jpg", PNG: "p.png", WEBP: "p.webp"}[data]
    with pytest.raises(InputError, match="something else after the picture"):
        read_picture(data + tail, name)


def test_polyglots_in_metadata_are_refused() -> None:
    comment = b"<script>alert(1)</script>"
    jpeg = JPEG[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + JPEG[2:]
    with pytest.raises(InputError, match="other content"):
        read_picture(jpeg, "a.jpg")
    with pytest.raises(InputError, match="other content"):
        read_picture(with_chunk(PNG, b"tEXt", b"Comment\0%PDF-1.4"), "a.png")
    body = b"XMP " + struct.pack("<I", 8) + b"<?php 1;"
    webp = WEBP[:4] + struct.pack("<I", len(WEBP) - 8 + len(body)) + WEBP[8:] + body
    with pytest.raises(InputError, match="other content"):
        read_picture(webp, "a.webp")


def test_the_second_picture_that_phones_append_is_no_polyglot() -> None:
    assert read_picture(JPEG + JPEG, "phone.jpg").rgb.shape == (128, 96, 3)
    with pytest.raises(InputError, match="something else"):
        read_picture(JPEG + JPEG + b"PK\x03\x04", "phone.jpg")


def test_padding_at_the_end_is_no_polyglot() -> None:
    read_picture(JPEG + b"\0" * 512, "padded.jpg")


def test_the_pixel_cap_holds_before_decoding() -> None:
    # 100 megapixels stated, a few bytes given: a decoder would find out only after it asked for the memory.
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    idat = zlib.compress(b"\0" * 1000)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", idat) + png_chunk(b"IEND", b"")
    with pytest.raises(InputError, match=r"100\.0 megapixels"):
        read_picture(bomb, "bomb.png")
    for data, name in ((JPEG, "a.jpg"), (PNG, "a.png"), (WEBP, "a.webp")):
        with pytest.raises(InputError, match="megapixels"):
            read_picture(data, name, max_pixels=96 * 128 - 1)
        read_picture(data, name, max_pixels=96 * 128)


def test_the_byte_cap_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with pytest.raises(InputError, match="the limit is"):
        open_picture(path, max_bytes=len(PNG) - 1)
    assert open_picture(path, max_bytes=len(PNG)).format == "png"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png"):
        open_picture(tmp_path / "gone.png")


def test_icons_and_animations_are_refused() -> None:
    with pytest.raises(InputError, match="only 8x8"):
        read_picture(encoded(PLAIN[:8, :8]), "icon.png")
    frames = [Image.fromarray(PLAIN), Image.fromarray(255 - PLAIN)]
    for kind, name in (("PNG", "a.png"), ("WEBP", "a.webp")):
        out = io.BytesIO()
        frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
        with pytest.raises(InputError, match="animated"):
            read_picture(out.getvalue(), name)


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_exif_rotation_is_applied(orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(encoded(PLAIN, "JPEG", quality=95, exif=exif.tobytes()), "turned.jpg")
    assert picture.notes == ("turned upright",)
    assert np.abs(picture.rgb.astype(int) - np.rot90(PLAIN, turns)).mean() < 4


def test_gps_and_all_other_metadata_are_dropped() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825)[2] = (35.0, 39.0, 31.0)
    picture = read_picture(encoded(PLAIN, "JPEG", exif=exif.tobytes(), comment=b"at home"), "gps.jpg")
    assert picture.image.info == {}
    again = Image.open(io.BytesIO(encode_png(picture.image)))
    assert len(again.getexif()) == 0
    assert again.info == {}
    for kind in ("JPEG", "WEBP"):
        out = io.BytesIO()
        picture.image.save(out, kind)
        assert b"Maker" not in out.getvalue()


def test_cmyk_with_a_profile_of_other_channels_or_none_is_refused() -> None:
    cmyk = Image.fromarray(PLAIN).convert("CMYK")
    out = io.BytesIO()
    cmyk.save(out, "JPEG")
    with pytest.raises(InputError, match="CMYK without a colour profile"):
        read_picture(out.getvalue(), "press.jpg")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    out = io.BytesIO()
    cmyk.save(out, "JPEG", icc_profile=srgb)
    with pytest.raises(InputError, match="profile is for RGB"):
        read_picture(out.getvalue(), "press.jpg")


def swapped_profile() -> bytes:
    """A valid profile that is not sRGB: its red and green primaries are exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    for index in range(count):
        at = 132 + 12 * index
        name = bytes(data[at : at + 4])
        if name in (b"rXYZ", b"gXYZ"):
            data[at : at + 4] = b"gXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(data).replace("sRGB built-in".encode("utf-16-be"), "swap built-in".encode("utf-16-be"))


def test_colours_go_through_the_embedded_profile() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    picture = read_picture(encoded(red, icc_profile=swapped_profile()), "wide.png")
    assert picture.notes == ("RGB converted to sRGB by its colour profile",)
    # Red's number stands for what this profile calls its first primary, which is green.
    assert picture.rgb[0, 0, 1] > 150 > picture.rgb[0, 0, 0]


def test_broken_and_huge_profiles_are_refused() -> None:
    with pytest.raises(InputError, match="profile that cannot be read"):
        read_picture(encoded(PLAIN, icc_profile=b"not a profile" * 20), "bad.png")
    huge = encoded(PLAIN, "JPEG", icc_profile=b"\0" * (MAX_ICC_BYTES + 1))
    with pytest.raises(InputError, match="colour profile of 4 MB"):
        read_picture(huge, "huge.jpg")
    swollen = with_chunk(PNG, b"iCCP", b"icc\0\0" + zlib.compress(b"\0" * 30_000_000))
    with pytest.raises(InputError):
        read_picture(swollen, "swollen.png")


def test_sixteen_bit_palette_and_grey_become_eight_bit_rgb() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    out = io.BytesIO()
    Image.fromarray(ramp).save(out, "PNG")
    deep = read_picture(out.getvalue(), "deep.png")
    assert deep.notes == ("16 bit reduced to 8",)
    assert np.array_equal(deep.rgb[..., 0], np.rint(ramp / 257).astype(np.uint8))
    out = io.BytesIO()
    Image.fromarray(PLAIN).quantize(64).save(out, "PNG")
    assert read_picture(out.getvalue(), "few.png").notes == ("palette resolved",)
    grey = read_picture(encoded(PLAIN[..., 0]), "grey.png")
    assert np.array_equal(grey.rgb[..., 2], PLAIN[..., 0])


def test_transparent_parts_lie_on_white() -> None:
    rgba = np.dstack([PLAIN, np.full(PLAIN.shape[:2], 255, np.uint8)])
    rgba[:64, :, 3] = 0
    picture = read_picture(encoded(rgba), "cut-out.png")
    assert (picture.rgb[:64] == 255).all()
    assert np.array_equal(picture.rgb[64:], PLAIN[64:])
    assert "transparent parts put on white" in picture.notes


def test_damaged_pixels_are_refused_in_plain_words() -> None:
    start = PNG.index(b"IDAT") + 8
    broken = PNG[:start] + b"\0" * 40 + PNG[start + 40 :]
    with pytest.raises(InputError, match="damaged"):
        read_picture(broken, "broken.png")


def test_odd_names_cannot_write_into_messages() -> None:
    name = "<img src=x>\r\n\0\u202egpj.png"
    with pytest.raises(InputError) as caught:
        read_picture(JPEG, name)
    assert not set("\r\n\0\u202e") & set(str(caught.value))


def test_png_bytes_are_the_same_for_the_same_pixels() -> None:
    assert encode_png(Image.fromarray(PLAIN)) == encode_png(read_picture(PNG, "a.png").image)
