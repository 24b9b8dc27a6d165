"""A studio in a process of its own, as `app.py serve` opens it, in a fresh home; and a browser in front of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.plan import Plan
from benchmarks.start import environment
from studio.errors import NotFoundError
from studio.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

STARTS_WITHIN_S = 120.0


class Served(NamedTuple):
    """A running server."""

    address: str
    process: subprocess.Popen[str]

    def resident_mb(self) -> tuple[float, float]:
        """Resident memory of the server in MB of 2**20 bytes: now, and at its greatest. Linux only."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
        return kb["VmRSS"] / 1024, kb["VmHWM"] / 1024


def settings_of(plan: Plan, home: Path) -> Settings:
    """The settings of a server in that home: the plan's presets, on the CPU, in fp32."""
    models = home / "brand_models"
    models.mkdir(parents=True, exist_ok=True)
    return Settings(home=home, presets=plan.presets, brand_models=models, device="cpu", dtype="fp32")


@contextmanager
def served(plan: Plan, home: Path) -> Iterator[Served]:
    """A server from the start of its process to its first answered page; killed at the end, its home is thrown away.

    Raises:
        RuntimeError: it ended, or did not answer in time; tells what it said.
    """
    settings = settings_of(plan, home)
    told = {"STUDIO_HOME": str(home), "STUDIO_BRAND_MODELS": str(settings.brand_models)}
    log = home / "server.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "app.py", "serve", "--port", "0"],
            cwd=REPOSITORY, env=environment(plan) | told, stdout=said, stderr=said, text=True,
        )  # fmt: skip
    try:
        yield Served(_first_page(process, log), process)
    finally:
        process.kill()
        process.wait()


def _first_page(process: subprocess.Popen[str], log: Path) -> str:
    """The address, once the whole page has been read from it."""
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        found = [word for word in log.read_text().split() if word.startswith("http://")]
        if found:
            with urllib.request.urlopen(found[0]) as answer:
                answer.read()
            return found[0]
        time.sleep(0.01)
    raise RuntimeError(f"no page was served:\n{log.read_text()[-2000:]}")


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's browser without a window and without calls of its own.

    Raises:
        NotFoundError: no chromium on this machine.
    """
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise NotFoundError("No chromium on this machine.", "apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=flags)
        yield opened
        opened.close()
