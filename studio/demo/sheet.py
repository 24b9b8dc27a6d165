"""The contact sheet: one row a look, one column a pose, labelled, on a neutral grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

GREY = (119, 119, 119)
"""sRGB of 18 % reflectance, the neutral surround for judging colour."""
INK = (245, 245, 245)
GAP_PX = 12
LABEL_PX = 26
FONT_PX = 15


def contact_sheet(
    pictures: Mapping[tuple[str, str], Image.Image],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    captions: Mapping[tuple[str, str], str] | None = None,
) -> Image.Image:
    """Lays pictures out by (row, column); a missing picture leaves its place empty.

    Args:
        pictures: pictures of one size; each is pasted as it is, never resized.
        captions: a short line under a picture.

    Returns:
        RGB image.
    """
    width, height = next(iter(pictures.values())).size
    font = ImageFont.load_default(FONT_PX)
    label_width = int(max(font.getlength(row) for row in rows)) + 2 * GAP_PX
    cell_width, cell_height = width + GAP_PX, height + LABEL_PX + GAP_PX
    top = 2 * LABEL_PX + GAP_PX
    size = (label_width + cell_width * len(columns) + GAP_PX, top + cell_height * len(rows))
    sheet = Image.new("RGB", size, GREY)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP_PX, GAP_PX), title, INK, font)
    for x, column in enumerate(columns):
        draw.text((label_width + x * cell_width, LABEL_PX + GAP_PX), column, INK, font)
    for y, row in enumerate(rows):
        draw.text((GAP_PX, top + y * cell_height + height // 2), row, INK, font)
        for x, column in enumerate(columns):
            left, upper = label_width + x * cell_width, top + y * cell_height
            picture = pictures.get((row, column))
            if picture is not None:
                sheet.paste(picture.convert("RGB"), (left, upper))
            draw.text((left, upper + height + 4), (captions or {}).get((row, column), ""), INK, font)
    return sheet
