"""What the repository promises about itself: one cv2, exact versions, an automatic check that needs no terminal."""

from __future__ import annotations

import os
import re
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def pins(name: str) -> dict[str, str]:
    """Package -> what follows its name, of a requirements file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([A-Za-z0-9_.-]+)(.*)", line) for line in lines if line and not line.startswith("#"))
    return {m[1].lower().replace("_", "-"): m[2] for m in found if m}


def test_exactly_one_package_provides_cv2() -> None:
    names = {d.metadata["Name"].lower() for d in distributions() if d.metadata["Name"]}
    assert {n for n in names if n.startswith("opencv-")} == {"opencv-python-headless"}


def test_every_requirement_has_an_exact_version() -> None:
    exact = pins("constraints.txt")
    assert all(re.fullmatch(r"==[\w.!+]+", version) for version in exact.values())
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-no-deps.txt"):
        assert set(pins(name)) <= set(exact), name


def test_no_file_of_the_house_names_a_registry() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-no-deps.txt", "constraints.txt", "Makefile"):
        assert "://" not in (ROOT / name).read_text(encoding="utf-8"), name


def test_the_automatic_check_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text(encoding="utf-8")
