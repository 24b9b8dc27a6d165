"""What a hand does in the browser: files dropped from the disk, and a thing dragged to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page


def place(what: Locator) -> tuple[float, float]:
    """The middle of an element. The page may just be drawing it anew, so it is asked for until it is there."""
    for _ in range(100):
        what.hover(trial=True)
        found = what.bounding_box()
        if found:
            return found["x"] + found["width"] / 2, found["y"] + found["height"] / 2
        what.page.wait_for_timeout(100)
    raise AssertionError(f"{what} is never seen")


def drag_to(what: Locator, to: Locator) -> None:
    """Drags one element onto another."""
    mouse, (x, y), (to_x, to_y) = what.page.mouse, place(what), place(to)
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 12, y + 4)
    mouse.move(to_x, to_y, steps=4)
    mouse.up()


def drop_files(page: Page, zone: Locator, paths: Sequence[Path]) -> None:
    """Drops files of this machine onto an element, as a file manager does; the browser reads them from the disk."""
    x, y = place(zone)
    session = page.context.new_cdp_session(page)
    held = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": held})
    session.detach()
