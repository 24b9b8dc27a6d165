"""The label tab's actions: what the page is told, and what a page cannot make the studio read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from studio.records.photo import Rights
from studio.studio import Studio
from studio.ui.components.label_desk import LabelDesk
from tests.measure.painting import NAVY, RUST, encoded, paint

CLEARED = Rights(source="own shoot", owner="Mika", licence="own", model_release="not-needed")


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gradio's folder of uploads, with two photos and a broken zip in it."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    for seed, colour in enumerate((NAVY, RUST)):
        (folder / f"up_{seed}.png").write_bytes(encoded(paint(size=(240, 320), colour=colour, seed=seed).rgb))
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 and then nothing")
    return folder


@pytest.fixture
def desk(studio: Studio) -> LabelDesk:
    """The tab's piece on a fresh studio, whose jobs run when a test asks for it."""
    return LabelDesk(studio)


def ask(desk: LabelDesk, action: str, **message: Any) -> Any:
    """The value of an action's answer."""
    answer = desk.answer(action, message, "mika")
    assert "error" not in answer, answer
    return answer["value"]


def taken(desk: LabelDesk, studio: Studio, uploads: Path, *names: tuple[str, str]) -> dict[str, Any]:
    """What the page is told after these uploads, (file, name on the sender's disk), were taken in."""
    files = [{"path": str(uploads / file), "name": name} for file, name in names]
    job = ask(desk, "take", dataset="spring", trigger_token="", files=files)
    studio.lane.run_job(job)
    return dict(ask(desk, "state", dataset_id="", job_id=job))


def test_uploads_become_photos_under_their_own_names(desk: LabelDesk, studio: Studio, uploads: Path) -> None:
    state = taken(desk, studio, uploads, ("up_0.png", "dress <b>.png"), ("up_1.png", "back\u202egnp.png"))
    assert state["job"]["status"] == "done", state["job"]
    assert state["job"]["result"]["taken"] == 2
    assert [photo["file_name"] for photo in state["photos"]] == ["back·gnp.png", "dress <b>.png"]
    assert state["photos"][0]["gaps"] == ["source", "owner", "licence", "model_release"]
    again = ask(desk, "state", dataset_id=state["dataset_id"], digest=state["digest"])
    assert again["photos"] is None


def test_a_page_cannot_make_the_studio_read_other_files(
    desk: LabelDesk, studio: Studio, uploads: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "private.png"
    outside.write_bytes((uploads / "up_0.png").read_bytes())
    (uploads / "link.png").symlink_to(outside)
    for path in (str(outside), str(uploads / "link.png"), f"{uploads}/../private.png", str(uploads), "/etc/passwd"):
        answer = desk.answer("take", {"dataset": "spring", "files": [{"path": path, "name": "a.png"}]}, "mika")
        assert "not uploaded" in answer["error"]
    assert studio.jobs.list() == []


def test_a_broken_zip_ends_in_plain_words_and_writes_nothing(desk: LabelDesk, studio: Studio, uploads: Path) -> None:
    state = taken(desk, studio, uploads, ("broken.zip", "shoot.zip"))
    assert state["job"]["status"] == "failed"
    assert "shoot.zip" in state["job"]["error"]
    assert "Pack it again" in state["job"]["error"]
    assert state["datasets"] == []


def test_a_zip_that_is_whole_comes_in_with_its_captions(desk: LabelDesk, studio: Studio, uploads: Path) -> None:
    with zipfile.ZipFile(uploads / "good.zip", "w") as archive:
        archive.write(uploads / "up_0.png", "a.png")
        archive.writestr("a.txt", "a navy coat")
    state = taken(desk, studio, uploads, ("good.zip", "good.zip"))
    assert [photo["caption"] for photo in state["photos"]] == ["a navy coat"]


def test_no_files_and_names_that_cannot_be_are_refused_before_any_job(desk: LabelDesk, uploads: Path) -> None:
    assert "no file" in desk.answer("take", {"dataset": "spring", "files": []}, "mika")["error"]
    assert desk.answer("propose", {"name": "  "}, "mika")["error"]
    assert "Trigger token" in desk.answer("propose", {"name": "x", "trigger_token": "Dress"}, "mika")["error"]


def test_edits_answer_with_the_new_rows_and_come_back(desk: LabelDesk, studio: Studio, uploads: Path) -> None:
    state = taken(desk, studio, uploads, ("up_0.png", "a.png"), ("up_1.png", "b.png"))
    first, second = state["photos"]
    ids = [first["id"], second["id"]]
    assert ask(desk, "caption", photo_id=ids[0], text=" a red coat ")[0]["caption"] == "a red coat"
    assert len(ask(desk, "replace", photo_ids=ids, find="red", replacement="rust")) == 1
    assert ask(desk, "undo_captions", photo_ids=ids[:1])[0]["caption"] == "a red coat"
    assert studio.label.caption_history(ids[0])[1].author == "mika"
    assert ask(desk, "tags", tags={ids[0]: ["front"]})[0]["tags"] == ["front"]
    assert ask(desk, "crop", photo_id=ids[0], crop_px=[0, 0, 100, 120])[0]["crop_px"] == [0, 0, 100, 120]
    changed = ask(desk, "rights", changes={i: CLEARED.model_dump(mode="json") for i in ids})
    assert [row["gaps"] for row in changed] == [[], []]
    assert ask(desk, "remove", photo_ids=ids[:1]) == 1
    assert [row["id"] for row in ask(desk, "state", dataset_id=state["dataset_id"])["photos"]] == ids[1:]
    assert ask(desk, "restore", photo_ids=ids[:1], dataset_id=state["dataset_id"]) == 1
    assert ask(desk, "statistics", dataset_id=state["dataset_id"])["photos"] == 2


def test_the_sample_brand_is_offered_only_where_it_is(desk: LabelDesk, studio: Studio) -> None:
    assert desk.html.value["sample"] is False
    assert "not part of this installation" in desk.answer("take_sample", {}, "mika")["error"]
