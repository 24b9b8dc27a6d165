"""`compose annotators|map|pose-from` from the command line, with a pose model that is pulled as a person would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from studio import errors
from studio.cli import main
from studio.measure.annotators.edges import Canny
from studio.records.pose import Pose
from tests.measure.painting import paint
from tests.onnx_models import rtmpose

ROOT = Path(__file__).resolve().parent.parent
Call = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in a fresh home with the real presets: exit code, the JSON document, the words."""
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STUDIO_PRESETS", str(ROOT / "presets"))
    monkeypatch.setenv("STUDIO_BRAND_MODELS", str(tmp_path / "brand_models"))
    monkeypatch.setenv("STUDIO_DEVICE", "cpu")

    def run(*arguments: object) -> tuple[int, Any, str]:
        code = main([*map(str, arguments), "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out), said.err

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(paint(size=(201, 307)).rgb).save(path)
    return path


def test_a_map_has_the_photo_s_size(call: Call, photo: Path, tmp_path: Path) -> None:
    code, said, _ = call("compose", "map", photo, "--kind", "canny", "--to", tmp_path / "maps" / "edges.png")
    assert code == 0
    assert said["map"]["licence"]["name"] == "Apache-2.0"
    with Image.open(tmp_path / "maps" / "edges.png") as drawn:
        np.testing.assert_array_equal(np.asarray(drawn), Canny().annotate(paint(size=(201, 307)).rgb))


def test_a_pose_model_is_pulled_and_reads_a_photo(call: Call, photo: Path, tmp_path: Path) -> None:
    to = tmp_path / "arm-out.yaml"
    code, problem, _ = call("compose", "pose-from", photo, "--to", to)
    assert code == errors.CapabilityError.exit_code
    assert "models pull rtmpose-m" in problem["next_step"]
    (tmp_path / "stick").mkdir()
    places = [(96.0 + 30 * (-1) ** joint, 40.0 + 11 * joint) for joint in range(17)]
    rtmpose(tmp_path / "stick" / "rtmpose-m.onnx", places, [0.9] * 16 + [0.1])
    assert call("models", "accept", "rtmpose-m", "--by", "Aoi Tanaka")[0] == 0
    assert call("models", "pull", "rtmpose-m", "--from", tmp_path / "stick")[0] == 0
    assert {c["name"] for c in call("compose", "annotators")[1] if c["ready"]} == {"canny", "lineart", "rtmpose-m"}
    code, said, words = call("compose", "pose-from", photo, "--to", to, "--action", "walking")
    assert code == 0
    pose = Pose.model_validate(yaml.safe_load(to.read_text(encoding="utf-8")))
    assert (pose.name, pose.action) == ("arm-out", "walking")
    assert pose == Pose.model_validate(said["found"]["pose"])
    assert "right ankle" in words
    assert call("compose", "add", to)[0] == 0


def test_what_goes_wrong_has_its_exit_code(call: Call, photo: Path, tmp_path: Path) -> None:
    png = tmp_path / "map.png"
    assert call("compose", "map", photo, "--kind", "depth", "--to", png)[0] == errors.CapabilityError.exit_code
    assert call("compose", "map", photo, "--kind", "normal", "--to", png)[0] == errors.InputError.exit_code
    assert (
        call("compose", "map", photo, "--kind", "canny", "--to", tmp_path / "m.jpg")[0] == errors.InputError.exit_code
    )
    assert call("compose", "map", tmp_path / "no.png", "--kind", "canny", "--to", png)[0] == errors.InputError.exit_code
    pose = ("compose", "pose-from", photo, "--to", tmp_path / "pose.yaml", "--annotator")
    assert call(*pose, "openpose-body")[0] == errors.GateError.exit_code
    assert call(*pose, "nothing")[0] == errors.NotFoundError.exit_code
    assert not png.exists()
    assert not (tmp_path / "pose.yaml").exists()
