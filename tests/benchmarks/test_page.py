"""The page's subject measures a real server in a real browser, here with few of everything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.plan import Plan

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("chromium-browser")),
    reason="no chromium on this machine (apt-get install chromium)",
)


def test_every_waiting_time_and_the_memory_are_measured(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in {"PICTURES": 6, "SESSIONS": 2, "DRAGS": 2, "KEYS": 3}.items():
        monkeypatch.setattr(page, name, few)
    figures = page.figures(plan, tmp_path)
    assert [figure.unit for figure in figures] == ["s"] * 6 + ["MB"] * 3
    assert all(figure.value > 0 for figure in figures)
    assert [figure.count for figure in figures] == [1, 2, 2, 2, 1, 3, 1, 1, 1]
    assert figures[-1].value >= figures[-2].value, "the peak is no less than what is there"
