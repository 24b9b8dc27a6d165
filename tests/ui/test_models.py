"""The models panel's actions, without a browser: a real studio, and a small hub to pull from."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import yaml
from safetensors.numpy import save

from studio.presets import Presets
from studio.records.base import LOCAL_PERSON
from studio.records.brand_model import BrandModel
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.components.canvas_desk import CanvasDesk
from studio.ui.components.models_panel import ModelsPanel
from studio.ui.components.top_bar import TopBar
from tests.models.hub_server import HubState, hub_server
from tests.ui.message_source import ROOT

WEIGHTS = save({"w": np.arange(700_000, dtype=np.float32)})
FILES = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": WEIGHTS}
SIZE = sum(map(len, FILES.values()))
PASSWORD = "a long password"


def write_models(presets: Path) -> None:
    """An SD1.5 to be pulled, and its ControlNet for edges, both tiny."""
    card = yaml.safe_load((ROOT / "presets/bases/sd15.yaml").read_text(encoding="utf-8"))
    files = [{"path": path, "size_bytes": len(data)} for path, data in FILES.items()]
    sources = [{"repo": "atelier/sd", "revision": "main", "files": files}]
    write(presets / "bases/sd15.yaml", card | {"sources": sources})
    licence = {"name": "riddle", "commercial_use": None, "source": "nobody has read its card"}
    edges = {"name": "sd15-controlnet-canny", "title": "Edges", "kind": "controlnet", "family": "sd15"}
    loose = [{"repo": "atelier/edges", "revision": "main", "files": [{"path": path} for path in FILES]}]
    write(presets / "controlnets/sd15-controlnet-canny.yaml", edges | {"licence": licence, "sources": loose})


def write(path: Path, record: dict[str, Any]) -> None:
    path.unlink(missing_ok=True)
    path.write_text(yaml.safe_dump(record), encoding="utf-8")


@pytest.fixture
def settings(tmp_path: Path, tiny_presets: Path) -> Settings:
    """A home whose presets can be added to."""
    presets, brands = tmp_path / "presets", tmp_path / "brand_models"
    shutil.copytree(tiny_presets, presets, ignore=shutil.ignore_patterns("judge"))
    write_models(presets)
    brands.mkdir()
    return Settings(home=tmp_path / "home", presets=presets, brand_models=brands, device="cpu", dtype="fp32")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubState]:
    with hub_server() as state:
        state.files |= {"atelier/sd": dict(FILES), "atelier/edges": dict(FILES)}
        monkeypatch.setenv("HF_ENDPOINT", state.address)
        monkeypatch.setattr("studio.models.pull.fetch.PAUSE_S", 0.0)
        yield state


@pytest.fixture
def panel(studio: Studio, hub: HubState) -> ModelsPanel:
    return ModelsPanel(studio)


def ask(panel: Any, action: str, person: str = LOCAL_PERSON, **message: Any) -> Any:
    answer = panel.answer(action, message, person)
    assert "error" not in answer, answer
    assert orjson.dumps(answer)  # what Gradio sends it with; stricter than json
    return answer["value"]


def refused(panel: ModelsPanel, action: str, person: str = LOCAL_PERSON, **message: Any) -> str:
    answer = panel.answer(action, message, person)
    assert "value" not in answer, answer
    return f"{answer['error']} {answer['next_step']}"


def row(panel: ModelsPanel, name: str) -> Any:
    return next(row for row in ask(panel, "models")["rows"] if row["name"] == name)


def test_everything_is_listed_with_its_size_licence_memory_and_what_it_cannot_do(
    studio: Studio, panel: ModelsPanel
) -> None:
    found = ask(panel, "models")
    rows = {row["name"]: row for row in found["rows"]}
    assert set(rows) == {*studio.presets.bases(), *studio.presets.pullables()}
    assert [found["machine"], found["person"], found["operator"]] == [None, "", True]
    assert found["free_bytes"] > 0
    croquis, base, edges = rows["croquis"], rows["sd15"], rows["sd15-controlnet-canny"]
    assert croquis["state"] == "bundled"
    assert croquis["disk_bytes"] > 1_000_000
    assert croquis["cannot"]["controlnet:canny"] == "Croquis has a ControlNet for poses only."
    assert "controlnet:openpose" in croquis["can"]
    assert (base["state"], base["pull_bytes"], base["pull_bytes_known"]) == ("absent", SIZE, True)
    assert base["needs"]["controlnet:canny"] == "sd15-controlnet-canny"
    assert base["licence"]["commercial_use"] is True
    assert {need["fits"] for need in base["memory"]} == {None}
    assert (edges["licence"]["commercial_use"], edges["pull_bytes_known"]) == (None, False)
    assert "kind that can run code" in rows["openpose-body"]["refused"]


def test_memory_is_held_against_this_machine(studio: Studio, panel: ModelsPanel) -> None:
    card = studio.presets.base("sd15")
    whole = next(need.weights_bytes for need in card.memory if need.dtype == "bf16" and not need.offload)
    studio.warm.set()
    vars(studio)["memory_bytes"] = 2 * whole - 1
    found = ask(panel, "models")
    assert found["machine"]["memory_bytes"] == 2 * whole - 1
    memory = next(row for row in found["rows"] if row["name"] == "sd15")["memory"]
    assert {need["dtype"] for need in memory} == {"fp32"}, "this device computes in fp32 and keeps no fp8"
    assert {need["offload"]: need["fits"] for need in memory} == {False: False, True: True}
    assert max(need["weights_bytes"] for need in memory) == 2 * whole


def test_from_an_unread_licence_over_a_cut_to_installed_checked_and_removed(
    studio: Studio, panel: ModelsPanel, hub: HubState
) -> None:
    name = "sd15"
    assert "accepted the licence" in refused(panel, "pull", name=name)
    assert "Give a name" in refused(panel, "accept", name=name, by="  ")
    assert ask(panel, "accept", name=name, by="Aoi Tanaka")
    assert row(panel, name)["accepted_by"] == "Aoi Tanaka"
    hub.cuts["diffusion_pytorch_model.safetensors"] = [2_000_000, 0, 0, 0]
    job = ask(panel, "pull", name=name)
    shown = ask(TopBar(studio), "jobs")["jobs"][0]
    assert (shown["kind"], shown["title"]) == ("pull", name)
    assert "already" in refused(panel, "pull", name=name)
    assert "already" in refused(panel, "remove", name=name)
    assert studio.lane.run_job(job).status == "failed"
    half = row(panel, name)
    assert half["state"] == "partial"
    assert 1_000_000 < half["disk_bytes"] < SIZE
    assert "broke at byte" in half["job"]["error"]
    assert CanvasDesk(studio).answer("models", {}, "mika")["value"]["states"] == {
        "croquis": "installed", "sd15": "partial"
    }  # fmt: skip
    hub.asked.clear()
    assert studio.lane.run_job(ask(panel, "pull", name=name)).status == "done"
    assert hub.begun("diffusion_pytorch_model.safetensors")[0] > 1_000_000, "it went on where it was cut"
    assert row(panel, name)["state"] == "installed"

    checked = studio.lane.run_job(ask(panel, "verify", name=name))
    assert (checked.status, checked.result["files"], checked.progress.total) == ("done", 2, 3)
    (studio.installed.folder(name) / "config.json").write_bytes(b"[]")
    assert studio.lane.run_job(ask(panel, "verify", name=name)).status == "failed"
    assert "config.json: has the sha256" in row(panel, name)["job"]["error"]
    weight = row(panel, name)["disk_bytes"]
    assert ask(panel, "remove", name=name) == weight > SIZE
    gone = row(panel, name)
    assert (gone["state"], gone["disk_bytes"], gone["accepted_by"]) == ("absent", 0, "Aoi Tanaka")
    assert "not on this machine" in refused(panel, "verify", name=name)
    assert "part of the studio" in refused(panel, "remove", name="croquis")


def test_an_add_on_that_is_pulled_makes_its_base_able(studio: Studio, panel: ModelsPanel, tmp_path: Path) -> None:
    brought = tmp_path / "stick"
    for path, data in FILES.items():
        (brought / "atelier/edges").mkdir(parents=True, exist_ok=True)
        (brought / "atelier/edges" / path).write_bytes(data)
    name = "sd15-controlnet-canny"
    ask(panel, "accept", name=name, by="Aoi Tanaka")
    assert "no folder" in refused(panel, "pull", name=name, folder=str(tmp_path / "nowhere"))
    assert "whole path" in refused(panel, "pull", name=name, folder="stick")
    job = ask(panel, "pull", name=name, folder=str(brought))
    assert studio.lane.run_job(job).status == "done"
    assert row(panel, name)["job"]["folder"] == str(brought)
    assert "controlnet:canny" in row(panel, "sd15")["can"]


def test_offline_is_told_at_once_and_a_refusal_in_the_hubs_words(
    studio: Studio, panel: ModelsPanel, hub: HubState, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(panel, "accept", name="sd15", by="Aoi Tanaka")
    hub.status = 401
    studio.lane.run_job(ask(panel, "pull", name="sd15"))
    assert "HF_TOKEN" in row(panel, "sd15")["job"]["error"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("STUDIO_CLOSED_THE_HUB", raising=False)
    assert "HF_HUB_OFFLINE" in refused(panel, "pull", name="sd15")


def test_only_operators_touch_the_disk_and_each_in_their_own_name(
    studio: Studio, panel: ModelsPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.store.accounts._N", 2**10)
    for name in ("mika", "aoi"):
        studio.accounts.add(name, PASSWORD)
    studio.accounts.set_operator("aoi", True)
    assert ask(panel, "models", "mika")["operator"] is False
    asked = {"accept": {"by": "Mika"}, "pull": {}, "verify": {}, "remove": {}}
    for action, message in asked.items():
        assert "users operator mika" in refused(panel, action, "mika", name="sd15", **message)
    assert studio.jobs.list() == []
    ask(panel, "accept", "aoi", name="sd15", by="Somebody Else")
    assert row(panel, "sd15")["accepted_by"] == "aoi"
    job = ask(panel, "pull", "aoi", name="sd15")
    studio.jobs.cancel(job)
    again = TopBar(studio).answer("retry", {"id": job}, "mika")
    assert "Only operators" in again["error"]
    assert "value" in TopBar(studio).answer("retry", {"id": job}, "aoi")


def test_a_base_names_the_brand_models_that_need_it(
    studio: Studio, panel: ModelsPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = Presets(ROOT / "presets", ROOT / "brand_models").brand_models()
    model = next(iter(shipped.values())).model_copy(update={"base": "sd15"})
    models: dict[str, BrandModel] = {model.name: model}
    monkeypatch.setattr(studio.presets, "brand_models", lambda: models)
    assert row(panel, "sd15")["brand_models"] == [model.name]
    assert row(panel, "croquis")["brand_models"] == []


def test_what_shipped_models_say_of_themselves_has_its_japanese() -> None:
    presets = Presets(ROOT / "presets", ROOT / "brand_models")
    bases, items = presets.bases().values(), presets.pullables().values()
    said = {text for card in bases for text in (card.title, card.licence_source, card.memory_source, card.notes)}
    said |= {text for item in items for text in (item.title, item.licence.source, item.notes)} - {""}
    folder = ROOT / "studio/ui/words/messages"
    entries = [
        one
        for name in ("pullables", "presets", "pull", "tools")
        for one in yaml.safe_load((folder / f"{name}.yaml").read_text())
    ]
    texts = [re.split(r"\{\w+!?\}", entry["en"]) for entry in entries]
    patterns = [
        re.compile(".+?".join(map(re.escape, pieces)) + r"\.?") for pieces in texts if any(map(str.strip, pieces))
    ]
    sentences = {one for text in said for one in re.split(r"(?<=[.!?]) (?=\S)", " ".join(text.split())) if one}
    assert [one for one in sentences if not any(pattern.fullmatch(one) for pattern in patterns)] == []
