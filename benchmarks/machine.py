"""The machine and the state of the code that numbers belong to. Imports nothing that would weigh on a measurement."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from studio.records.base import Record
from studio.settings import REPOSITORY

LIBRARIES = ("torch", "diffusers", "transformers", "peft")
VECTOR_UNITS = ("avx", "amx", "asimd", "sve")
"""Beginnings of the CPU flags that decide how fast matrices are multiplied."""


class Machine(Record):
    """What was measured on."""

    cpu: str
    vector_units: tuple[str, ...]
    cores: int
    """Cores that this process may use."""
    ram_gb: float
    system: str
    python: str
    libraries: dict[str, str]


def this_machine() -> Machine:
    """The machine that this runs on. What cannot be found out is told as `unknown`."""
    info = _cpu_info()
    flags = info.get("flags", info.get("Features", "")).split()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        cpu=info.get("model name", "") or platform.processor() or "unknown",
        vector_units=tuple(sorted(flag for flag in flags if flag.startswith(VECTOR_UNITS))),
        cores=cores,
        ram_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        libraries={name: _version(name) for name in LIBRARIES},
    )


def revision() -> str:
    """The git revision, and whether the code differs from it; `unknown` outside a clone."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown"
    changed = _git("status", "--porcelain", "--", "app.py", "studio", "benchmarks", "presets")
    return f"{head} with uncommitted changes" if changed else head


def _cpu_info() -> dict[str, str]:
    """Fields of the first core."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "unknown"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
