"""The page in a real browser: first page, first picture, drags, keys, hundreds of pictures, and memory of sessions.

All waiting times but the start's are taken inside the browser, by its own clock, from the event to the change that a
person sees.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.plan import Plan
from benchmarks.results import Figure
from benchmarks.rounds import Case, Work
from benchmarks.server import Served, browser, served, settings_of
from benchmarks.start import import_arm
from benchmarks.subject import main
from studio.records.base import new_id, now
from studio.records.generation import GenerationRequest, Variant
from studio.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES, SESSIONS, DRAGS, KEYS = 300, 10, 20, 50
WITHIN_MS = 120_000
GRADIO, SERVE = "Python that imports gradio", "app.py serve, to its first page"
BEGIN = "name => addEventListener(name, () => { window.began = performance.now(); }, {capture: true})"
UNTIL = """() => new Promise((done) => {
  const node = document.querySelector(%r);
  const look = new MutationObserver(() => {
    if (!(%s)) return;
    look.disconnect();
    requestAnimationFrame(() => done(performance.now() - window.began));
  });
  look.observe(node, {attributes: true, childList: true, characterData: true, subtree: true});
})"""
SAID = UNTIL % ("[data-testid=pose-status]", "/ mm$/.test(node.textContent)")
"""The status line tells the joint's place in millimetres only when Python's answer is there."""
DRAWN = UNTIL % ("[data-testid=preview]", "!node.classList.contains('stale')")
MOVED = UNTIL % (".review-desk .cell.current", "!node.classList.contains('current')")


def cases(plan: Plan, folder: Path) -> Sequence[Case]:
    """Processes to their first page, beside one that only imports what every page needs."""

    @contextmanager
    def opened() -> Iterator[Work]:
        def to_first_page(number: int) -> None:
            with served(plan, folder / f"start_{number}"):
                pass

        yield Work(to_first_page, lambda _: np.zeros(1))

    arms = {GRADIO: partial(import_arm, plan, "import gradio"), SERVE: opened}
    return [Case("first", "From the start of a process to the first page", "start", 1, arms)]


def figures(plan: Plan, folder: Path) -> Sequence[Figure]:
    """Everything that takes a browser."""
    home = folder / "home"
    with browser() as opened:
        first = first_picture(plan, folder / "first", opened)
        batch = hundreds(plan, home)
        with served(plan, home) as server:
            page = new_page(opened, server)
            return [first, *drags(page), *review(page, batch), *memory(opened, server)]


def new_page(opened: Browser, server: Served) -> Page:
    """The page in a session of its own, ready to be used."""
    page = opened.new_context(viewport={"width": 1440, "height": 900}, locale="en-US").new_page()
    page.set_default_timeout(WITHIN_MS)
    page.goto(server.address)
    page.get_by_test_id("jobs-button").wait_for()
    return page


def previewed(page: Page) -> None:
    """Waits for a live preview that is up to date."""
    page.locator("[data-testid=preview]:not(.stale)").wait_for()


def first_picture(plan: Plan, home: Path, opened: Browser) -> Figure:
    """From the start of the server's process to a live preview in the browser."""
    began = time.perf_counter()
    with served(plan, home) as server:
        page = new_page(opened, server)
        previewed(page)
        took = time.perf_counter() - began
        page.context.close()
    return Figure(what="start of the process to the first live preview in the browser", value=took)


def spread(what: str, milliseconds: Sequence[float]) -> Figure:
    """Median and 95th percentile of one waiting time."""
    p95 = float(np.quantile(milliseconds, 0.95))
    return Figure(what=what, value=statistics.median(milliseconds) / 1000, p95=p95 / 1000, count=len(milliseconds))


def drags(page: Page) -> list[Figure]:
    """A wrist dragged to and fro: until Python has read the pose, and until its preview is seen."""
    previewed(page)
    page.evaluate(BEGIN, "pointerup")
    alone, beside, drawn = [], [], []
    page.get_by_test_id("live").uncheck()
    for number in range(DRAGS):
        alone.append(_drag(page, number, SAID)[0])
    page.get_by_test_id("live").check()
    previewed(page)
    for number in range(DRAGS):
        told, seen = _drag(page, number, SAID, DRAWN)
        beside.append(told)
        drawn.append(seen)
    return [
        spread("pointer up, until Python's answer stands on the page, no live preview", alone),
        spread("the same while a live preview is drawn", beside),
        spread("pointer up, until the preview of the new pose is seen", drawn),
    ]


def _drag(page: Page, number: int, *until: str) -> list[float]:
    box = page.get_by_test_id("joint-left_wrist").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    side = 40 if number % 2 else -40
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + side / 2, y + side)
    page.mouse.move(x + side, y + side)
    waits = [page.evaluate_handle(f"() => ({{found: ({code})()}})") for code in until]
    page.mouse.up()
    return [float(wait.evaluate("wait => wait.found")) for wait in waits]


def review(page: Page, batch: str) -> list[Figure]:
    """Hundreds of pictures in the grid, from the click on the tab; then keys that move from one to the next."""
    page.get_by_test_id("live").uncheck()
    began = time.perf_counter()
    page.get_by_role("tab", name="Review", exact=True).click()
    page.evaluate("batch => window.sasage.emit('review-batch', {batch_id: batch})", batch)
    cells = "count => document.querySelectorAll('.review-desk .cell').length === count"
    page.wait_for_function(cells, arg=PICTURES)
    page.locator(".review-desk .cell").first.click()
    page.keyboard.press("j")
    page.locator(".review-desk .cell.current").nth(0).wait_for()
    shown = time.perf_counter() - began
    page.evaluate(BEGIN, "keydown")
    waits = []
    for _ in range(KEYS):
        wait = page.evaluate_handle(f"() => ({{found: ({MOVED})()}})")
        page.keyboard.press("j")
        waits.append(float(wait.evaluate("wait => wait.found")))
    return [
        Figure(what=f"click on Review, until {PICTURES} pictures stand in the grid and a key moves", value=shown),
        spread("key J, until the next picture is marked and drawn", waits),
    ]


def memory(opened: Browser, server: Served) -> list[Figure]:
    """The server's memory with one session and with ten, each with a live preview of its own."""
    one, _ = server.resident_mb()
    for _ in range(SESSIONS - 1):
        previewed(new_page(opened, server))
    now_mb, peak = server.resident_mb()
    return [
        Figure(what="memory of the server, one session that has drawn previews and reviewed", value=one, unit="MB"),
        Figure(what=f"the same with {SESSIONS} sessions, each with a live preview", value=now_mb, unit="MB"),
        Figure(what="the server's greatest memory until then", value=peak, unit="MB"),
    ]


def hundreds(plan: Plan, home: Path) -> str:
    """A home with a batch of different pictures, as the engine leaves them: cut from the training photos."""
    sources = sorted(path for path in plan.photo_folder.iterdir() if path.suffix in (".jpg", ".png"))
    batch = new_id("job")
    with Studio(settings_of(plan, home)) as studio, studio.store.transaction():
        for number in range(PICTURES):
            stored = studio.store.files.put_bytes(_picture(sources, number), ".png")
            studio.store.thumbnails.path(stored)
            request = GenerationRequest(prompt="a woman in a dress, in a studio", seed=number)
            variant = Variant(
                id=new_id("var"), batch_id=batch, request=request, image_sha256=stored, seconds=1, created_at=now()
            )  # fmt: skip
            studio.store.variants.put(variant)
    return batch


def _picture(sources: Sequence[Path], number: int) -> bytes:
    with Image.open(sources[number % len(sources)]) as opened:
        shift = number // len(sources)
        image = opened.convert("RGB").crop((shift, shift, opened.width - shift, opened.height - shift))
    buffer = io.BytesIO()
    image.resize((192, 256)).save(buffer, "PNG")
    return buffer.getvalue()


def conditions(plan: Plan) -> dict[str, str]:
    """What is opened."""
    return {
        "base": plan.base,
        "live preview": "192x256 px, 6 steps, fp32",
        "window": "1440x900, chromium without a window, on the same two cores as the server",
        "threads of the server": str(plan.threads),
    }


if __name__ == "__main__":
    main("page", __doc__ or "", conditions, cases, figures)
