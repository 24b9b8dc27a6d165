"""The canvas' guides in the browser: greyed out with their reason, undone, drawn with, and restored from a picture."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from studio.measure.annotators.joints import COCO_OF_OPENPOSE
from studio.presets import Presets
from studio.records.pose import Framing
from studio.settings import Settings
from studio.studio import Studio
from tests.browser.conftest import open_tab, screenshot, serving, watched
from tests.browser.review_pictures import picture
from tests.browser.test_picture_tools import stroke
from tests.onnx_models import install, rtmpose
from tests.tiny_sd15 import build_tiny_sd15, controlnet_for, shelve

SLOW = 60_000


@pytest.fixture
def canvas(desk: Page) -> Page:
    open_tab(desk, "Canvas")
    desk.get_by_test_id("pose-editor").wait_for(timeout=SLOW)
    expect(desk.get_by_test_id("prompt")).not_to_be_empty(timeout=SLOW)
    return desk


def hold(page: Page, place: int) -> None:
    """Opens the guides and takes a picture in hand; every place is another picture."""
    if not page.get_by_test_id("guide-choose").is_visible():
        page.get_by_test_id("guides").click()
    file: Any = {"name": f"photo-{place}.png", "mimeType": "image/png", "buffer": picture(place)}
    page.get_by_test_id("guide-file").set_input_files(file)
    expect(page.locator(".guide-hand img").first).to_be_visible()


def kept(page: Page) -> dict[str, Any]:
    """The canvas as it keeps itself in the browser."""
    page.wait_for_timeout(700)
    state: dict[str, Any] = json.loads(page.evaluate("localStorage.getItem('sasage.canvas')"))
    return state


def few_steps(page: Page) -> None:
    """Two, and "More" stays open."""
    page.get_by_test_id("more").click()
    page.get_by_test_id("num_inference_steps").fill("2")
    page.get_by_test_id("num_inference_steps").press("Enter")


def drawn(page: Page, studio: Studio) -> Any:
    """The variant that a click on Draw makes, once the film shows it."""
    before = {variant.id for variant in studio.store.variants.find()}
    page.get_by_test_id("draw-one").click()
    for _ in range(300):
        found = [variant for variant in studio.store.variants.find() if variant.id not in before]
        if found:
            shown = page.get_by_test_id("film-picture").first.locator("img")
            expect(shown).to_have_attribute("src", f"/thumbnails/{found[0].image_sha256}")
            return found[0]
        page.wait_for_timeout(200)
    said = [job.error for job in studio.jobs.list()] + page.locator(".toast").all_inner_texts()
    raise AssertionError(f"nothing was drawn: {said}")


def pixels(studio: Studio, sha256: str) -> Any:
    with Image.open(studio.store.files.path(sha256)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_what_the_base_cannot_follow_is_greyed_out_with_its_reason(canvas: Page) -> None:
    canvas.get_by_test_id("guides").click()
    for name in ("canny", "lineart", "depth", "reference", "pose"):
        expect(canvas.get_by_test_id(f"guide-{name}")).to_be_disabled()
    for name in ("openpose", "part"):
        expect(canvas.get_by_test_id(f"guide-{name}")).to_be_enabled()
    reasons = canvas.get_by_test_id("guide-reasons")
    expect(reasons).to_contain_text("Edges · Line art · Depth  Croquis has a ControlNet for poses only.")
    expect(reasons).to_contain_text("croquis comes without the weights of an IP-Adapter.")
    expect(canvas.get_by_test_id("garment-photo")).to_be_disabled()
    hold(canvas, 60)
    screenshot(canvas, "canvas-guides")
    reasons.get_by_test_id("models-rtmpose-m").click()
    expect(canvas.get_by_test_id("models-panel")).to_contain_text("RTMPose-m")
    canvas.get_by_test_id("models-close").click()


def test_a_pose_map_takes_the_place_of_the_pose_is_undone_and_reaches_the_picture(canvas: Page, beside: Studio) -> None:
    hold(canvas, 61)
    canvas.get_by_test_id("guide-openpose").click()
    row, posed = canvas.get_by_test_id("guide-row"), canvas.get_by_test_id("guide-posed")
    expect(row).to_have_count(1)
    expect(posed).not_to_be_checked()
    canvas.get_by_test_id("guide-0-strength").fill("0.7")
    canvas.get_by_test_id("guide-0-strength").press("Enter")
    assert kept(canvas)["controls"][0]["controlnet_conditioning_scale"] == 0.7
    canvas.get_by_test_id("undo").click()
    expect(canvas.get_by_test_id("guides")).to_have_text("Guides: 1")
    assert kept(canvas)["controls"][0]["controlnet_conditioning_scale"] == 1
    canvas.get_by_test_id("undo").click()
    expect(canvas.get_by_test_id("guides")).to_have_text("Guides")
    assert kept(canvas)["posed"] is True
    canvas.keyboard.press("Control+Shift+Z")
    canvas.keyboard.press("Control+Shift+Z")
    expect(canvas.get_by_test_id("guides")).to_have_text("Guides: 1")
    few_steps(canvas)
    request = drawn(canvas, beside).request
    assert request.pose is None
    assert [(one.kind, one.controlnet_conditioning_scale) for one in request.controls] == [("openpose", 0.7)]
    expect(canvas.get_by_test_id("film-picture").first).to_have_attribute("title", re.compile("Pose map 0.7"))


def test_only_the_painted_part_changes_and_everything_comes_back_out_of_the_file(
    canvas: Page, beside: Studio, tmp_path: Path
) -> None:
    hold(canvas, 62)
    canvas.get_by_test_id("guide-part").click()
    layer = canvas.get_by_test_id("mask-layer")
    expect(layer).to_have_attribute("width", "192")
    canvas.get_by_test_id("mask-feather").fill("0")
    stroke(canvas, layer, (0.3, 0.5), (0.7, 0.5))
    canvas.get_by_test_id("mask-use").click()
    expect(canvas.get_by_test_id("part-line")).to_contain_text("Changing a part")
    few_steps(canvas)
    canvas.get_by_test_id("speed").select_option("draft")
    canvas.get_by_test_id("more").click()
    expect(canvas.get_by_test_id("preview-state")).to_have_text("up to date", timeout=SLOW)
    made = drawn(canvas, beside)
    assert made.request.inpaint is not None
    mask = pixels(beside, made.request.inpaint.mask_sha256)[..., 0]
    changed = (pixels(beside, made.image_sha256) != pixels(beside, made.request.inpaint.picture_sha256)).any(axis=2)
    assert changed[mask == 255].mean() > 0.9
    assert not changed[mask == 0].any()
    film = canvas.get_by_test_id("film-picture").first
    expect(film).to_have_attribute("title", re.compile("only the painted part drawn anew · draft"))
    screenshot(canvas, "canvas-part-drawn")

    canvas.get_by_test_id("part-off").click()
    expect(canvas.get_by_test_id("part-line")).to_be_hidden()
    canvas.get_by_test_id("undo").click()
    expect(canvas.get_by_test_id("part-line")).to_be_visible()
    canvas.keyboard.press("Control+y")
    expect(canvas.get_by_test_id("part-line")).to_be_hidden()
    canvas.get_by_test_id("seed").fill("4")
    canvas.get_by_test_id("seed").press("Tab")
    assert (kept(canvas)["inpaint"], kept(canvas)["seed"]) == (None, 4)

    file = tmp_path / "made.png"
    file.write_bytes(beside.store.files.path(made.image_sha256).read_bytes())
    canvas.get_by_test_id("settings-file").set_input_files(file)
    expect(canvas.locator(".toast", has_text="The settings of that picture")).to_be_visible()
    expect(canvas.get_by_test_id("part-line")).to_be_visible()
    expect(canvas.get_by_test_id("seed")).to_have_value(str(made.request.seed))
    state = kept(canvas)
    assert state["inpaint"] == made.request.inpaint.model_dump()
    assert (state["speed"], state["posed"]) == ("draft", True)
    canvas.get_by_test_id("settings-file").set_input_files(
        {"name": "other.png", "mimeType": "image/png", "buffer": picture(63)}
    )
    expect(canvas.locator(".toast.error")).to_contain_text("carries no settings")


def test_a_picture_of_the_film_is_taken_in_hand_and_what_is_no_picture_is_said(canvas: Page, beside: Studio) -> None:
    few_steps(canvas)
    made = drawn(canvas, beside)
    canvas.get_by_test_id("film-picture").first.click(button="right")
    canvas.get_by_role("menuitem", name="Use as a guide…").click()
    shown = canvas.locator(".guide-hand img").first
    expect(shown).to_have_attribute("src", f"/thumbnails/{made.image_sha256}")
    canvas.get_by_test_id("guide-file").set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": b"just words"}
    )
    expect(canvas.locator(".toast.error")).to_contain_text("notes.png")
    expect(shown).to_have_attribute("src", f"/thumbnails/{made.image_sha256}")


@pytest.fixture
def edges_settings(own_settings: Settings, tmp_path: Path) -> Settings:
    """A home with a tiny SD1.5 of two sizes beside croquis, with its ControlNet for edges and no other, and what
    reads poses, which finds the same in every photo.
    """
    from diffusers import UNet2DConditionModel

    presets = tmp_path / "presets"
    shutil.copytree(own_settings.presets, presets, ignore=shutil.ignore_patterns("judge"))
    base = build_tiny_sd15(presets / "bases" / "sd15")
    with (base / "card.yaml").open("a") as card:
        card.write("resolutions: [{width_px: 64, height_px: 96}, {width_px: 96, height_px: 64}]\n")
    settings = own_settings.model_copy(update={"presets": presets})
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    shelve(settings.models_dir, "sd15-controlnet-canny", controlnet_for(unet, 3))
    pose, framing = Presets(presets, tmp_path).poses()["sitting-front"], Framing()
    places = dict(zip(COCO_OF_OPENPOSE, (framing.to_px(joint) for joint in pose.joints), strict=True))
    install(settings, "rtmpose-m", rtmpose(tmp_path / "m.onnx", [places[n] for n in range(17)], [0.9] * 17))
    return settings


def test_a_map_of_edges_and_a_size_reach_the_picture_and_come_back_with_it(
    page: Page, edges_settings: Settings
) -> None:
    with Studio(edges_settings) as studio, serving(edges_settings) as address:
        page.set_default_timeout(SLOW)
        faults = watched(page, address)
        page.goto(address)
        open_tab(page, "Canvas")
        expect(page.get_by_test_id("prompt")).not_to_be_empty(timeout=SLOW)
        few_steps(page)
        page.get_by_test_id("canvas-base").select_option("sd15")
        page.get_by_test_id("size").select_option("96 × 64")
        screenshot(page, "canvas-more")
        hold(page, 64)
        reasons = page.get_by_test_id("guide-reasons")
        expect(reasons).to_contain_text("Line art  sd15-controlnet-lineart is not on this machine.")
        expect(page.get_by_test_id("guide-lineart")).to_be_disabled()
        before = kept(page)["pose"]
        page.get_by_test_id("guide-pose").click()
        expect(page.locator(".toast", has_text="The pose of the photo")).to_be_visible()
        assert kept(page)["pose"]["joints"] != before["joints"]
        page.get_by_test_id("undo").click()
        assert kept(page)["pose"] == before
        page.get_by_test_id("guides").click()
        page.get_by_test_id("guide-canny").click()
        row, mode = page.get_by_test_id("guide-row"), page.get_by_test_id("guide-mode-0")
        expect(row).to_contain_text("Canny edges. Apache-2.0. Commercial use: yes.")
        made = kept(page)["controls"][0]
        assert made["picture_sha256"] != made["from"]
        mode.select_option("as_is")
        expect(row).not_to_contain_text("Apache-2.0")
        assert kept(page)["controls"][0]["picture_sha256"] == made["from"]
        mode.select_option("made")
        expect(row).to_contain_text("Apache-2.0")
        expect(page.get_by_test_id("guide-row-pose")).to_contain_text("sd15-controlnet-openpose is not on this machine")
        page.get_by_test_id("draw-one").click()
        expect(page.locator(".toast.error")).to_contain_text("not on this machine yet")
        page.get_by_test_id("guides").click()
        page.get_by_test_id("guide-posed").uncheck()
        screenshot(page, "canvas-guides-sd15")
        few_steps(page)
        variant = drawn(page, studio)
        assert [(one.kind, one.picture_sha256) for one in variant.request.controls] == [
            ("canny", made["picture_sha256"])
        ]
        assert variant.request.pose is None
        assert pixels(studio, variant.image_sha256).shape == (64, 96, 3)
        page.get_by_test_id("undo").click()  # the pose counts again
        page.get_by_test_id("guides").click()
        page.get_by_test_id("guide-row").get_by_role("button", name="Put away").click()
        expect(page.get_by_test_id("guides")).to_have_text("Guides")
        page.get_by_test_id("film-picture").first.click(button="right")
        page.get_by_role("menuitem", name="Use all settings").click()
        state = kept(page)
        assert [one["picture_sha256"] for one in state["controls"]] == [made["picture_sha256"]]
        assert (state["posed"], state["framing"]["width_px"]) == (False, 96)
        assert faults == []
