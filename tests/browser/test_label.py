"""The label tab in a real browser: photos in, chosen by keys, captioned, cropped, with rights; and hostile names."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, expect

from studio.records.photo import Photo, Rights
from studio.studio import Studio
from tests.browser.conftest import ROOT, open_tab, screenshot
from tests.browser.hands import drop_files

SAMPLE = ROOT / "presets" / "sample_brand" / "photos"
PLANTS = ("${window.hacked = 1}", "{{window.hacked = 1}}", '<img src=x onerror="window.hacked = 1">')
CLEARED = Rights(source="own shoot", owner="Mika", licence="own", model_release="not-needed")
SLOW_MS = 60_000


def ingested(studio: Studio, dataset: str, first: int, count: int, rights: Rights | None = None) -> list[Photo]:
    """Some of the sample brand's photos as a dataset."""
    files = [SAMPLE / f"{number:03}.jpg" for number in range(first, first + count)]
    found = next((d for d in studio.label.datasets() if d.name == dataset), None)
    if found is None:
        found = studio.label.ingest(files, dataset=dataset, rights=rights).dataset
    return studio.label.photos(found.id)


def open_dataset(page: Page, name: str, photos: int) -> Locator:
    """Opens the tab with a dataset; returns its pictures."""
    open_tab(page, "Label")
    chooser = page.get_by_test_id("dataset")
    expect(chooser.locator("option", has_text=re.compile(f"^{name}$"))).to_have_count(1, timeout=SLOW_MS)
    chooser.select_option(label=name)
    expect(page.get_by_test_id("photo")).to_have_count(photos, timeout=SLOW_MS)
    return page.get_by_test_id("shot")


def renamed(path: Path, name: str, quality: int) -> FilePayload:
    """A photo under another name, encoded anew so that it is a file of its own."""
    buffer = io.BytesIO()
    Image.open(path).save(buffer, "JPEG", quality=quality)
    return {"name": name, "mimeType": "image/jpeg", "buffer": buffer.getvalue()}


def test_photos_come_in_and_what_cannot_be_used_is_told_with_the_reason(desk: Page, beside: Studio) -> None:
    open_tab(desk, "Label")
    desk.get_by_test_id("dataset").select_option("+")
    desk.get_by_test_id("new-name").fill("dropped photos")
    desk.get_by_test_id("create").click()
    expect(desk.get_by_test_id("empty")).to_contain_text("Drop 20 to 50 photos here")
    screenshot(desk, "label-empty")
    files: list[FilePayload] = [
        renamed(SAMPLE / "001.jpg", f"{PLANTS[2]}.jpg", 90),
        renamed(SAMPLE / "009.jpg", "two ${window.hacked = 1}.jpg", 90),
        {"name": "no picture.jpg", "mimeType": "image/jpeg", "buffer": b"just words"},
        {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": b"ftyp"},
    ]
    desk.get_by_test_id("photo-input").set_input_files(files)
    report = desk.get_by_test_id("intake")
    expect(report).to_contain_text("2 photos added to dropped photos", timeout=2 * SLOW_MS)
    expect(report).to_contain_text("no picture.jpg")
    expect(report).to_contain_text("Export it as JPEG, PNG or WebP")
    expect(desk.get_by_test_id("photo")).to_have_count(2)
    expect(desk.get_by_test_id("wall")).to_contain_text(PLANTS[2])
    screenshot(desk, "label-report")
    desk.get_by_test_id("photo-input").set_input_files(
        {"name": "shoot.zip", "mimeType": "application/zip", "buffer": b"PK\x03\x04 and then nothing"}
    )
    expect(report).to_contain_text("shoot.zip cannot be read as a zip", timeout=2 * SLOW_MS)
    desk.get_by_test_id("close-report").click()
    expect(report).to_be_hidden()
    assert desk.evaluate("window.hacked") is None


def test_photos_are_chosen_by_click_shift_and_keys(desk: Page, beside: Studio) -> None:
    ingested(beside, "choosing", 1, 4, CLEARED)
    shots = open_dataset(desk, "choosing", 4)
    chosen = desk.locator("[data-testid=shot][aria-checked=true]")
    shots.nth(0).click()
    shots.nth(2).click(modifiers=["Shift"])
    expect(chosen).to_have_count(3)
    shots.nth(1).click(modifiers=["Control"])
    expect(chosen).to_have_count(2)
    desk.keyboard.press("Control+a")
    expect(chosen).to_have_count(4)
    desk.keyboard.press("Escape")
    expect(chosen).to_have_count(0)
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("Shift+ArrowRight")
    expect(chosen).to_have_count(2)
    desk.keyboard.press("1")
    expect(desk.get_by_test_id("photo").first).to_contain_text("front", timeout=SLOW_MS)
    expect(desk.get_by_test_id("photo").nth(1)).to_contain_text("front")
    desk.keyboard.press("Control+z")
    expect(desk.get_by_test_id("photo").first).not_to_contain_text("front", timeout=SLOW_MS)


def test_a_caption_saves_itself_runs_nothing_and_its_undo_outlives_a_reload(desk: Page, beside: Studio) -> None:
    photo = ingested(beside, "captions", 5, 2, CLEARED)[0]
    open_dataset(desk, "captions", 2)
    caption = desk.get_by_test_id("caption").first
    before = caption.input_value()
    caption.fill(" ".join(PLANTS))
    expect(desk.get_by_test_id("saved")).to_contain_text("Saved", timeout=SLOW_MS)
    assert beside.store.photos.get(photo.id).caption == " ".join(PLANTS)
    desk.reload()
    open_dataset(desk, "captions", 2)
    expect(caption).to_have_value(" ".join(PLANTS))
    desk.get_by_test_id("shot").first.click()
    expect(desk.get_by_test_id("side-caption")).to_have_value(" ".join(PLANTS))
    desk.keyboard.press("Control+z")
    expect(caption).to_have_value(before, timeout=SLOW_MS)
    assert beside.store.photos.get(photo.id).caption == before
    assert desk.evaluate("window.hacked") is None


def test_a_crop_is_drawn_and_kept_in_px_of_the_picture(desk: Page, beside: Studio) -> None:
    photo = ingested(beside, "cropping", 7, 1, CLEARED)[0]
    open_dataset(desk, "cropping", 1).first.click()
    surface = desk.get_by_test_id("crop")
    expect(desk.get_by_test_id("crop-size")).to_contain_text("Drag")
    box = surface.bounding_box()
    assert box is not None
    desk.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    desk.mouse.down()
    desk.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    desk.mouse.move(box["x"] + box["width"] * 3, box["y"] + box["height"] / 2, steps=4)
    desk.mouse.up()
    expect(desk.locator("[data-testid=shot] img")).to_have_attribute("src", re.compile("crop="), timeout=SLOW_MS)
    crop = beside.store.photos.get(photo.id).crop_px
    assert crop is not None
    assert crop == pytest.approx((photo.width_px / 4, photo.height_px / 4, photo.width_px, photo.height_px / 2), abs=6)
    assert crop[2] == photo.width_px
    desk.get_by_test_id("crop-reset").click()
    expect(desk.get_by_test_id("crop-size")).to_contain_text("Drag", timeout=SLOW_MS)
    desk.keyboard.press("Control+z")
    expect(desk.get_by_test_id("crop-size")).to_contain_text("Crop", timeout=SLOW_MS)
    assert beside.store.photos.get(photo.id).crop_px == crop


def test_rights_and_words_are_set_over_a_selection_and_come_back_with_one_undo(desk: Page, beside: Studio) -> None:
    photos = ingested(beside, "rights", 11, 3)
    open_dataset(desk, "rights", 3)
    expect(desk.get_by_test_id("headline")).to_contain_text("Rights missing on 3.")
    desk.get_by_test_id("shot").first.click()
    desk.keyboard.press("Control+a")
    for name in ("source", "owner", "licence"):
        desk.get_by_test_id(f"rights-{name}").fill("Atelier")
    desk.get_by_test_id("rights-model_release").select_option("signed")
    desk.get_by_test_id("rights-set").click()
    expect(desk.get_by_test_id("headline")).to_contain_text("3 of 3 ready.", timeout=SLOW_MS)
    assert {p.rights.owner for p in beside.label.photos(photos[0].dataset_id)} == {"Atelier"}
    trigger = photos[0].caption.split(",")[0].split()[0]
    desk.get_by_test_id("find").fill(trigger)
    expect(desk.get_by_test_id("replace-count")).to_contain_text("In 3 captions")
    desk.get_by_test_id("replacement").fill("another")
    desk.get_by_test_id("replace").click()
    expect(desk.get_by_test_id("caption").first).to_have_value(re.compile("another"), timeout=SLOW_MS)
    desk.keyboard.press("Escape")
    desk.keyboard.press("Control+z")
    expect(desk.get_by_test_id("caption").first).to_have_value(photos[0].caption, timeout=SLOW_MS)


def test_a_dataset_is_held_out_exported_and_offered_to_training(desk: Page, beside: Studio) -> None:
    ingested(beside, "whole", 15, 6, CLEARED)
    open_dataset(desk, "whole", 6)
    desk.get_by_test_id("split-share").fill("30")
    desk.get_by_test_id("split").click()
    expect(desk.get_by_test_id("split-counts")).to_have_text(re.compile("[1-5] held out"), timeout=2 * SLOW_MS)
    with desk.expect_download(timeout=2 * SLOW_MS) as download:
        desk.get_by_test_id("export").click()
    assert download.value.suggested_filename == "whole.zip"
    screenshot(desk, "label")
    desk.get_by_test_id("shot").first.click()
    expect(desk.locator(".crop-picture img")).to_have_js_property("complete", True, timeout=SLOW_MS)
    screenshot(desk, "label-photo")
    desk.get_by_test_id("next-step").click()
    expect(desk.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")


def test_dropped_files_are_taken_from_the_disk_and_what_cannot_be_used_is_said(
    desk: Page, beside: Studio, tmp_path: Path
) -> None:
    ingested(beside, "dropping", 21, 1, CLEARED)
    open_dataset(desk, "dropping", 1)
    huge, broken, film, empty = (tmp_path / name for name in ("huge.jpg", "broken.zip", "clip.mov", "nothing.png"))
    with huge.open("wb") as file:
        file.truncate(300 * 2**20)  # a sparse file
    broken.write_bytes(b"PK\x03\x04 and then nothing")
    film.write_bytes(b"moov")
    empty.touch()
    drop_files(desk, desk.get_by_test_id("wall"), [SAMPLE / "022.jpg", huge, film, empty])
    report = desk.get_by_test_id("intake")
    expect(report).to_contain_text("1 photo added", timeout=2 * SLOW_MS)
    why = {"huge.jpg": "315 MB", "clip.mov": "Export it as JPEG, PNG or WebP", "nothing.png": "empty"}
    for name, words in why.items():
        expect(report.get_by_role("listitem").filter(has_text=name)).to_contain_text(words)
    expect(desk.get_by_test_id("photo")).to_have_count(2)
    drop_files(desk, desk.get_by_test_id("wall"), [broken])
    expect(report).to_contain_text("broken.zip cannot be read as a zip", timeout=2 * SLOW_MS)
    expect(desk.locator(".drop-veil")).to_be_hidden()
