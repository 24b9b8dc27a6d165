"""`models` from the command line: list, accept, pull, verify, remove, with words, one JSON document, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import save

from studio.cli import main
from tests.models.hub_server import HubState, hub_server

FILES = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": save({"w": np.arange(50_000, dtype=np.float32)})}
ADDON = {
    "name": "edges", "title": "Edges", "kind": "controlnet", "family": "croquis",
    "licence": {"name": "Apache-2.0", "commercial_use": True, "source": "its card"},
    "sources": [{"repo": "atelier/edges", "revision": "main", "files": [{"path": path} for path in FILES]}],
}  # fmt: skip

Call = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def hub(tmp_path: Path, tiny_presets: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubState]:
    """A hub with one add-on, and a home whose presets know it."""
    root = tmp_path / "presets"
    root.mkdir()
    for folder in tiny_presets.iterdir():
        if folder.name != "controlnets":
            (root / folder.name).symlink_to(folder)
    (root / "controlnets").mkdir()
    (root / "controlnets" / "edges.yaml").write_text(yaml.safe_dump(ADDON), encoding="utf-8")
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STUDIO_PRESETS", str(root))
    monkeypatch.setenv("STUDIO_BRAND_MODELS", str(tmp_path / "brand_models"))
    monkeypatch.setenv("COLUMNS", "200")
    with hub_server() as state:
        state.files["atelier/edges"] = dict(FILES)
        monkeypatch.setenv("HF_ENDPOINT", state.address)
        yield state


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], hub: HubState) -> Call:
    def run(*arguments: str) -> tuple[int, Any, str]:
        code = main(["models", *arguments, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out), said.err

    return run


def test_from_an_unread_licence_to_an_empty_disk(call: Call, hub: HubState) -> None:
    assert call("list")[1]["states"]["edges"] == "absent"
    code, problem, words = call("pull", "edges")
    assert (code, problem["title"]) == (3, "rights")
    assert "Apache-2.0, commercial use allowed" in words
    assert hub.asked == []
    assert call("accept", "edges", "--by", "Aoi Tanaka")[1]["accepted_by"] == "Aoi Tanaka"
    code, manifest, _ = call("pull", "edges")
    assert code == 0
    assert {file["path"] for file in manifest["files"]} == set(FILES)
    assert call("show", "edges")[1]["state"] == "installed"
    assert set(call("verify", "edges")[1]["files"]) == set(FILES)
    assert call("remove", "edges")[1]["freed_bytes"] > len(FILES["diffusion_pytorch_model.safetensors"])
    assert call("list")[1]["states"]["edges"] == "absent"
    assert call("show", "edges")[1]["accepted"]["accepted_by"] == "Aoi Tanaka", "the licence stays accepted"


def test_a_folder_stands_in_for_the_hub(call: Call, hub: HubState, tmp_path: Path) -> None:
    call("accept", "edges", "--by", "Aoi Tanaka")
    (tmp_path / "stick").mkdir()
    assert call("pull", "edges", "--from", str(tmp_path / "stick"))[0] == 2
    for path, data in FILES.items():
        (tmp_path / "stick" / path).write_bytes(data)
    assert call("pull", "edges", "--from", str(tmp_path / "stick"))[0] == 0
    assert hub.asked == []


def test_exit_codes_of_a_pull_that_fails(call: Call, hub: HubState, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("pull", "nothing-of-that-name")[0] == 4
    assert call("pull", "croquis")[0] == 5
    call("accept", "edges", "--by", "Aoi Tanaka")
    assert call("verify", "edges")[0] == 6
    hub.status = 401
    assert call("pull", "edges")[0] == 3
    hub.status = 200
    hub.tampered["config.json"] = b"[]"
    assert call("pull", "edges")[0] == 2
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert call("pull", "edges")[0] == 5


def test_people_read_tables(hub: HubState, capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "list"])
    assert "controlnet" in capsys.readouterr().out
    main(["models", "show", "edges"])
    told = capsys.readouterr().out
    assert "nobody yet" in told
    assert "atelier/edges at main, 2 files" in told
    main(["models", "show", "croquis"])
    assert "openpose" in capsys.readouterr().out
