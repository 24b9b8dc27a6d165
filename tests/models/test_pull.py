"""The pull against a small hub: whole, cut, changed, refused, full, offline, out of a folder."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import yaml
from huggingface_hub import HfApi
from huggingface_hub import constants as hub_constants
from safetensors.numpy import save

from studio import errors
from studio.jobs import JobQueue, Lane
from studio.models import Registry
from studio.models.installed import Installed
from studio.models.pull import PullService, fetch, service, staging
from studio.models.pull.hub import Hub
from studio.presets import Presets
from studio.settings import Settings
from studio.store import Store
from tests.models.hub_server import COMMIT, HubState, hub_server

REPO = "atelier/thread"
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
WEIGHTS = save({"w": np.arange(900_000, dtype=np.float32)})
CONFIG = json.dumps({"_class_name": "UNet2DConditionModel"}).encode()


class Bench(NamedTuple):
    """Everything a test needs."""

    hub: HubState
    pulls: PullService
    installed: Installed
    presets: Presets
    store: Store
    folder: Path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A hub with one base, and a home that knows of it."""
    monkeypatch.setattr(fetch, "PAUSE_S", 0.0)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_person")
    settings = Settings(home=tmp_path / "home", presets=tmp_path / "presets", brand_models=tmp_path / "brands")
    write_base(settings.presets)
    presets = Presets(settings.presets, settings.brand_models, settings.models_dir)
    installed = Installed(settings, presets)
    with hub_server() as hub, Store.open(settings) as store:
        hub.files[REPO] = {"unet/config.json": CONFIG, UNET: WEIGHTS, "readme.md": b"unasked"}
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        pulls = PullService(store, presets, installed)
        pulls.accept("thread", by="Aoi Tanaka")
        yield Bench(hub, pulls, installed, presets, store, settings.models_dir / "base" / "thread")


def write_base(presets: Path, **changes: Any) -> None:
    card: dict[str, Any] = {
        "name": "thread", "title": "Thread", "family": "croquis", "licence": "OpenRAIL", "commercial_use": True,
        "licence_source": "its card", "width_px": 512, "height_px": 512, "num_inference_steps": 8,
        "guidance_scale": 4.0, "training_preset": "style",
        "sources": [{"repo": REPO, "revision": "main", "files": [
            {"path": "unet/config.json"},
            {"path": UNET, "save_as": "unet/diffusion_pytorch_model.safetensors"},
        ]}],
    }  # fmt: skip
    write(presets / "bases" / "thread.yaml", card | changes)


def write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(record), encoding="utf-8")


def write_addon(presets: Path, kind: str, folder: str, file: str, **changes: Any) -> None:
    record: dict[str, Any] = {
        "name": "addon", "title": "Add-on", "kind": kind, "family": "croquis",
        "licence": {"name": "Apache-2.0", "commercial_use": True, "source": "its card"},
        "sources": [{"repo": REPO, "revision": COMMIT, "files": [{"path": file}]}],
    }  # fmt: skip
    write(presets / folder / "addon.yaml", record | changes)


def test_a_whole_pull_lands_in_its_place_with_its_record(bench: Bench) -> None:
    told: list[tuple[int, int]] = []
    manifest = bench.pulls.pull("thread", progress=lambda done, total, note: told.append((done, total)))
    assert (bench.folder / "unet/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS
    assert sorted(p.name for p in bench.folder.rglob("*") if p.is_file()) == [
        "config.json", "diffusion_pytorch_model.safetensors", "pulled.json",
    ]  # fmt: skip
    assert {file.commit for file in manifest.files} == {COMMIT}, "the branch's commit is recorded"
    assert bench.installed.manifest("thread") == manifest
    assert bench.installed.state("thread") == "installed"
    assert bench.installed.folder("thread") == bench.folder == Registry(bench.presets).folder("thread")
    assert told[-1] == (total := len(WEIGHTS) + len(CONFIG), total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert not list(bench.folder.parent.glob(".*"))


def test_the_token_goes_to_the_hub_and_never_to_its_storage(bench: Bench) -> None:
    bench.pulls.pull("thread")
    tokens = {(one.path.startswith("/cdn/"), one.token) for one in bench.hub.asked}
    assert tokens == {(False, "Bearer hf_of_a_person"), (True, None)}


def test_libraries_stay_offline_while_the_pull_goes_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    bench.pulls.pull("thread")
    with pytest.raises(ConnectionError, match="offline"):
        HfApi(endpoint=bench.hub.address).model_info(REPO)


def test_the_small_hub_is_one_to_the_hubs_own_library(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
    info = HfApi(endpoint=bench.hub.address).model_info(REPO, revision="main", files_metadata=True)
    assert info.sha == COMMIT
    assert {s.rfilename: s.size for s in info.siblings or []}[UNET] == len(WEIGHTS)


def test_what_is_installed_is_not_asked_for_again(bench: Bench) -> None:
    first = bench.pulls.pull("thread")
    asked = len(bench.hub.asked)
    assert bench.pulls.pull("thread") == first
    assert len(bench.hub.asked) == asked


def test_a_cut_is_mended_by_asking_for_the_rest(bench: Bench) -> None:
    bench.hub.cuts[UNET] = [1_500_000, 900_000]
    bench.pulls.pull("thread")
    begun = bench.hub.begun(UNET)
    assert begun[0] == 0
    assert len(begun) == 3
    assert 0 < begun[1] <= 1_500_000 < begun[2] <= 2_400_000
    assert (bench.folder / "unet/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS


def test_a_pull_that_was_given_up_goes_on_in_the_next(bench: Bench) -> None:
    bench.hub.cuts[UNET] = [2_000_000, 0, 0, 0]
    with pytest.raises(errors.ConflictError, match="broke at byte"):
        bench.pulls.pull("thread")
    assert bench.installed.state("thread") == "partial"
    bench.hub.asked.clear()
    bench.pulls.pull("thread")
    assert min(bench.hub.begun(UNET)) > 1_000_000
    assert bench.hub.begun("unet/config.json") == [], "what is whole is not fetched again"
    assert bench.installed.verify("thread")


def test_a_hub_that_cannot_begin_in_the_middle_is_read_from_the_start(bench: Bench) -> None:
    bench.hub.cuts[UNET], bench.hub.ranges = [1_500_000], False
    bench.pulls.pull("thread")
    assert bench.installed.verify("thread")


def test_parts_of_another_commit_do_not_count(bench: Bench) -> None:
    bench.hub.cuts[UNET] = [2_000_000, 0, 0, 0]
    with pytest.raises(errors.ConflictError):
        bench.pulls.pull("thread")
    changed = save({"w": np.ones(900_000, np.float32)})
    bench.hub.files[REPO][UNET] = changed
    bench.hub.sha = "decade" + "0" * 34
    bench.pulls.pull("thread")
    assert bench.hub.begun(UNET)[-1] == 0
    assert (bench.folder / "unet/diffusion_pytorch_model.safetensors").read_bytes() == changed


def test_a_half_pulled_base_is_named_with_its_remedy(bench: Bench) -> None:
    with pytest.raises(errors.CapabilityError, match=r"not on this machine.*models pull thread"):
        bench.installed.folder("thread")
    bench.hub.cuts[UNET] = [1_000_000, 0, 0, 0]
    with pytest.raises(errors.ConflictError):
        bench.pulls.pull("thread")
    for ask in (bench.installed.folder, bench.presets.base_folder, Registry(bench.presets).weights):
        with pytest.raises(errors.CapabilityError, match=r"half pulled.*models pull thread"):
            ask("thread")


@pytest.mark.parametrize("path", [UNET, "unet/config.json"])
def test_a_file_that_arrives_changed_is_thrown_away(bench: Bench, path: str) -> None:
    true = bench.hub.files[REPO][path]
    bench.hub.tampered[path] = true[:-1] + bytes([true[-1] ^ 1])
    with pytest.raises(errors.GateError, match="checksum"):
        bench.pulls.pull("thread")
    assert bench.installed.state("thread") != "installed"
    del bench.hub.tampered[path]
    bench.pulls.pull("thread")
    assert bench.installed.verify("thread")


def test_a_file_that_the_preset_knows_otherwise_is_refused_before_its_first_byte(bench: Bench, tmp_path: Path) -> None:
    file = {"path": UNET, "save_as": "unet/w.safetensors", "sha256": "0" * 64}
    write_base(tmp_path / "presets", sources=[{"repo": REPO, "revision": "main", "files": [file]}])
    with pytest.raises(errors.GateError, match="not the file that the preset names"):
        bench.pulls.pull("thread")
    assert bench.hub.begun(UNET) == []


def test_a_pinned_commit_is_the_one_that_comes(bench: Bench, tmp_path: Path) -> None:
    sources = [{"repo": REPO, "revision": "d" * 40, "files": [{"path": "unet/config.json"}]}]
    write_base(tmp_path / "presets", sources=sources)
    bench.hub.sha = "e" * 40
    with pytest.raises(errors.GateError, match="as the preset pins it"):
        bench.pulls.pull("thread")
    bench.hub.sha = ""
    assert bench.pulls.pull("thread").files[0].commit == "d" * 40


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, errors.RightsError, "HF_TOKEN"),
        (403, errors.RightsError, "terms"),
        (404, errors.NotFoundError, "revision"),
        (503, errors.ConflictError, "later"),
    ],
)
def test_what_the_hub_refuses_is_told_in_words(
    bench: Bench, status: int, kind: type[errors.StudioError], words: str
) -> None:
    bench.hub.status = status
    with pytest.raises(kind, match=words):
        bench.pulls.pull("thread")
    assert bench.installed.state("thread") == "absent", "nothing was begun"


def test_a_file_that_is_gone_is_named(bench: Bench) -> None:
    del bench.hub.files[REPO][UNET]
    with pytest.raises(errors.NotFoundError, match=UNET):
        bench.pulls.pull("thread")


def test_a_disk_too_small_is_told_before_the_first_byte(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(bench.folder.parents[2])._replace(free=staging.KEEP_FREE_BYTES + len(WEIGHTS) // 2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(errors.ResourceError, match="GB are to be fetched"):
        bench.pulls.pull("thread")
    assert bench.hub.begun(UNET) == []
    assert bench.installed.state("thread") == "absent"


def test_a_disk_that_fills_keeps_what_there_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    write_part = staging.Part.write

    def full(self: staging.Part, chunk: bytes) -> None:
        if self.size > 1_500_000:
            raise OSError(28, "No space left on device")
        write_part(self, chunk)

    monkeypatch.setattr(staging.Part, "write", full)
    with pytest.raises(errors.ResourceError, match="full"):
        bench.pulls.pull("thread")
    monkeypatch.setattr(staging.Part, "write", write_part)
    bench.pulls.pull("thread")
    assert bench.hub.begun(UNET)[-1] > 1_000_000


def test_a_person_who_wants_to_be_offline_is_obeyed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("STUDIO_CLOSED_THE_HUB", raising=False)
    with pytest.raises(errors.ConflictError, match=r"HF_HUB_OFFLINE.*--from FOLDER"):
        bench.pulls.pull("thread")
    assert bench.hub.asked == []
    monkeypatch.setenv("STUDIO_CLOSED_THE_HUB", "1")
    assert bench.pulls.pull("thread")


def test_no_connection_is_told_with_what_to_do(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(errors.ConflictError, match=r"127.0.0.1:9 cannot be reached.*--from FOLDER"):
        bench.pulls.pull("thread")
    monkeypatch.setenv("HF_ENDPOINT", "ftp://hub")
    with pytest.raises(errors.InputError, match="HF_ENDPOINT"):
        bench.pulls.pull("thread")


def test_without_a_mirror_the_hub_itself_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.setenv("STUDIO_CLOSED_THE_HUB", "1")
    assert Hub.from_environment().name == "https://huggingface.co"


@pytest.mark.parametrize("layout", ["atelier/thread/{}", "{}"])
def test_a_folder_of_files_stands_in_for_the_hub(bench: Bench, tmp_path: Path, layout: str) -> None:
    brought = tmp_path / "stick"
    for path, data in bench.hub.files[REPO].items():
        place = brought / layout.format(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    manifest = bench.pulls.pull("thread", folder=brought)
    assert manifest.source == str(brought)
    assert bench.hub.asked == []
    assert bench.installed.verify("thread")
    assert (brought / layout.format(UNET)).is_file()


def test_all_that_a_folder_lacks_is_told_together(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    with pytest.raises(errors.FaultsError) as caught:
        bench.pulls.pull("thread", folder=tmp_path / "stick")
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize(
    "name", ["w.bin", "w.pth", "w.pt", "w.ckpt", "w.pkl", "w.safetensors", "config.json", "w.onnx"]
)
def test_a_pickle_under_any_name_never_gets_in(bench: Bench, tmp_path: Path, name: str) -> None:
    bench.hub.files[REPO][name] = pickle.dumps({"w": [1.0]})
    write_addon(tmp_path / "presets", "annotator", "annotators", name)
    bench.pulls.accept("addon", by="Aoi Tanaka")
    with pytest.raises(errors.GateError):
        bench.pulls.pull("addon")
    assert bench.installed.state("addon") == "absent"
    if name in ("w.bin", "w.pth", "w.pt", "w.ckpt", "w.pkl"):
        assert bench.hub.asked == [], "such files are not even asked for"


@pytest.mark.parametrize(
    "file",
    [
        {"path": "w.bin", "save_as": "w.safetensors"},
        {"path": "../w.safetensors"},
        {"path": "w.safetensors", "save_as": "/etc/w.safetensors"},
        {"path": "w.safetensors", "save_as": ".hidden/w.safetensors"},
        {"path": "w.onnx"},
    ],
)
def test_what_a_preset_may_not_ask_for(bench: Bench, tmp_path: Path, file: dict[str, str]) -> None:
    sources = [{"repo": REPO, "revision": "main", "files": [file]}]
    write_addon(tmp_path / "presets", "controlnet", "controlnets", "w.safetensors", sources=sources)
    bench.pulls.accept("addon", by="Aoi Tanaka")
    with pytest.raises(errors.GateError, match="never fetched"):
        bench.pulls.pull("addon")


def test_onnx_comes_in_for_annotators_with_its_own_gate(bench: Bench, tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y]))
    bench.hub.files[REPO]["pose.onnx"] = model.SerializeToString()
    write_addon(tmp_path / "presets", "annotator", "annotators", "pose.onnx")
    bench.pulls.accept("addon", by="Aoi Tanaka")
    bench.pulls.pull("addon")
    assert (bench.installed.folder("addon") / "pose.onnx").is_file()


def test_nothing_is_pulled_before_a_person_has_accepted_the_licence(bench: Bench, tmp_path: Path) -> None:
    write_base(tmp_path / "presets", licence="riddle", commercial_use=None)
    with pytest.raises(errors.RightsError, match=r"riddle, commercial use unknown.*its card.*models accept thread"):
        bench.pulls.pull("thread")
    assert bench.hub.asked == []
    with pytest.raises(errors.InputError, match="person"):
        bench.pulls.accept("thread", by="  ")
    said = bench.pulls.accept("thread", by="Aoi Tanaka")
    assert (said.accepted_by, said.licence.commercial_use) == ("Aoi Tanaka", None)
    assert bench.pulls.accept("thread", by="Mika Sato") == said, "once is enough"
    assert bench.pulls.pull("thread")
    assert [one.accepted_by for one in bench.store.licence_acceptances.find(name="thread")] == ["Aoi Tanaka"] * 2


def test_a_bundled_base_is_neither_pulled_nor_accepted(bench: Bench, tmp_path: Path) -> None:
    record = yaml.safe_load((tmp_path / "presets/bases/thread.yaml").read_text())
    write(
        tmp_path / "presets/bases/own/card.yaml", {k: v for k, v in record.items() if k != "sources"} | {"name": "own"}
    )
    with pytest.raises(errors.ConflictError, match="part of the studio"):
        bench.pulls.pull("own")
    assert bench.installed.state("own") == "installed"
    with pytest.raises(errors.ConflictError):
        bench.installed.remove("own")


def test_a_job_pulls_tells_and_stops_at_the_next_chunk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY_S", 0.0)
    queue = JobQueue(bench.store)
    lane = Lane(queue, {"pull": bench.pulls.handle})
    first = queue.submit("pull", {"name": "thread"})

    def stop(job: Any) -> None:
        if job.progress.done >= 2:
            queue.cancel(first.id)

    assert lane.run_job(first.id, stop).status == "cancelled"
    assert bench.installed.state("thread") == "partial"
    bench.hub.asked.clear()
    second = lane.run_job(queue.submit("pull", {"name": "thread"}).id)
    assert second.status == "done", second.error
    assert second.result["bytes"] == len(WEIGHTS) + len(CONFIG)
    assert second.progress.done == second.progress.total == 4
    assert bench.hub.begun(UNET)[0] > 0


def test_a_second_pull_of_the_same_thing_is_told_to_wait(bench: Bench) -> None:
    refused: list[errors.ConflictError] = []

    def again() -> None:
        if not refused:
            with pytest.raises(errors.ConflictError, match="already") as caught:
                bench.pulls.pull("thread")
            with pytest.raises(errors.ConflictError, match="already"):
                bench.installed.remove("thread")
            refused.append(caught.value)

    assert bench.pulls.pull("thread", check=again)
    assert refused


def test_a_job_lets_other_work_pass_between_two_chunks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PASS_EVERY_S", 0.0)
    queue, passed = JobQueue(bench.store), []
    lane = Lane(queue, {"pull": lambda context: bench.pulls.handle(context, lambda: bool(passed.append(1)))})
    assert lane.run_job(queue.submit("pull", {"name": "thread"}).id).status == "done"
    assert passed
