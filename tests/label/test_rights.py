"""Rights from side files, and set by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from studio.errors import FaultsError, InputError, NotFoundError
from studio.label import LabelService
from studio.label.rights import read_rights
from studio.records.photo import Rights

YAML = """
default: {source: own shoot, owner: Brand, licence: all rights, model_release: signed}
photos:
  shot_1.png: {owner: Ann, expires_on: 2020-01-31}
"""
CSV = """file_name,source,owner,licence,model_release,expires_on
*,own shoot,Brand,all rights,signed,
shot_1.png,own shoot,Ann,all rights,signed,2020-01-31
"""


@pytest.mark.parametrize(("name", "text"), [("rights.yaml", YAML), ("rights.csv", CSV)])
def test_side_files_give_each_photo_its_rights(label: LabelService, photo_folder: Path, name: str, text: str) -> None:
    (photo_folder / name).write_text(text, encoding="utf-8")
    report = label.ingest([photo_folder], dataset="summer", rights=Rights(source="never used"))
    assert [photo.rights.owner for photo in report.photos] == ["Brand", "Ann", "Brand", "Brand"]
    assert report.photos[1].rights.expires_on == date(2020, 1, 31)
    gaps = label.without_rights(report.dataset.id)
    assert gaps == {report.photos[1].id: ("licence expired on 2020-01-31",)}


def test_photos_without_rights_are_named(label: LabelService, photo_folder: Path) -> None:
    report = label.ingest([photo_folder], dataset="summer")
    assert set(label.without_rights(report.dataset.id)) == {photo.id for photo in report.photos}
    cleared = Rights(source="s", owner="o", licence="l", model_release="not-needed")
    ids = [photo.id for photo in report.photos]
    with pytest.raises(NotFoundError):
        label.set_rights([*ids, "pho_none"], cleared)
    assert len(label.without_rights(report.dataset.id)) == 4
    label.set_rights(ids, cleared)
    assert label.without_rights(report.dataset.id) == {}


@pytest.mark.usefixtures("nothing_written")
def test_faulty_side_files_stop_everything_with_all_their_faults(label: LabelService, photo_folder: Path) -> None:
    (photo_folder / "rights.csv").write_text(
        "file_name,owner,model_release,expires_on\na.png,=1+1,perhaps,\nb.png,B,signed,soon\n", encoding="utf-8"
    )
    (photo_folder / "hints.csv").write_text("file_name,view\na.png,above\n", encoding="utf-8")
    with pytest.raises(FaultsError) as caught:
        label.ingest([photo_folder], dataset="summer")
    assert {fault.where.split(":")[0] for fault in caught.value.faults} == {"rights.csv", "hints.csv"}


def test_every_faulty_line_is_named() -> None:
    table = (
        b"file_name,owner,model_release,expires_on,shoe\na.png,A,perhaps,soon,\nb.png,B,signed,,\nb.png,B,signed,,\n"
    )
    with pytest.raises(FaultsError) as caught:
        read_rights(table, "rights.csv")
    text = str(caught.value)
    assert all(part in text for part in ("line 2, model_release", "line 2, expires_on", "shoe", "line 4: 'b.png'"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: [*x, *x]\n", "anchors"),
        ("photos: [", "no valid YAML"),
        ("- a\n", "must hold"),
        ("other: 1\n", "must hold"),
        ("!!python/object/apply:os.system ['touch canary']\n", "no valid YAML"),
        ("[" * 100_000, "too deeply"),
        ("default: word\n", "names and values"),
    ],
)
def test_dangerous_or_misshapen_yaml_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_rights(text.encode(), "rights.yaml")
    assert not Path("canary").exists()
