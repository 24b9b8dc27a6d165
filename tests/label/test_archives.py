"""Zips that are refused as a whole, with every reason, and leave nothing behind."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from studio.errors import FaultsError
from studio.label import LabelService
from studio.measure.pictures import RGB
from studio.settings import Settings
from tests.measure.painting import encoded


def zipped(path: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o777) << 16
    return info


@pytest.fixture
def good(shots: tuple[RGB, ...]) -> tuple[str, bytes]:
    return "good.png", encoded(shots[0])


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.png", "leads out of the folder"),
        ("a/../../evil.png", "leads out of the folder"),
        ("..\\evil.png", "leads out of the folder"),
        ("/etc/evil.png", "absolute path"),
        ("\\\\server\\evil.png", "absolute path"),
        ("C:\\evil.png", "names a drive"),
        ("c:evil.png", "names a drive"),
        (special("link.png", stat.S_IFLNK), "symbolic link"),
        (special("pipe.png", stat.S_IFIFO), "no ordinary file"),
    ],
)
def test_dangerous_entries_refuse_the_whole_zip(
    label: LabelService, tmp_path: Path, good: tuple[str, bytes], name: str | zipfile.ZipInfo, words: str
) -> None:
    path = zipped(tmp_path / "photos.zip", [good, (name, good[1])])
    with pytest.raises(FaultsError, match=words):
        label.ingest([path], dataset="summer")
    assert not list(tmp_path.parent.rglob("evil.png"))


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("twin", ["good.png", "GOOD.png"])
def test_duplicate_names_are_refused(label: LabelService, tmp_path: Path, good: tuple[str, bytes], twin: str) -> None:
    with pytest.raises(FaultsError, match="occurs twice"):
        label.ingest([zipped(tmp_path / "a.zip", [good, (twin, b"other")])], dataset="summer")


@pytest.mark.usefixtures("nothing_written")
def test_a_ratio_bomb_is_refused(label: LabelService, tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", [("bomb.png", b"\0" * 16_000_000), ("small.png", b"x")], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(FaultsError, match="zip bomb"):
        label.ingest([path], dataset="summer")


@pytest.mark.usefixtures("nothing_written")
def test_a_zip_over_the_unpacked_limit_is_refused(label: LabelService, tmp_path: Path) -> None:
    entries: list[tuple[str | zipfile.ZipInfo, bytes]] = [(f"{n}.png", bytes(7 * 2**20)) for n in range(5)]
    with pytest.raises(FaultsError, match="unpacks to 37 MB"):
        label.ingest([zipped(tmp_path / "big.zip", entries)], dataset="summer")


@pytest.mark.usefixtures("nothing_written")
def test_entries_that_share_bytes_are_refused(label: LabelService, tmp_path: Path, good: tuple[str, bytes]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("one.png", good[1])
        archive.writestr("two.png", good[1])
    data = bytearray(out.getvalue())
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)
    path = tmp_path / "shared.zip"
    path.write_bytes(bytes(data))
    with pytest.raises(FaultsError, match="overlaps"):
        label.ingest([path], dataset="summer")


@pytest.mark.usefixtures("nothing_written")
def test_encrypted_and_uncommon_entries_are_refused(
    label: LabelService, tmp_path: Path, good: tuple[str, bytes]
) -> None:
    with pytest.raises(FaultsError, match="uncommon method"):
        label.ingest([zipped(tmp_path / "lzma.zip", [good], zipfile.ZIP_LZMA)], dataset="summer")
    data = bytearray(zipped(tmp_path / "locked.zip", [good]).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(bytes(data))
    with pytest.raises(FaultsError, match="encrypted"):
        label.ingest([tmp_path / "locked.zip"], dataset="summer")


@pytest.mark.usefixtures("nothing_written")
def test_all_faults_are_named_together(label: LabelService, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [("../one.png", b""), ("/two.png", b""), ("C:/three.png", b"")])
    broken = tmp_path / "b.zip"
    broken.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(FaultsError) as caught:
        label.ingest([path, broken, tmp_path / "missing"], dataset="summer")
    text = str(caught.value)
    assert all(word in text for word in ("one.png", "two.png", "three.png", "b.zip", "missing"))


def test_a_refused_zip_does_not_stop_the_photos_beside_it(
    label: LabelService, tmp_path: Path, good: tuple[str, bytes]
) -> None:
    (tmp_path / "good.png").write_bytes(good[1])
    evil = zipped(tmp_path / "evil.zip", [("../one.png", good[1])])
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 not a zip")
    report = label.ingest([evil, broken, tmp_path / "good.png"], dataset="summer")
    assert [photo.file_name for photo in report.photos] == ["good.png"]
    assert {f.file_name for f in report.refused} == {"evil.zip", "broken.zip"}
    assert "leads out of the folder" in report.refused[0].finding.message
    with pytest.raises(FaultsError, match="elsewhere"):
        label.ingest([tmp_path / "elsewhere", tmp_path / "good.png"], dataset="autumn")


def test_one_oversized_or_damaged_entry_does_not_stop_the_others(
    label: LabelService, tmp_path: Path, settings: Settings, good: tuple[str, bytes], shots: tuple[RGB, ...]
) -> None:
    damaged = encoded(shots[1])
    path = zipped(
        tmp_path / "a.zip",
        [good, ("large.png", bytes(settings.max_upload_bytes + 1)), ("damaged.png", damaged), ("inner.zip", b"PK")],
    )
    data = bytearray(path.read_bytes())
    data[data.index(damaged) + 500] ^= 0xFF
    path.write_bytes(bytes(data))
    report = label.ingest([path], dataset="summer")
    assert [photo.file_name for photo in report.photos] == ["good.png"]
    assert {f.file_name for f in report.refused} == {"large.png", "damaged.png", "inner.zip"}


def test_folders_and_clutter_in_a_zip(label: LabelService, tmp_path: Path, good: tuple[str, bytes]) -> None:
    path = zipped(
        tmp_path / "a.zip",
        [("summer/", b""), (f"summer/{good[0]}", good[1]), ("__MACOSX/summer/._good.png", b"x"), ("Thumbs.db", b"x")],
    )
    report = label.ingest([path], dataset="summer")
    assert [photo.file_name for photo in report.photos] == ["good.png"]
    assert report.files == ()
