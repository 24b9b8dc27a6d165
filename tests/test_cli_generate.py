"""`generate` takes a photo as reference and maps to follow, and says what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from studio.cli import main
from studio.cli.generate import control_of, reference_of
from studio.errors import InputError
from studio.studio import Studio


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "map: one.png"
    Image.new("RGB", (32, 48), "navy").save(path)
    return path


def test_a_map_is_kept_with_its_kind_and_scale(studio: Studio, picture: Path) -> None:
    plain, scaled = control_of(studio, f"canny:{picture}"), control_of(studio, f"depth:{picture}:0.5")
    assert (plain.kind, plain.controlnet_conditioning_scale) == ("canny", 1.0)
    assert (scaled.kind, scaled.controlnet_conditioning_scale) == ("depth", 0.5)
    assert studio.store.files.path(plain.picture_sha256).read_bytes() == picture.read_bytes()


def test_what_is_no_map_or_reference_is_told(studio: Studio, picture: Path, tmp_path: Path) -> None:
    for text in ("canny", "colour:x.png", f"canny:{picture}:9"):
        with pytest.raises(InputError, match=r"is no map to follow.*kinds: openpose, canny, lineart, depth"):
            control_of(studio, text)
    with pytest.raises(InputError, match="absent"):
        control_of(studio, f"canny:{tmp_path / 'absent.png'}")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png"):
        reference_of(studio, tmp_path / "text.png", 0.5)
    with pytest.raises(InputError, match="no scale"):
        reference_of(studio, picture, 3.0)
    assert reference_of(studio, picture, 0.4).ip_adapter_scale == 0.4


def test_the_command_says_what_the_base_cannot_do(
    tmp_path: Path, tiny_presets: Path, picture: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("STUDIO_PRESETS", str(tiny_presets))
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    look = next((tiny_presets / "looks").glob("*.yaml")).stem
    command = ["generate", "matrix", "--json", "--look", look, "--reference", str(picture)]
    assert main([*command, "--control", f"canny:{picture}"]) == 2
    said = json.dumps(json.loads(capsys.readouterr().out))
    assert "cannot keep to a reference picture" in said
    assert "cannot follow a map of canny" in said
