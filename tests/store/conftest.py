"""A store in a fresh home, without the tiny base: nothing here touches a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.settings import Settings
from studio.store import FileStore, Store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a fresh home."""
    return Settings(home=tmp_path / "home", device="cpu")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An open store."""
    with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    """An empty file store."""
    return FileStore(tmp_path / "files")
