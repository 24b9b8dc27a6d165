"""A real browser against the real server: one studio of the tiny base for all tests, watched for errors.

Screenshots land in `artefacts/screenshots/`, which git ignores.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from studio.settings import Settings
    from studio.studio import Studio

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = ROOT / "artefacts" / "screenshots"
QUIET_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--force-prefers-reduced-motion",
)  # fmt: skip
STARTS_WITHIN_S = 180
PATIENCE_MS = 60_000
"""How long a step of the page may take: browser and server share two cores with another worker's tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests are skipped, and say so."""
    if CHROMIUM is None:
        skip = pytest.mark.skip(reason="no chromium on this machine (apt-get install chromium)")
        for item in items:
            if "tests/browser" in str(item.path):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's browser, without calls of its own."""
    return {"executable_path": CHROMIUM, "args": list(QUIET_FLAGS)}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """The window that the layout is made for."""
    return {"viewport": {"width": 1440, "height": 900}, "locale": "en-US"}


@pytest.fixture(scope="session")
def served_settings(tmp_path_factory: pytest.TempPathFactory, tiny_presets: Path) -> Settings:
    """The home of the one server; tests open it beside the server, to put things there and to look."""
    from studio.settings import Settings

    root = tmp_path_factory.mktemp("served")
    (root / "brand_models").mkdir()
    return Settings(
        home=root / "home", presets=tiny_presets, brand_models=root / "brand_models", device="cpu", dtype="fp32"
    )


@pytest.fixture
def own_settings(tmp_path: Path, tiny_presets: Path) -> Settings:
    """A home for a test that needs a server of its own, on the tiny base."""
    from studio.settings import Settings

    (tmp_path / "brand_models").mkdir()
    return Settings(
        home=tmp_path / "home", presets=tiny_presets, brand_models=tmp_path / "brand_models", device="cpu", dtype="fp32"
    )


@pytest.fixture(scope="session")
def address(served_settings: Settings) -> Iterator[str]:
    """Where the server listens."""
    with serving(served_settings) as url:
        yield url


class serving:
    """Runs `app.py serve` on a free port while the block lasts; yields its address."""

    def __init__(self, settings: Settings, *arguments: str, port: int = 0) -> None:
        self._settings, self._arguments, self._port = settings, arguments, port
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> str:
        settings = self._settings
        environment = os.environ | {
            "STUDIO_HOME": str(settings.home), "STUDIO_PRESETS": str(settings.presets),
            "STUDIO_BRAND_MODELS": str(settings.brand_models), "STUDIO_DEVICE": "cpu", "STUDIO_DTYPE": "fp32",
            "GRADIO_IS_E2E_TEST": "1",
            "STUDIO_THREADS": "1",  # two threads wait for each other wherever anything else runs, the browser too
        }  # fmt: skip
        command = [sys.executable, "app.py", "serve", "--port", str(self._port), *self._arguments]
        settings.home.mkdir(parents=True, exist_ok=True)
        self._log = (settings.home / "server.log").open("w+")
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=self._log, stderr=self._log, text=True
        )
        try:
            return self._address()
        except BaseException:
            self.__exit__()  # a server that starts too late must not go on alone
            raise

    def _address(self) -> str:
        import time

        assert self.process is not None
        for _ in range(STARTS_WITHIN_S * 10):
            said = Path(self._log.name).read_text()
            found = re.search(r"http://[\w.:]+", said)
            if found:
                return found.group()
            assert self.process.poll() is None, f"the server ended: {said}"
            time.sleep(0.1)
        raise AssertionError(f"the server did not start: {Path(self._log.name).read_text()}")

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


@pytest.fixture
def beside(served_settings: Settings, address: str) -> Iterator[Studio]:
    """A Studio on the server's home, in this process: for putting things there and looking at what came of them."""
    from studio.studio import Studio

    with Studio(served_settings) as opened:
        yield opened


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    """Every expectation waits as long as that; one that is met waits no longer than before."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def window(browser: Browser, browser_context_args: dict[str, Any], address: str) -> tuple[Page, list[str]]:
    """The one window of most tests, and the errors seen in it. A new one reads all scripts anew, for two seconds."""
    page = browser.new_context(**browser_context_args).new_page()
    page.set_default_timeout(PATIENCE_MS)
    return page, watched(page, address)


@pytest.fixture
def desk(window: tuple[Page, list[str]], address: str) -> Iterator[Page]:
    """The page, loaded by somebody who was never here: nothing is kept of the test before.

    Fails afterwards on any error in the console, in a script, and on any request that goes out.
    """
    page, faults = window
    page.goto(f"{address}/login")  # without scripts, so that nothing writes any more what is cleared here
    page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.context.clear_cookies()
    faults.clear()
    page.goto(address)
    page.get_by_test_id("jobs-button").wait_for()
    yield page
    assert faults == []


def watched(page: Page, address: str) -> list[str]:
    """The list that errors of this page are gathered in."""
    faults: list[str] = []
    page.on("console", lambda m: faults.append(f"{m.text} {m.location['url']}") if m.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    inside = (address, "data:", "blob:", "ws" + address[4:])
    page.on("request", lambda r: None if r.url.startswith(inside) else faults.append(f"went out: {r.url}"))
    return faults


def open_tab(page: Page, name: str) -> None:
    """Opens a tab by its name in English."""
    page.get_by_role("tab", name=name, exact=True).click()


def screenshot(page: Page, name: str) -> None:
    """Keeps what the page looks like now, in both themes, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for theme in ("dark", "light"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
