"""Names from outside in messages."""

from __future__ import annotations

import pytest

from studio.label.names import as_data, shown, suffix_of


def test_ordinary_names_stay() -> None:
    assert shown("ドレス 01 (front).JPG") == "ドレス 01 (front).JPG"


@pytest.mark.parametrize("name", ["a\0b", "a\r\nb", "a\u202eb", "a\x1b[31mb", "a\u2066b", "a\udcffb", "a\u2028b"])
def test_what_could_mislead_is_spelt_out(name: str) -> None:
    text = shown(name)
    assert text.isprintable()
    assert "\\" in text


def test_long_names_are_cut_in_messages_alone() -> None:
    assert len(shown("x" * 300)) == 81
    assert as_data("x" * 300) == "x" * 300


@pytest.mark.parametrize(("name", "suffix"), [("a.PNG", ".png"), ("a", ""), (".png", ""), ("a.tar.gz", ".gz")])
def test_suffixes(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix
