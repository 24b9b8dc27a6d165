"""Uploads that wait for their ingest job, and the job itself."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from studio.errors import InputError, NotFoundError
from studio.jobs import JobQueue, Lane
from studio.label import LabelService
from studio.label.incoming import Incoming, name_on_disk
from studio.store import Store


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("dress <img src=x onerror=alert(1)>.jpg", "dress <img src=x onerror=alert(1)>.jpg"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("..", "unnamed"),
        ("a\0b.png", "a_b.png"),
        ("写真.jpg", "写真.jpg"),
    ],
)
def test_names_stay_as_they_were_but_are_no_paths(given: str, kept: str) -> None:
    assert name_on_disk(given) == kept


def test_a_name_that_is_too_long_keeps_its_suffix() -> None:
    name = name_on_disk("写" * 300 + ".jpg")
    assert name.endswith(".jpg")
    assert len(name.encode()) <= 200


def test_files_of_a_batch_lie_together_and_twice_the_same_name_does_not_collide(tmp_path: Path) -> None:
    for place, text in (("x", "one"), ("y", "two")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "upload").write_text(text)
    incoming = Incoming(tmp_path / "incoming")
    x, y = tmp_path / "x" / "upload", tmp_path / "y" / "upload"
    batch = incoming.receive([(x, "a.jpg"), (y, "a.txt"), (y, "a.jpg")])
    paths = incoming.paths(batch)
    assert [path.name for path in paths] == ["a.jpg", "a.txt", "a.jpg"]
    assert paths[0].parent == paths[1].parent
    incoming.discard(batch)
    with pytest.raises(NotFoundError):
        incoming.paths(batch)
    assert x.is_file()


def test_a_batch_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Incoming(tmp_path).paths("../..")
    with pytest.raises(InputError):
        Incoming(tmp_path).receive([])


def test_the_job_takes_in_what_it_can_splits_a_new_dataset_and_reports_the_rest(
    label: LabelService, store: Store, photo_folder: Path
) -> None:
    (photo_folder / "notes.jpg").write_text("no picture")
    batch = label.receive([(path, path.name) for path in sorted(photo_folder.iterdir())])
    queue = JobQueue(store)
    job = queue.submit("ingest", {"dataset": "dropped", "trigger_token": "", "upload": batch})
    ended = Lane(queue, {"ingest": label.handle}).run_job(job.id)
    assert ended.status == "done", ended.error
    assert (ended.result["taken"], ended.result["held_out"]) == (4, 1)
    assert [f["name"] for f in ended.result["files"]] == ["notes.jpg"]
    assert len(label.photos(ended.result["dataset_id"])) == 4


def test_an_export_is_one_zip(label: LabelService, photo_folder: Path, tmp_path: Path) -> None:
    dataset = label.ingest([photo_folder], dataset="Spring / 1", trigger_token="sgcoat").dataset
    target = tmp_path / "out"
    target.mkdir()
    with zipfile.ZipFile(label.export_zip(dataset.id, target, class_word="dress", repeats=3)) as archive:
        names = archive.namelist()
    assert sum(name.startswith("3_sgcoat dress/") and name.endswith(".png") for name in names) == 4
    assert "rights.yaml" in names
    assert [path.name for path in target.iterdir()] == ["Spring---1.zip"]
