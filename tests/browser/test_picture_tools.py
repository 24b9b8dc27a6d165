"""Tools in the browser: a picture upscaled and taken back, and the mask brush whose mask reaches the request."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from studio.records.base import new_id
from studio.studio import Studio
from tests.browser.conftest import open_tab, screenshot
from tests.browser.review_pictures import add_variants
from tests.browser.test_listing import open_listing, seed
from tests.browser.test_review import cell, show

SLOW = 60_000


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=SLOW)


def test_a_picture_is_upscaled_from_review_and_taken_back(desk: Page, beside: Studio) -> None:
    batch = new_id("job")
    (source,) = add_variants(beside, batch, 1)
    show(desk, batch)
    cell(desk, source).dblclick()
    desk.get_by_test_id("tool-upscale").click()
    expect(desk.get_by_test_id("tool-method-real-esrgan-x4plus")).to_be_disabled()
    expect(desk.get_by_test_id("tool-dialog")).to_contain_text("models pull real-esrgan-x4plus")
    desk.get_by_test_id("tool-factor").fill("3")
    screenshot(desk, "tools-upscale")
    desk.get_by_test_id("tool-start").click()
    toast = desk.locator(".toast", has_text="Upscaled to 576 × 768 px")
    expect(toast).to_contain_text("waits in review")
    made = next(variant for variant in beside.store.variants.find(batch_id=batch) if variant.derived_from == source.id)
    expect(cell(desk, made)).to_have_attribute("data-verdict", "undecided")
    toast.get_by_role("button", name="Undo").click()
    expect(cell(desk, made)).to_have_count(0)
    assert [variant.id for variant in beside.store.variants.find(batch_id=batch)] == [source.id]
    desk.get_by_test_id("tool-cut-out").click()
    desk.get_by_test_id("tool-ground-transparent").check()
    desk.get_by_test_id("tool-start").click()
    expect(desk.locator(".toast", has_text="The figure is cut out.")).to_be_visible()
    cut = next(variant for variant in beside.store.variants.find(batch_id=batch) if variant.derived_from == source.id)
    desk.keyboard.press("Escape")
    cell(desk, cut).dblclick()
    expect(desk.locator('[data-setting="tools"]')).to_have_text("cut out, transparent, by GrabCut")
    screenshot(desk, "tools-cut-out")
    desk.get_by_test_id("tool-remove").click()
    expect(cell(desk, cut)).to_have_count(0)


def test_the_listing_offers_a_cut_out_and_a_larger_picture_and_does_neither_unasked(desk: Page, beside: Studio) -> None:
    (source,) = seed(beside, "TOOLS-1", 1)
    listing = beside.listing.fill("TOOLS-1", "amazon_main")
    assert {finding.code for finding in listing.findings} >= {"small", "not_white"}
    open_listing(desk, "TOOLS-1", "amazon_main")
    desk.get_by_test_id("upscale-MAIN").click()
    # What Amazon asks for, from this picture's size.
    expect(desk.get_by_test_id("tool-factor")).to_have_value(re.compile(r"^\d\.\d\d?$"))
    desk.keyboard.press("Escape")
    assert beside.store.variants.find(sku="TOOLS-1") == [source]
    desk.get_by_test_id("cut_out-MAIN").click()
    screenshot(desk, "tools-listing")
    desk.get_by_test_id("tool-start").click()
    expect(desk.locator(".toast", has_text="The figure is cut out.")).to_be_visible()
    _, cut = beside.store.variants.find(sku="TOOLS-1")
    with Image.open(beside.store.files.path(cut.image_sha256)) as opened:
        assert (np.asarray(opened)[0] == 255).all()
    expect(desk.get_by_test_id("approved")).to_have_count(1)  # the cut-out is not approved yet


def painted(page: Page) -> float:
    """Share of the picture that is painted over, as the canvas shows it."""
    share: float = page.evaluate("""() => {
        const layer = document.querySelector('[data-testid=mask-layer]');
        const data = layer.getContext('2d').getImageData(0, 0, layer.width, layer.height).data;
        let sum = 0;
        for (let i = 3; i < data.length; i += 4) sum += data[i];
        return sum / 255 / (layer.width * layer.height);
    }""")
    return share


def stroke(page: Page, layer: Locator, *points: tuple[float, float]) -> None:
    """Draws over the picture; points are shares of its sides."""
    box = layer.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def test_the_brush_paints_a_mask_that_goes_with_the_request(desk: Page, beside: Studio) -> None:
    open_tab(desk, "Canvas")
    desk.get_by_test_id("pose-editor").wait_for(timeout=SLOW)
    (source,) = add_variants(beside, new_id("job"), 1)
    desk.evaluate("window.sasage.emit('pictures-changed', {})")
    film = desk.get_by_test_id("film-picture").first
    expect(film.locator("img")).to_have_attribute("src", f"/thumbnails/{source.image_sha256}")
    film.click(button="right")
    desk.get_by_role("menuitem", name="Change a part…").click()
    layer = desk.get_by_test_id("mask-layer")
    expect(layer).to_have_attribute("width", "192")
    stroke(desk, layer, (0.3, 0.5), (0.7, 0.5))
    first = painted(desk)
    assert 0.02 < first < 0.2
    desk.keyboard.press("]")
    desk.keyboard.press("]")
    stroke(desk, layer, (0.3, 0.6), (0.7, 0.6))
    both = painted(desk)
    assert both - first > 0.7 * first  # a larger brush, overlapping a little
    desk.keyboard.press("Control+z")
    assert painted(desk) == pytest.approx(first)
    desk.keyboard.press("Control+y")
    assert painted(desk) == pytest.approx(both)
    desk.get_by_test_id("mask-undo").click()
    desk.keyboard.press("x")
    stroke(desk, layer, (0.5, 0.4), (0.5, 0.6))
    assert painted(desk) < 0.9 * first
    desk.get_by_test_id("mask-undo").click()
    desk.get_by_test_id("mask-invert").click()
    assert painted(desk) == pytest.approx(1 - first, abs=0.003)
    desk.get_by_test_id("mask-clear").click()
    assert painted(desk) == 0
    desk.get_by_test_id("mask-use").click()
    expect(desk.locator(".toast.error")).to_contain_text("Nothing is marked in the mask")
    desk.get_by_test_id("mask-undo").click()
    desk.get_by_test_id("mask-undo").click()
    screenshot(desk, "canvas-mask")
    desk.get_by_test_id("mask-feather").fill("20")
    desk.get_by_test_id("mask-use").click()
    expect(desk.get_by_test_id("mask-room")).to_be_hidden()
    expect(desk.get_by_test_id("part-line")).to_be_visible()
    desk.wait_for_timeout(600)
    kept = json.loads(desk.evaluate("localStorage.getItem('sasage.canvas')"))["inpaint"]
    assert (kept["picture_sha256"], kept["strength"]) == (source.image_sha256, 1)
    with Image.open(beside.store.files.path(kept["mask_sha256"])) as opened:
        mask = np.asarray(opened)
    assert mask.shape == (256, 192)
    assert mask[128, 96] > 200  # the stroke
    assert mask[20, 96] == 0
    assert ((mask > 20) & (mask < 230)).mean() > 0.01  # its soft edge
    if not desk.get_by_test_id("num_inference_steps").is_visible():
        desk.get_by_test_id("more").click()
    desk.get_by_test_id("num_inference_steps").fill("2")
    desk.get_by_test_id("num_inference_steps").press("Enter")
    before = {variant.id for variant in beside.store.variants.find()}
    desk.get_by_test_id("draw-one").click()
    expect(film.locator("img")).not_to_have_attribute("src", f"/thumbnails/{source.image_sha256}")
    (drawn,) = [variant for variant in beside.store.variants.find() if variant.id not in before]
    assert drawn.request.inpaint is not None
    assert drawn.request.inpaint.mask_sha256 == kept["mask_sha256"]
    screenshot(desk, "canvas-part")
    desk.get_by_test_id("part-off").click()
    expect(desk.get_by_test_id("part-line")).to_be_hidden()
    desk.locator(".toast", has_text="Whole pictures").get_by_role("button", name="Undo").click()
    expect(desk.get_by_test_id("part-line")).to_be_visible()
    desk.get_by_test_id("part-off").click()
