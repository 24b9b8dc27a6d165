"""The canvas in the browser: joints dragged, undone and read by Python; previews, grids, and text that runs nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from studio.records.pose import JOINT_NAMES
from studio.studio import Studio
from tests.browser.conftest import open_tab, screenshot

SLOW = 60_000
"""A picture is drawn, on a machine that does other things too."""
PLANT = "<img src=x onerror=\"document.title='ran'\"> ${document.title='ran'} {{document.title='ran'}}"


@pytest.fixture
def canvas(desk: Page) -> Page:
    open_tab(desk, "Canvas")
    desk.get_by_test_id("pose-editor").wait_for(timeout=SLOW)
    expect(desk.get_by_test_id("prompt")).not_to_be_empty(timeout=SLOW)
    return desk


def place(page: Page, joint: str) -> tuple[float, float]:
    """The middle of a joint on the screen."""
    box = page.get_by_test_id(f"joint-{joint}").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, joint: str, dx: float, dy: float, *, drop: bool = True) -> None:
    x, y = place(page, joint)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2)
    page.mouse.move(x + dx, y + dy)
    if drop:
        page.mouse.up()


def kept_pose(page: Page) -> dict[str, tuple[float, float]]:
    """Joint -> millimetres, as the canvas keeps it."""
    page.wait_for_timeout(1200)  # the run of nudges ends, and the canvas keeps itself
    joints = json.loads(page.evaluate("localStorage.getItem('sasage.canvas')"))["pose"]["joints"]
    return {name: (joint["x_mm"], joint["y_mm"]) for name, joint in zip(JOINT_NAMES, joints, strict=True)}


def settle(page: Page, field: str, number: str) -> None:
    """Writes a number into a field; what lies under "More" is opened first."""
    if not page.get_by_test_id(field).is_visible():
        page.get_by_test_id("more").click()
    page.get_by_test_id(field).fill(number)
    page.get_by_test_id(field).press("Enter")


def length(pose: dict[str, tuple[float, float]], a: str, b: str) -> float:
    return math.dist(pose[a], pose[b])


def spoken(page: Page) -> Locator:
    return page.get_by_test_id("pose-status")


def test_a_dragged_wrist_reaches_python_bends_its_elbow_and_is_undone(canvas: Page) -> None:
    before = kept_pose(canvas)
    drag(canvas, "left_wrist", 40, -120)
    after = kept_pose(canvas)
    x, y = after["left_wrist"]
    expect(spoken(canvas)).to_have_text(f"left wrist {round(x)}, {round(y)} mm", timeout=SLOW)
    assert math.dist(before["left_wrist"], after["left_wrist"]) > 100
    for a, b in (("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")):
        assert abs(length(after, a, b) - length(before, a, b)) < 0.5
    canvas.keyboard.press("Control+z")
    assert kept_pose(canvas) == before
    canvas.keyboard.press("Control+Shift+Z")
    assert kept_pose(canvas) == after
    canvas.get_by_test_id("undo").click()
    assert kept_pose(canvas) == before


def test_keys_nudge_a_focused_joint_and_shift_drags_the_whole_figure(canvas: Page) -> None:
    canvas.get_by_test_id("toggle-lock").click()
    before = kept_pose(canvas)
    canvas.get_by_test_id("joint-right_elbow").focus()
    canvas.keyboard.press("ArrowLeft")
    canvas.keyboard.press("Shift+ArrowUp")
    nudged = kept_pose(canvas)
    assert nudged["right_elbow"] == pytest.approx((before["right_elbow"][0] - 10, before["right_elbow"][1] + 50))
    canvas.keyboard.press("Control+z")
    assert kept_pose(canvas) == before
    canvas.keyboard.down("Shift")
    drag(canvas, "neck", 20, 0)
    canvas.keyboard.up("Shift")
    moved = kept_pose(canvas)
    shifts = {round(moved[name][0] - before[name][0], 0) for name in JOINT_NAMES}
    assert len(shifts) == 1
    assert shifts.pop() > 20


def test_a_joint_off_the_canvas_is_told_before_and_when_a_grid_is_made(canvas: Page) -> None:
    canvas.get_by_test_id("toggle-lock").click()
    canvas.get_by_test_id("joint-left_wrist").focus()
    canvas.get_by_test_id("joint-x").fill("4000")
    canvas.get_by_test_id("joint-x").press("Enter")
    expect(spoken(canvas)).to_contain_text("Off the picture: left wrist", timeout=SLOW)
    canvas.get_by_test_id("make-grid").click()
    expect(canvas.locator(".toast.error")).to_contain_text("left wrist", timeout=SLOW)


def test_the_preview_follows_the_newest_pose(canvas: Page) -> None:
    preview = canvas.get_by_test_id("preview")
    expect(canvas.get_by_test_id("preview-state")).to_have_text("up to date", timeout=SLOW)
    first = int(preview.get_attribute("data-rev") or 0)
    seen = preview.get_attribute("src")
    for name in ("walking-front", "sitting-front", "standing-back", "arm-raised-front"):
        canvas.get_by_test_id(f"pose-{name}").click()
    expect(preview).to_be_visible()  # stale ones are dimmed, never blank
    expect(canvas.get_by_test_id("preview-state")).to_have_text("up to date", timeout=SLOW)
    assert int(preview.get_attribute("data-rev") or 0) > first
    assert preview.get_attribute("src") != seen
    expect(preview).not_to_have_class("stale")
    canvas.keyboard.down("g")
    expect(canvas.locator(".preview .ghost")).to_be_visible()
    canvas.keyboard.up("g")
    expect(canvas.locator(".preview .ghost")).to_be_hidden()
    screenshot(canvas, "canvas")


def test_a_grid_fills_its_cells_and_a_picture_gives_its_settings_back(canvas: Page, beside: Studio) -> None:
    canvas.get_by_test_id("pose-walking-front").click()
    canvas.get_by_test_id("grid-pose-sitting-front").click()
    canvas.get_by_test_id("looks").click()
    canvas.get_by_test_id("grid-look-sample-room").check()
    settle(canvas, "seeds", "2")
    settle(canvas, "num_inference_steps", "2")
    expect(canvas.get_by_test_id("price")).to_contain_text("2 poses × 2 looks × 2 seeds = 8 pictures")
    canvas.get_by_test_id("make-grid").click()
    expect(canvas.locator(".cell")).to_have_count(8)
    expect(canvas.locator(".cell.drawn")).to_have_count(8, timeout=2 * SLOW)
    expect(canvas.get_by_test_id("grid-state")).to_contain_text("Done", timeout=SLOW)
    screenshot(canvas, "canvas-grid")
    canvas.get_by_test_id("cell-7").click(button="right")
    canvas.get_by_role("menuitem", name="Use all settings").click()
    expect(canvas.get_by_test_id("seed")).to_have_value("2")
    expect(canvas.get_by_test_id("look")).to_have_value("sample-room")
    expect(canvas.get_by_test_id("pose-sitting-front")).to_have_attribute("aria-pressed", "true")
    canvas.get_by_test_id("film-picture").first.click()
    expect(canvas.get_by_test_id("viewer-picture")).to_be_visible()
    canvas.keyboard.press("Escape")
    expect(canvas.get_by_test_id("viewer")).to_be_hidden()


def test_a_grid_is_found_again_after_a_reload_and_cancelled(canvas: Page, beside: Studio) -> None:
    settle(canvas, "num_inference_steps", "200")
    settle(canvas, "seeds", "40")
    canvas.get_by_test_id("make-grid").click()
    expect(canvas.locator(".cell")).to_have_count(40)
    canvas.wait_for_timeout(500)
    canvas.reload()
    expect(canvas.locator(".cell")).to_have_count(40, timeout=SLOW)
    canvas.get_by_test_id("grid-cancel").click()
    expect(canvas.get_by_test_id("grid-state")).to_contain_text("Cancelled", timeout=SLOW)


def test_text_that_looks_like_code_runs_nothing(canvas: Page, beside: Studio) -> None:
    pose: Any = beside.compose.pose("standing-front")
    beside.compose.save_pose(pose.model_copy(update={"name": "planted", "action": PLANT}), overwrite=True)
    canvas.reload()
    canvas.get_by_test_id("pose-planted").click(timeout=SLOW)
    canvas.get_by_test_id("prompt").fill(PLANT)
    canvas.get_by_test_id("garment").fill(PLANT)
    canvas.get_by_test_id("garment").press("Tab")
    canvas.get_by_test_id("save-pose").click()
    canvas.get_by_test_id("pose-name").fill(PLANT)
    canvas.get_by_test_id("pose-save").click()
    expect(canvas.locator(".pose-wall .pose", has_text="Img")).to_be_visible(timeout=SLOW)
    expect(canvas.get_by_test_id("prompt")).to_have_value(PLANT)
    assert canvas.title() != "ran"
    assert canvas.locator("img[src='x']").count() == 0
