"""Files are whole or absent, kept once, and leftovers go."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from studio.errors import InputError, NotFoundError
from studio.store import FileStore, sweep_leftovers, write_atomic
from studio.store import files as files_module

REPOSITORY = Path(__file__).resolve().parents[2]
KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from studio.store import files
files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
files.write_atomic(Path(sys.argv[1]), b"new" * 100_000)
"""


def test_write_atomic_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_write_atomic_leaves_nothing_when_it_cannot_replace(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_atomic(tmp_path / "taken", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_kill_9_before_the_replace_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    write_atomic(path, b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], cwd=REPOSITORY, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(sweep_leftovers(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_leaves_alone_what_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[list[Path]] = []
    real_fsync = files_module.os.fsync

    def fsync_while_somebody_sweeps(descriptor: int) -> None:
        swept.append(sweep_leftovers(tmp_path))
        real_fsync(descriptor)

    monkeypatch.setattr(files_module.os, "fsync", fsync_while_somebody_sweeps)
    write_atomic(tmp_path / "file", b"data")
    assert swept == [[], []]
    assert (tmp_path / "file").read_bytes() == b"data"


def test_same_bytes_are_kept_once(files: FileStore, tmp_path: Path) -> None:
    original = tmp_path / "Photo.JPG"
    original.write_bytes(b"picture" * 500_000)
    sha256 = files.put_file(original)
    assert sha256 == hashlib.sha256(original.read_bytes()).hexdigest()
    assert files.put_bytes(original.read_bytes(), ".jpg") == sha256
    assert files.path(sha256).suffix == ".jpg"
    assert [p for p in files.root.rglob("*") if p.is_file()] == [files.path(sha256)]


def test_a_truncated_file_is_written_anew(files: FileStore) -> None:
    sha256 = files.put_bytes(b"whole", ".bin")
    files.path(sha256).write_bytes(b"wh")
    files.put_bytes(b"whole", ".bin")
    assert files.path(sha256).read_bytes() == b"whole"


@pytest.mark.parametrize("sha256", ["0" * 64, "", "../../etc/passwd", "*", "A" * 64])
def test_unknown_addresses_are_not_found(files: FileStore, sha256: str) -> None:
    with pytest.raises(NotFoundError):
        files.path(sha256)


@pytest.mark.parametrize("suffix", ["/../x", ".a/b", "png", ".", ".p\0"])
def test_suffixes_that_are_no_suffix(files: FileStore, suffix: str) -> None:
    with pytest.raises(InputError):
        files.put_bytes(b"x", suffix)


def test_put_file_names_a_missing_file(files: FileStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"gone\.png"):
        files.put_file(tmp_path / "gone.png")


def test_sweep_removes_leftovers_and_only_reports_orphans(files: FileStore) -> None:
    known, orphan = files.put_bytes(b"known", ".png"), files.put_bytes(b"orphan", "")
    (files.root / ".tmp-dead").write_bytes(b"half")
    assert files.sweep({known}) == [files.path(orphan)]
    assert files.path(known).read_bytes() == b"known"
    assert not list(files.root.rglob(".tmp-*"))


def test_threads_put_the_same_and_other_bytes(files: FileStore) -> None:
    def put() -> None:
        for number in range(10):
            files.put_bytes(b"%d" % number, ".bin")

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p.read_bytes() for p in files.root.rglob("*.bin")) == [b"%d" % n for n in range(10)]
    assert len(files.sweep(set())) == 10
    assert not list(files.root.rglob(".tmp-*"))
