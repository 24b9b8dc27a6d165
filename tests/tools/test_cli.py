"""`tools` at the command line: one document, exit codes, and files that are never replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.cli.main import main
from studio.records.generation import Variant
from studio.settings import Settings
from studio.store import Store
from tests.tools.conftest import add
from tests.tools.drawn import GREEN, draw


@pytest.fixture
def kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Variant:
    """A variant in the home that the command line opens."""
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))
    monkeypatch.setenv("STUDIO_PRESETS", str(settings.presets))
    monkeypatch.setenv("STUDIO_DEVICE", "cpu")
    with Store.open(settings) as store:
        return add(store, draw(GREEN, (96, 128)).rgb)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Exit code, and the one document on stdout."""
    code = main(["tools", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_variant_becomes_another_variant(kept: Variant, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(capsys, "upscale", kept.id, "--factor", "2")
    assert code == 0
    assert told["variant"]["derived_from"] == kept.id
    with Image.open(told["picture"]) as image:
        assert image.size == (192, 256)
    code, told = run(capsys, "cut-out", kept.id, "--ground", "transparent")
    assert code == 0
    with Image.open(told["picture"]) as image:
        assert image.mode == "RGBA"
    code, gone = run(capsys, "remove", told["variant"]["id"])
    assert (code, gone["id"]) == (0, told["variant"]["id"])


def test_a_file_becomes_another_file_and_none_is_replaced(
    kept: Variant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(draw(GREEN, (96, 128)).rgb).save(photo)
    code, told = run(capsys, "cut-out", str(photo))
    assert (code, told["picture"]) == (0, str(tmp_path / "photo-cut-out.png"))
    with Image.open(told["picture"]) as image:
        assert (np.asarray(image)[:3] == 255).all()
    code, told = run(capsys, "cut-out", str(photo))
    assert code == 2
    assert "is there already" in told["detail"]
    code, told = run(capsys, "upscale", str(photo), "--factor", "1.5", "--out", str(tmp_path / "larger.png"))
    assert (code, told["width_px"], told["height_px"]) == (0, 144, 192)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("upscale", "var_none"), 4, "no variant"),
        (("upscale", "nowhere/photo.png"), 2, "photo.png"),
        (("upscale", "KEPT", "--method", "real-esrgan-x4plus"), 6, "not on this machine"),
        (("upscale", "KEPT", "--factor", "40"), 2, "times as large"),
        (("cut-out", "KEPT", "--ground", "black"), 2, "is no ground"),
        (("cut-out", "KEPT", "--rectangle", "0.5,0.1,0.2,1"), 2, "outside the picture"),
        (("remove", "KEPT"), 5, "was generated"),
    ],
)
def test_refusals_have_their_exit_codes(
    kept: Variant, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    found, told = run(capsys, *(kept.id if argument == "KEPT" else argument for argument in arguments))
    assert found == told["exit_code"] == code
    assert words in told["detail"]


def test_the_list_says_what_can_be_used_now(kept: Variant, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(capsys, "list")
    assert code == 0
    ready = {method["name"]: method["ready"] for method in told}
    assert (ready["lanczos"], ready["grabcut"], ready["birefnet-lite"]) == (True, True, False)
