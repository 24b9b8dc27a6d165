"""File names are safe, readable and the same every time."""

from __future__ import annotations

import pytest

from studio.errors import FaultsError
from studio.listing.naming import MAX_STEM_BYTES, check_pattern, file_names, safe_stem

ROW: dict[str, str | int] = {
    "sku": "D-1", "channel": "shopify", "slot": "main", "index": 1, "colourway": "navy", "brand": "", "variant": "v1",
}  # fmt: skip


def test_patterns_are_filled() -> None:
    assert file_names("{sku}_{slot}_{index:02d}", [ROW], ".jpg") == ["D-1_main_01.jpg"]
    assert file_names("{sku}.{slot}", [ROW | {"slot": "MAIN"}], ".jpg") == ["D-1.MAIN.jpg"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\windows\\x", "C-windows-x"),
        ("a/b", "a-b"),
        ("ワンピース 紺", "ワンピース-紺"),
        ("ｆｕｌｌ", "full"),
        ("cafe\u0301", "café"),
        ("a\u202egnp.exe", "a-gnp.exe"),
        ("line\r\nbreak\x00", "line-break"),
        ("<b>x</b>", "b-x-b"),
        ("nul", "_nul"),
        ("COM1.txt", "_COM1.txt"),
        ("...", "picture"),
        ("", "picture"),
    ],
)
def test_names_are_safe(text: str, expected: str) -> None:
    assert safe_stem(text) == expected


def test_long_names_are_cut_between_characters() -> None:
    stem = safe_stem("紺" * 300)
    assert len(stem.encode()) <= MAX_STEM_BYTES
    assert set(stem) == {"紺"}


def test_collisions_are_numbered_in_order() -> None:
    rows = [ROW | {"sku": sku} for sku in ("a/b", "A-B", "a-b", "c")]
    expected = ["a-b.jpg", "A-B-2.jpg", "a-b-3.jpg", "c.jpg"]
    assert file_names("{sku}", rows, ".jpg") == expected
    assert file_names("{sku}", rows, ".jpg") == expected


@pytest.mark.parametrize(
    "pattern",
    ["{sku.__class__}", "{sku[0]}", "{secret}", "{}", "{sku:>99999999}", "{index:999d}", "{sku", "{index:{sku}}"],
)
def test_patterns_reach_no_further_than_their_fields(pattern: str) -> None:
    with pytest.raises(FaultsError):
        check_pattern(pattern)
