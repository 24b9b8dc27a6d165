"""Captions: the template, the history with undo, and side files in and out."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import ConflictError, FaultsError, InputError, NotFoundError
from studio.label import LabelService
from studio.label.captions import read_hints, read_side_file, template_caption
from studio.records.attributes import ATTRIBUTE_VALUES
from studio.records.product import Product
from studio.wording import unknown_words


@pytest.fixture
def photo_id(label: LabelService, photo_folder: Path) -> str:
    (photo_folder / "shot_0.txt").write_text("first\n", encoding="utf-8")
    sources = [photo_folder / name for name in ("shot_0.png", "shot_0.txt")]
    return label.ingest(sources, dataset="summer").photos[0].id


def test_the_template_uses_words_that_the_base_knows() -> None:
    bare = template_caption("qvzkdr")
    assert bare.startswith("qvzkdr, ")
    hints = {"gender": "woman", "view": "back", "action": "walking", "background": "park", "colour": "navy"}
    text = template_caption("qvzkdr", hints=hints)
    assert unknown_words(text, "qvzkdr") == []
    assert all(word in text for word in ("woman", "back view", "walking", "park", "navy"))
    full = template_caption("qvzkdr", hints={name: values[0] for name, values in ATTRIBUTE_VALUES.items()})
    assert unknown_words(full, "qvzkdr") == []
    product = template_caption("qvzkdr", Product(sku="1", name="Striped Dress", colourway="Navy"))
    assert "wearing a navy striped dress" in product


def test_editing_and_undoing_walks_through_the_history(label: LabelService, photo_id: str) -> None:
    label.set_caption(photo_id, "second", author="ann")
    label.set_caption(photo_id, "  third ")
    assert label.undo_caption(photo_id).caption == "second"
    assert label.undo_caption(photo_id).caption == "first"
    with pytest.raises(ConflictError, match="no earlier caption"):
        label.undo_caption(photo_id)
    assert label.set_caption(photo_id, "fourth").caption == "fourth"
    assert label.undo_caption(photo_id).caption == "first"
    texts = [(r.text, r.author) for r in label.caption_history(photo_id)]
    assert texts == [
        ("first", "ingest"), ("second", "ann"), ("third", "local"), ("second", "undo:local"),
        ("first", "undo:local"), ("fourth", "local"), ("first", "undo:local"),
    ]  # fmt: skip


def test_captions_are_literal(label: LabelService, photo_id: str) -> None:
    text = "$(touch canary) `id` {trigger} <b>%s</b> ${HOME} 日本語 \u202e"
    assert label.set_caption(photo_id, text).caption == text
    assert not Path("canary").exists()


@pytest.mark.parametrize("text", ["two\nlines", "nul\0", "bell\a", "x" * 2001, "lone \ud800"])
def test_captions_that_no_trainer_could_read_are_refused(label: LabelService, photo_id: str, text: str) -> None:
    with pytest.raises(InputError, match="caption"):
        label.set_caption(photo_id, text)
    assert label.caption_history(photo_id)[-1].text == "first"


def test_unknown_photos_and_authors(label: LabelService, photo_id: str) -> None:
    with pytest.raises(NotFoundError):
        label.set_caption("pho_none", "text")
    with pytest.raises(InputError, match="author"):
        label.set_caption(photo_id, "text", author="undo:me")


def test_side_files_are_read_and_bad_ones_named(label: LabelService, photo_folder: Path) -> None:
    (photo_folder / "shot_0.txt").write_bytes("\ufeffa navy dress\n".encode())
    (photo_folder / "shot_1.txt").write_bytes(b"\xff\xfe\x00")
    (photo_folder / "shot_2.txt").write_bytes(b"a" * 70_000)
    (photo_folder / "lonely.txt").write_text("nobody", encoding="utf-8")
    report = label.ingest([photo_folder], dataset="summer")
    assert report.photos[0].caption == "a navy dress"
    assert report.photos[1].caption.startswith(report.dataset.trigger_token)
    assert {f.file_name for f in report.refused} == {"shot_1.txt", "shot_2.txt"}
    assert {f.file_name for f in report.files} == {"shot_1.txt", "shot_2.txt", "lonely.txt"}
    assert read_side_file(b"", "empty.txt") == ""


def test_hints_fill_the_template(label: LabelService, photo_folder: Path) -> None:
    (photo_folder / "hints.csv").write_text("file_name,view,action\nshot_1.png,side,sitting\n", encoding="utf-8")
    report = label.ingest([photo_folder], dataset="summer")
    assert "sitting" in report.photos[1].caption
    assert "side view" in report.photos[1].caption
    assert "sitting" not in report.photos[0].caption


def test_faulty_hints_are_all_named_with_their_lines() -> None:
    with pytest.raises(FaultsError) as caught:
        read_hints(b"file_name,view,shoe\na.png,above,\nb.png,under,boots\n", "hints.csv")
    assert [f.where for f in caught.value.faults] == ["line 1, shoe", "line 2, view", "line 3, view"]
