"""The canvas in the browser: joints dragged, undone and read by Python; previews, grids, and text that runs nothing."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from studio.records.pose import JOINT_NAMES
from studio.studio import Studio
from tests.brand_model import write_brand_model
from tests.browser.conftest import ROOT, open_tab, screenshot

SLOW = 60_000
"""A picture is drawn, on a machine that does other things too."""
KEPT = "new Promise((done) => setTimeout(() => setTimeout(done, 320), 370))"
"""Ends after the page's own timers, which run already: 350 ms end a run of nudges, and 300 ms later the canvas keeps
itself."""
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
    page.evaluate(KEPT)
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


def test_alt_mirrors_double_click_resets_and_the_grip_sets_the_height(canvas: Page) -> None:
    canvas.get_by_test_id("pose-standing-front").click()
    canvas.keyboard.down("Shift")
    drag(canvas, "neck", 30, 0)  # the figure's own middle counts, not the canvas'
    canvas.keyboard.up("Shift")
    before = kept_pose(canvas)
    canvas.keyboard.down("Alt")
    drag(canvas, "left_wrist", 60, -120)
    canvas.keyboard.up("Alt")
    both = kept_pose(canvas)
    middle = both["left_shoulder"][0] + both["right_shoulder"][0]
    assert both["left_wrist"][0] - before["left_wrist"][0] > 50
    assert both["left_wrist"][0] + both["right_wrist"][0] == pytest.approx(middle, abs=1)
    assert both["left_wrist"][1] == pytest.approx(both["right_wrist"][1], abs=1)
    canvas.mouse.dblclick(*place(canvas, "left_wrist"))
    reset = kept_pose(canvas)
    assert reset["left_wrist"] == pytest.approx(before["left_wrist"], abs=0.2)
    assert reset["right_wrist"] == both["right_wrist"]
    grip = canvas.get_by_test_id("height-grip").bounding_box()
    assert grip is not None
    canvas.mouse.move(grip["x"] + 30, grip["y"] + 12)
    canvas.mouse.down()
    canvas.mouse.move(grip["x"] + 30, grip["y"] + 52)
    canvas.mouse.up()
    height = float(canvas.get_by_test_id("figure-height").input_value())
    expect(canvas.get_by_test_id("height-grip")).to_have_text(f"{height:,.0f} mm")
    assert height < 1650
    assert kept_pose(canvas)["nose"][1] == pytest.approx(reset["nose"][1] * height / 1700, abs=0.2)
    canvas.keyboard.press("Control+z")
    expect(canvas.get_by_test_id("figure-height")).to_have_value("1700")


def test_the_view_zooms_about_the_pointer_and_moves_under_the_space_key(canvas: Page) -> None:
    whole = [place(canvas, name) for name in ("nose", "left_ankle")]
    x, y = whole[0]
    canvas.mouse.move(x, y)
    canvas.mouse.wheel(0, -400)
    expect(canvas.locator(".percent")).not_to_have_text("213 %")
    near = [place(canvas, name) for name in ("nose", "left_ankle")]
    assert near[0] == pytest.approx(whole[0], abs=1.5)  # what is under the pointer stays there
    assert math.dist(*near) > 1.5 * math.dist(*whole)
    kept = kept_pose(canvas)
    canvas.keyboard.down(" ")
    canvas.mouse.down()  # on a joint, which does not move
    canvas.mouse.move(x - 80, y + 30, steps=3)
    canvas.mouse.up()
    canvas.keyboard.up(" ")
    assert place(canvas, "nose") == pytest.approx((x - 80, y + 30), abs=1.5)
    assert kept_pose(canvas) == kept
    canvas.keyboard.press("1")
    expect(canvas.locator(".percent")).to_have_text("100 %")
    canvas.keyboard.press("0")
    assert place(canvas, "left_ankle") == pytest.approx(whole[1], abs=1.5)


def test_a_photo_lies_under_the_figure_and_what_is_no_photo_is_said(canvas: Page) -> None:
    underlay, file = canvas.locator(".underlay"), canvas.get_by_test_id("underlay-file")
    file.set_input_files({"name": "notes.png", "mimeType": "image/png", "buffer": b"just words"})
    expect(canvas.locator(".toast.error")).to_contain_text("notes.png is no picture")
    expect(underlay).to_be_hidden()
    file.set_input_files(ROOT / "presets" / "sample_brand" / "photos" / "001.jpg")
    expect(underlay).to_have_attribute("opacity", "0.5")
    expect(underlay).to_have_attribute("href", re.compile("^blob:"))
    opacity = canvas.get_by_label("Opacity of the photo")
    opacity.focus()
    opacity.press("Home")
    expect(underlay).to_have_attribute("opacity", "0")
    opacity.press("End")
    expect(underlay).to_have_attribute("opacity", "1")
    screenshot(canvas, "canvas-photo")
    canvas.get_by_test_id("underlay").click()
    expect(underlay).to_be_hidden()


def test_a_cell_gives_its_pose_and_its_seed_by_the_right_button_and_the_keyboard(canvas: Page) -> None:
    canvas.get_by_test_id("pose-walking-front").click()
    settle(canvas, "seeds", "2")
    settle(canvas, "num_inference_steps", "1")
    canvas.get_by_test_id("make-grid").click()
    expect(canvas.locator(".cell.drawn")).to_have_count(2, timeout=2 * SLOW)
    menu = canvas.get_by_test_id("menu")
    canvas.get_by_test_id("cell-1").click(button="right")
    screenshot(canvas, "canvas-menu")
    canvas.get_by_role("menuitem", name="Use this seed").click()
    expect(canvas.get_by_test_id("seed")).to_have_value("2")
    canvas.get_by_test_id("pose-sitting-front").click()
    canvas.get_by_test_id("to-board").click()
    canvas.get_by_test_id("cell-0").click(button="right")
    canvas.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    canvas.get_by_test_id("cell-0").click(button="right")
    canvas.keyboard.press("Enter")  # the first entry has the focus
    expect(canvas.get_by_test_id("pose-walking-front")).to_have_attribute("aria-pressed", "true")
    expect(canvas.get_by_test_id("seed")).to_have_value("2")
    canvas.get_by_test_id("to-board").click()
    canvas.get_by_test_id("cell-0").click(button="right")
    canvas.get_by_role("menuitem", name="Send to review").click()
    expect(canvas.get_by_role("tab", name="Review", exact=True)).to_have_attribute("aria-selected", "true")
    expect(canvas.get_by_test_id("review-cell")).to_have_count(2, timeout=SLOW)


def test_brand_models_reach_the_request_with_their_weight_and_one_that_is_gone_is_put_away(
    canvas: Page, beside: Studio, tiny_base: Path
) -> None:
    brand_models = beside.settings.brand_models
    write_brand_model(brand_models, tiny_base, "coat")
    canvas.evaluate("window.sasage.emit('brand-models-changed', {})")
    box, weight = canvas.get_by_test_id("model-coat"), canvas.get_by_test_id("weight-coat")
    box.check()
    expect(canvas.get_by_test_id("prompt")).to_have_value(re.compile("coatx"), timeout=SLOW)
    canvas.get_by_test_id("prompt").fill("coatx, a woman in a coat")
    weight.focus()
    for expected in ("0.95", "0.9", "0.85"):  # the slider keeps the focus while all is drawn anew
        canvas.keyboard.press("ArrowLeft")
        expect(weight).to_have_value(expected)
    settle(canvas, "num_inference_steps", "1")
    canvas.get_by_test_id("draw-one").click()
    expect(canvas.get_by_test_id("film-picture").first).to_have_attribute(
        "title", re.compile("coat 0.85"), timeout=SLOW
    )
    assert [(a.brand_model, a.adapter_weight) for a in beside.store.variants.find(newest=1)[0].request.adapters] == [
        ("coat", 0.85)
    ]
    shutil.rmtree(brand_models / "coat")
    canvas.get_by_test_id("make-grid").click()
    expect(canvas.locator(".toast.error", has_text="coat").first).to_be_visible(timeout=SLOW)
    expect(box).to_have_count(0)
    canvas.get_by_test_id("make-grid").click()
    expect(canvas.locator(".cell.drawn")).to_have_count(1, timeout=SLOW)


def test_an_empty_prompt_is_told_before_anything_is_drawn(canvas: Page) -> None:
    canvas.get_by_test_id("prompt").fill("")
    expect(canvas.get_by_test_id("preview-state")).to_contain_text("prompt", timeout=SLOW)
    canvas.get_by_test_id("make-grid").click()
    expect(canvas.locator(".toast.error")).to_contain_text("The prompt is empty", timeout=SLOW)
    canvas.get_by_test_id("prompt-follow").click()
    expect(canvas.get_by_test_id("prompt")).to_have_value(re.compile("standing|walking|relaxed"), timeout=SLOW)
