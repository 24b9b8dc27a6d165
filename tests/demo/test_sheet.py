"""The contact sheet: every picture in its place, unchanged."""

from __future__ import annotations

from PIL import Image

from studio.demo.sheet import GREY, contact_sheet


def test_pictures_stand_in_rows_and_columns_unresized() -> None:
    colours = {("navy", "front"): (10, 0, 0), ("navy", "walk"): (0, 20, 0), ("red", "front"): (0, 0, 30)}
    pictures = {place: Image.new("RGB", (40, 60), colour) for place, colour in colours.items()}
    sheet = contact_sheet(pictures, rows=["navy", "red"], columns=["front", "walk"], title="t", captions={})
    counts = {colour: count for count, colour in sheet.getcolors(maxcolors=100_000) or []}
    assert all(counts[colour] == 40 * 60 for colour in colours.values())
    assert max(counts, key=lambda colour: counts[colour]) == GREY
