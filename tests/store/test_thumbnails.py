"""Thumbnails are made once, beforehand where somebody asks for it, and a failure is nobody's end."""

from __future__ import annotations

import io
import shutil

import pytest
from PIL import Image

from studio.store import Store


def stored(store: Store) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (600, 800), "navy").save(buffer, "PNG")
    return store.files.put_bytes(buffer.getvalue(), ".png")


def test_what_was_made_beforehand_is_not_made_again(store: Store) -> None:
    sha256 = stored(store)
    store.thumbnails.prepare(sha256)
    [path] = store.settings.home.glob("thumbnails/*/*.webp")
    made_at = path.stat().st_mtime_ns
    assert store.thumbnails.path(sha256) == path
    assert path.stat().st_mtime_ns == made_at
    with Image.open(path) as shown:
        assert (shown.format, shown.size) == ("WEBP", (192, 256))


def test_where_none_can_be_made_work_goes_on_and_it_is_made_later(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    sha256 = stored(store)
    folder = store.settings.home / "thumbnails"
    folder.write_text("in the way", encoding="utf-8")
    store.thumbnails.prepare(sha256)
    store.thumbnails.prepare("0" * 64)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    folder.unlink()
    assert store.thumbnails.path(sha256).is_file()
    shutil.rmtree(folder)
