"""The whole way through the page as a person goes it, on the bundled base: from photos to a package for a shop."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from studio.listing.xmp import TRAINED_ALGORITHMIC_MEDIA, digital_source_type
from studio.settings import Settings
from tests.browser.conftest import ROOT, open_tab, screenshot, serving, watched
from tests.browser.hands import drag_to, drop_files

PHOTOS = ROOT / "presets" / "sample_brand" / "photos"
WAIT = 60_000
TRAINED_WITHIN = 600_000
"""Milliseconds. Training takes half a minute on a quiet core; other work may share it."""
SKU = "NAMI-01"
ALT = "Teal dress, hand on hip, from the front"


@pytest.fixture
def studio_page(page: Page, tmp_path: Path) -> Iterator[Page]:
    """The page of a fresh home with the presets as they are shipped."""
    (tmp_path / "brand_models").mkdir()
    settings = Settings(home=tmp_path / "home", brand_models=tmp_path / "brand_models", device="cpu", dtype="fp32")
    expect.set_options(timeout=WAIT)
    page.set_default_timeout(WAIT)
    with serving(settings) as address:
        faults = watched(page, address)
        page.goto(address)
        page.get_by_test_id("jobs-button").wait_for()
        yield page
        assert faults == []


@pytest.mark.timeout(900)
def test_from_photos_to_a_package(studio_page: Page) -> None:
    label(studio_page)
    train(studio_page)
    draw(studio_page)
    review(studio_page)
    package = list_for_a_shop(studio_page)
    with zipfile.ZipFile(package) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        (entry,) = manifest["images"]
        data = archive.read(f"images/{entry['file']}")
    assert (manifest["sku"], manifest["channel"]) == (SKU, "shopify")
    assert entry["alt_text"] == ALT
    assert digital_source_type(data) == TRAINED_ALGORITHMIC_MEDIA
    with Image.open(io.BytesIO(data)) as packed:
        assert packed.size == (192, 256)


def label(page: Page) -> None:
    """Photos dropped, rights filled in, on to training."""
    open_tab(page, "Label")
    page.get_by_test_id("first-name").fill("Atelier")
    drop_files(page, page.get_by_test_id("empty"), [*sorted(PHOTOS.glob("00?.jpg")), PHOTOS / "hints.csv"])
    expect(page.get_by_test_id("intake")).to_contain_text("9 photos added to Atelier", timeout=2 * WAIT)
    expect(page.get_by_test_id("headline")).to_contain_text("Rights missing on 9.")
    page.get_by_test_id("shot").first.click()
    page.keyboard.press("Control+a")
    for name, text in {"source": "Own shoot, spring", "owner": "Atelier Uroko", "licence": "Own work"}.items():
        page.get_by_test_id(f"rights-{name}").fill(text)
    page.get_by_test_id("rights-model_release").select_option("not-needed")
    page.get_by_test_id("rights-set").click()
    expect(page.get_by_test_id("headline")).to_contain_text("9 of 9 ready.")
    screenshot(page, "journey-label")
    page.get_by_test_id("next-step").click()


def train(page: Page) -> None:
    """12 steps with the product preset, the verdict read, a brand model made of it, on to the canvas."""
    form = page.locator("#train-form")
    expect(form.get_by_test_id("dataset").locator("option:checked")).to_have_text("Atelier")
    page.get_by_test_id("preset-product-fabric").click()
    page.get_by_test_id("field-max_train_steps").fill("12")
    form.get_by_test_id("more").locator("summary").click()
    few = {"train_batch_size": "1", "validate_every": "6", "checkpoint_every": "6", "sample_every": "12"}
    for name, value in few.items():
        page.get_by_test_id(f"field-{name}").fill(value)
    page.get_by_test_id("field-sample_prompts").fill("a woman in a teal dress, front view")
    expect(page.get_by_test_id("estimate")).to_contain_text("of memory")
    page.get_by_test_id("start").click()
    expect(page.get_by_test_id("run-progress")).to_contain_text("of 12", timeout=TRAINED_WITHIN)
    expect(page.get_by_test_id("run-state")).to_have_text("Done", timeout=TRAINED_WITHIN)
    expect(page.get_by_test_id("verdict")).to_contain_text("held-out")
    screenshot(page, "journey-train")
    page.get_by_test_id("use-checkpoint").click()
    expect(page.get_by_test_id("made")).to_contain_text("atelier")
    page.get_by_test_id("open-canvas").click()


def draw(page: Page) -> None:
    """The brand model with a weight, a preset pose, words; the live preview seen; two pictures made."""
    expect(page.get_by_test_id("model-atelier")).to_be_checked()
    weight = page.get_by_test_id("weight-atelier")
    weight.focus()
    weight.press("ArrowLeft")
    weight.press("ArrowLeft")
    expect(weight).to_have_value("0.9")
    page.get_by_test_id("pose-hand-on-hip-front").click()
    expect(page.get_by_test_id("prompt")).to_have_value(re.compile("hand on hip"))
    page.get_by_test_id("prompt").press("End")
    page.get_by_test_id("prompt").press_sequentially(", soft light")
    page.get_by_test_id("sku").fill(SKU)
    page.get_by_test_id("seeds").fill("2")
    page.get_by_test_id("seeds").press("Enter")
    page.locator(".canvas-desk").get_by_test_id("more").click()
    page.get_by_test_id("num_inference_steps").fill("6")
    page.get_by_test_id("num_inference_steps").press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("preview-state")).to_have_text("up to date", timeout=2 * WAIT)
    expect(page.get_by_test_id("preview")).to_be_visible()
    screenshot(page, "journey-canvas")
    expect(page.get_by_test_id("price")).to_contain_text("2 pictures")
    page.get_by_test_id("make-grid").click()
    expect(page.locator(".cell.drawn")).to_have_count(2, timeout=2 * WAIT)
    expect(page.get_by_test_id("grid-state")).to_contain_text("Done")
    page.get_by_test_id("grid-review").click()


def review(page: Page) -> None:
    """Measured, looked at, approved by a key, on to listing."""
    expect(page.get_by_test_id("review-cell")).to_have_count(2)
    page.get_by_test_id("review-measure").click()
    page.get_by_test_id("review-cell").first.dblclick()
    info = page.get_by_test_id("review-info")
    expect(info.get_by_test_id("review-measure-row").first).to_contain_text("at most", timeout=2 * WAIT)
    expect(info.locator('[data-setting="adapters"]')).to_have_text("atelier × 0.9")
    expect(info.locator('[data-setting="prompt"]')).to_contain_text("soft light")
    page.keyboard.press("a")
    expect(page.get_by_test_id("review-title")).to_have_text("No. 1")  # the decision goes on to the next picture
    page.keyboard.press("k")
    expect(page.get_by_test_id("review-state")).to_contain_text("Approved")
    screenshot(page, "journey-review")
    info.get_by_test_id("review-list").click()


def list_for_a_shop(page: Page) -> Path:
    """A product for the SKU, Shopify, the picture dragged into a slot, described, packed, and the zip brought home."""
    dialog = page.locator(".listing-dialog")  # nobody has added this product yet
    expect(dialog.get_by_test_id("field-sku")).to_have_value(SKU)
    dialog.get_by_test_id("field-name").fill("Nami Dress")
    dialog.get_by_test_id("dialog-send").click()
    expect(page.get_by_test_id("shop-name")).to_have_text("Nami Dress")
    page.get_by_test_id("listing-channel").select_option("shopify")
    expect(page.get_by_test_id("approved")).to_have_count(1)
    drag_to(page.get_by_test_id("approved"), page.get_by_test_id("slot-main"))
    page.get_by_test_id("alt-main").fill(ALT)
    expect(page.get_by_test_id("listing-saved")).to_have_text("Saved")
    expect(page.get_by_test_id("will-be-written")).to_contain_text("marked as AI-made")
    page.get_by_test_id("package").click()
    with page.expect_download() as download:
        page.get_by_test_id("download").click()
    screenshot(page, "journey-listing")
    return Path(download.value.path())
