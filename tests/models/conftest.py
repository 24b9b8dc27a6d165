"""Fixtures of the model tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.models import Registry
from studio.presets import Presets


@pytest.fixture
def registry(tiny_presets: Path, tmp_path: Path) -> Registry:
    return Registry(Presets(tiny_presets, tmp_path))
