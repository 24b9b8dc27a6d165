"""The command line as a person and as a program use it: help, words, one JSON document, exit codes."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from studio import errors
from studio.cli import main

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("label", "train", "compose", "generate", "review", "listing")
RIGHTS = ["--source", "studio day", "--owner", "Atelier", "--licence", "all rights", "--model-release", "signed"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tiny_presets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home with the tiny base, as the environment would set it."""
    (tmp_path / "brand_models").mkdir()
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STUDIO_PRESETS", str(tiny_presets))
    monkeypatch.setenv("STUDIO_BRAND_MODELS", str(tmp_path / "brand_models"))
    monkeypatch.setenv("STUDIO_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with six plain photos that differ, and no rights."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(6):
        rgb = np.full((512, 384, 3), 235, np.uint8)
        top, left = 60 + 10 * number, 80 + 25 * number
        rgb[top : top + 360, left : left + 130] = random.integers(0, 255, (360, 130, 3))
        Image.fromarray(rgb).save(folder / f"photo_{number}.jpg", quality=92)
    return folder


class Answer:
    """What one call said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Answer:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


def test_the_help_names_every_command(call: Any) -> None:
    answer = call("--help")
    assert answer.code == 0
    assert all(stage in answer.out for stage in (*STAGES, "demo", "serve", "models", "jobs", "users"))


def test_no_command_opens_the_studio(home: Path) -> None:
    # Its port is taken, whether by this test or by a studio that is open: so it says so and ends, instead of serving.
    with socket.socket() as taken:
        with suppress(OSError):
            taken.bind(("127.0.0.1", 7860))
            taken.listen()
        done = subprocess.run([sys.executable, "app.py"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == errors.ConflictError.exit_code
    assert "127.0.0.1:7860 cannot be used" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--host", "0.0.0.0"], ["--login"], ["--name", "studio.example.jp"], ["--https"]]
)
def test_nobody_is_served_from_elsewhere_without_accounts(call: Any, arguments: list[str]) -> None:
    answer = call("serve", "--port", "0", *arguments)
    assert answer.code == errors.InputError.exit_code
    assert "nobody has an account yet" in answer.err
    assert "app.py users add NAME" in answer.err


def test_users_are_added_listed_and_taken_out(call: Any, home: Path) -> None:
    assert call("users", "add", "mika", "--password", "short").code == errors.InputError.exit_code
    assert call("users", "add", "Mika Sato", "--password", "long enough 1").code == errors.InputError.exit_code
    assert call("users", "add", "mika", "--password", "long enough 1").code == 0
    assert call("users", "list", "--json").data == {"users": ["mika"], "operators": []}
    assert call("users", "operator", "ken").code == errors.NotFoundError.exit_code
    assert call("users", "operator", "mika").code == 0
    assert call("users", "list", "--json").data["operators"] == ["mika"]
    assert call("users", "operator", "mika", "--revoke", "--json").data == {"user": "mika", "operator": False}
    assert call("users", "remove", "ken").code == errors.NotFoundError.exit_code
    assert call("users", "remove", "mika").code == 0
    assert call("users", "list", "--json").data == {"users": [], "operators": []}


@pytest.mark.parametrize("stage", [*STAGES, "models", "jobs"])
def test_every_command_explains_itself(call: Any, stage: str) -> None:
    alone = call(stage)
    assert alone.code == 0
    commands = re.findall(r"^  ([a-z-]+) {2,}(\S.*)$", alone.out.split("Commands:")[1], re.MULTILINE)
    assert len(commands) >= 3
    for command, _ in commands:
        answer = call(stage, command, "--help")
        assert answer.code == 0
        assert "--json" in answer.out


def test_the_process_ends_with_the_exit_code_and_plain_words(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "app.py", "label", "photos", "spring"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == errors.NotFoundError.exit_code
    assert done.stdout == ""
    assert "There is no dataset" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_one_problem_document_with_json(call: Any) -> None:
    answer = call("review", "rule", "--batch", "nope", "--json")
    assert answer.code == errors.NotFoundError.exit_code
    assert answer.data["type"] == "urn:sasage-studio:not-found"
    assert answer.data["exit_code"] == answer.code
    assert answer.data["next_step"] in answer.err


@pytest.mark.parametrize(
    "arguments", [["nope"], ["label", "nope"], ["compose", "draw"], ["train", "show", "--nope", "x"]]
)
def test_what_cannot_be_understood_is_exit_code_2_and_json_when_asked(call: Any, arguments: list[str]) -> None:
    assert call(*arguments).code == 2
    answer = call(*arguments, "--json")
    assert answer.code == 2
    assert answer.data["title"] == "invalid input"


def test_settings_that_cannot_be_used_are_all_told(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_DEVICE", "abacus")
    monkeypatch.setenv("STUDIO_CACHE_BYTES", "-1")
    answer = call("jobs", "list", "--json")
    assert answer.code == 2
    assert {fault["where"] for fault in answer.data["faults"]} == {"STUDIO:device", "STUDIO:cache_bytes"}


def test_home_can_be_given_on_the_command_line(call: Any, tmp_path: Path, home: Path) -> None:
    assert call("--home", tmp_path / "other", "jobs", "list").code == 0
    assert (tmp_path / "other").is_dir()
    assert not home.exists()


def test_text_from_outside_is_shown_as_it_is(call: Any, photos: Path) -> None:
    (photos / "photo_0.jpg").rename(photos / "[red]$(touch x).jpg")
    assert call("label", "ingest", photos, "--dataset", "[bold]spring").code == 0
    assert "[bold]spring" in call("label", "datasets").out
    assert "[red]$(touch x).jpg" in call("label", "photos", "[bold]spring").out


def test_training_refuses_photos_without_rights_and_names_each(call: Any, photos: Path) -> None:
    report = call("label", "ingest", photos, "--dataset", "spring", "--json")
    assert report.code == 0
    assert len(report.data["photos"]) == 6
    answer = call("train", "start", "spring", "--name", "spring", "--preset", "brand-model", "--json")
    assert answer.code == errors.RightsError.exit_code
    assert all(f"photo_{number}.jpg" in answer.data["detail"] for number in range(6))
    assert call("label", "rights", "spring", *RIGHTS).code == 0
    assert all(photo["rights"]["owner"] == "Atelier" for photo in call("label", "photos", "spring", "--json").data)


def test_rights_that_cannot_be_read_are_refused(call: Any, photos: Path) -> None:
    call("label", "ingest", photos, "--dataset", "spring")
    answer = call("label", "rights", "spring", *RIGHTS, "--expires-on", "next year")
    assert answer.code == 2
    assert "2027-03-31" in answer.err


def test_captions_can_be_changed_and_undone(call: Any, photos: Path) -> None:
    call("label", "ingest", photos, "--dataset", "spring")
    photo = call("label", "photos", "spring", "--json").data[0]
    assert (
        call("label", "caption", photo["id"], "a red dress, $(literal)", "--json")
        .data["caption"]
        .endswith("$(literal)")
    )
    assert call("label", "undo-caption", photo["id"], "--json").data["caption"] == photo["caption"]


def test_a_split_and_an_export(call: Any, photos: Path, tmp_path: Path) -> None:
    call("label", "ingest", photos, "--dataset", "spring")
    assert "held out" in call("label", "split", "spring", "--held-out", "0.2").out
    path = Path(call("label", "export", "spring", tmp_path / "out", "--json").data["path"])
    assert len(list(path.rglob("*.txt"))) == 6


def test_products_come_from_a_csv(call: Any, tmp_path: Path, photos: Path) -> None:
    csv = tmp_path / "products.csv"
    csv.write_text("sku,name,M.chest_mm\nA-1,Linen dress,960\n", encoding="utf-8")
    assert call("label", "products", csv, "--json").data[0]["size_table_mm"] == {"M": {"chest": 960.0}}
    assert len(call("label", "product-photos", "A-1", photos / "photo_1.jpg", "--json").data["photo_sha256"]) == 1
    answer = call("listing", "package", "A-1", "shopify")
    assert answer.code == errors.ConflictError.exit_code
    assert "approved" in answer.err


def test_weights_go_through_the_gate(call: Any, tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 3), np.float32)}, tmp_path / "good.safetensors")
    assert list(call("models", "check", tmp_path / "good.safetensors", "--json").data) == ["good.safetensors"]
    (tmp_path / "bad.ckpt").write_bytes(b"\x80\x04")
    answer = call("models", "check", tmp_path / "bad.ckpt", "--json")
    assert answer.code == 2
    assert answer.data["title"] == "refused weights"


def test_what_there_is_to_choose_from(call: Any) -> None:
    assert call("models", "list", "--json").data["bases"][0]["name"] == "croquis"
    assert "openpose" in call("models", "show", "croquis").out
    assert {"shopify", "zalando"} <= {channel["name"] for channel in call("listing", "channels", "--json").data}
    assert len(call("generate", "looks", "--json").data) >= 6
    assert {preset["name"] for preset in call("train", "presets", "--json").data} >= {"brand-model", "style"}
    assert "default" in {rules["name"] for rules in call("review", "rules", "--json").data}


@pytest.fixture
def short_look(tmp_path: Path, tiny_presets: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A look in few words, because the tiny tokenizer needs many tokens for each, in presets of the test's own."""
    root = tmp_path / "presets"
    shutil.copytree(tiny_presets, root)
    (root / "looks" / "red.yaml").write_text("{name: red, garment: a red dress}", "utf-8")
    monkeypatch.setenv("STUDIO_PRESETS", str(root))
    return "red"


@pytest.mark.slow
def test_from_photos_to_a_package(call: Any, photos: Path, tmp_path: Path, short_look: str) -> None:
    csv = tmp_path / "products.csv"
    csv.write_text("sku,name\nA-1,Linen dress\n", encoding="utf-8")
    call("label", "products", csv)
    call("label", "ingest", photos, "--dataset", "spring", "--sku", "A-1", *RIGHTS)
    call("label", "split", "spring", "--held-out", "0.2")
    short = ["--preset", "brand-model", "--max-train-steps", 12, "--train-batch-size", 2, "--lora-rank", 2]
    trained = call("train", "start", "spring", "--name", "spring", *short, "--json")
    assert trained.code == 0, trained.err
    assert trained.data["brand_model"] == "spring"
    pose = call("compose", "poses", "--json").data[0]["name"]
    drawn = call(
        "generate", "matrix", "--pose", pose, "--look", short_look, "--seed", 1, "--seed", 2, "--sku", "A-1",
        "--brand-model", "spring:0.8", "--num-inference-steps", 2, "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert drawn.code == 0, drawn.err
    first, second = drawn.data["variant_ids"]
    again = call("generate", "again", drawn.data["paths"][0], "--json")
    assert again.code == 0, again.err
    batches = call("generate", "batches", "--json").data
    assert batches == {drawn.data["batch_id"]: 2, again.data["batch_id"]: 1}
    assert len(call("review", "measure", "--batch", drawn.data["batch_id"], "--json").data) == 2
    assert call("listing", "package", "A-1", "shopify").code == errors.ConflictError.exit_code
    assert call("review", "decide", first, "approved", "--author", "mika", "--rating", 5).code == 0
    assert call("review", "decide", second, "rejected", "--author", "mika", "--reason", "pose").code == 0
    packed = call("listing", "package", "A-1", "shopify", "--json")
    assert packed.code == 0, packed.err
    assert packed.data["pictures"] == 1
    assert Path(packed.data["path"]).is_file()
    refused = call("listing", "package", "A-1", "zalando")
    assert refused.code == 2
    assert "762" in refused.err
    assert {job["status"] for job in call("jobs", "list", "--json").data} == {"done"}
