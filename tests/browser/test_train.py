"""The train tab in a real browser: from the form to a brand model, found again after a reload, stopped and resumed."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from studio.records.base import new_id, now
from studio.records.photo import Dataset, Rights
from studio.studio import Studio
from tests.browser.conftest import open_tab, screenshot
from tests.train import brand

QUICK = {"lr_warmup_steps": "2", "train_batch_size": "2", "validate_every": "3", "checkpoint_every": "3"}


def put_dataset(studio: Studio, name: str) -> Dataset:
    """Eight cleared photos at the tiny base's size; two are held out."""
    dataset = Dataset(id=new_id("dat"), name=name, trigger_token=brand.TRIGGER, created_at=now())
    studio.store.datasets.put(dataset)
    for number in range(8):
        split = "train" if number < 6 else "held-out"
        brand.add_photo(studio.store, dataset, number, split=split, width_px=192, height_px=256)
    return dataset


def fill(page: Page, dataset: Dataset, **fields: str) -> None:
    """Chooses the dataset and fills the form, with what lies under More."""
    open_tab(page, "Train")
    page.get_by_test_id("dataset").select_option(dataset.id)
    page.get_by_test_id("more").locator("summary").click()
    for name, value in (QUICK | fields).items():
        page.get_by_test_id(f"field-{name}").fill(value)
    expect(page.get_by_test_id("estimate")).to_contain_text("of memory")


def test_a_training_from_the_form_to_a_brand_model(desk: Page, beside: Studio) -> None:
    dataset = put_dataset(beside, "train-tab-whole")
    fill(desk, dataset, max_train_steps="12", sample_every="6", learning_rate="0.004")
    prompts = f"{brand.TRIGGER} dress, front view\n{brand.TRIGGER} dress, side view"
    desk.get_by_test_id("field-sample_prompts").fill(prompts)
    desk.get_by_test_id("start").click()
    expect(desk.get_by_test_id("run-name")).to_have_text("train-tab-whole")
    expect(desk.get_by_test_id("run-progress")).to_contain_text("Step 12 of 12", timeout=180_000)
    expect(desk.get_by_test_id("run-state")).to_have_text("Done")
    expect(desk.get_by_test_id("verdict")).to_contain_text("held-out")
    expect(desk.get_by_test_id("chart").locator("path.held-out")).to_be_visible()
    expect(desk.get_by_test_id("best")).to_be_visible()
    expect(desk.get_by_test_id("sample")).to_have_count(4)
    loaded = "image => image.complete && image.naturalWidth === 192"
    assert desk.get_by_test_id("sample").locator("img").first.evaluate(loaded)
    desk.get_by_test_id("chart").locator("svg").hover()
    expect(desk.get_by_test_id("readout")).to_contain_text("Step")
    desk.get_by_test_id("use-checkpoint").click()
    expect(desk.get_by_test_id("made")).to_contain_text("train-tab-whole")
    assert (beside.presets.brand_model_folder("train-tab-whole") / "card.json").is_file()
    screenshot(desk, "train-done")
    desk.get_by_test_id("open-canvas").click()
    expect(desk.get_by_role("tab", name="Canvas")).to_have_attribute("aria-selected", "true")
    expect(desk.get_by_test_id("model-train-tab-whole")).to_be_checked()
    expect(desk.get_by_test_id("prompt")).to_have_value(re.compile(brand.TRIGGER))


def test_a_run_is_found_again_after_a_reload_and_stops_and_resumes(desk: Page, beside: Studio) -> None:
    dataset = put_dataset(beside, "train-tab-long")
    fill(desk, dataset, max_train_steps="4000", validate_every="1000", checkpoint_every="1000")
    desk.get_by_test_id("start").click()
    expect(desk.get_by_test_id("run-progress")).to_contain_text("of 4000")
    expect(desk.get_by_test_id("run-progress")).to_contain_text("left")
    desk.reload()
    open_tab(desk, "Train")
    expect(desk.get_by_test_id("run-name")).to_have_text("train-tab-long")
    expect(desk.get_by_test_id("run-progress")).to_contain_text("of 4000  ·  about")
    screenshot(desk, "train-running")
    desk.get_by_test_id("stop").click()
    expect(desk.get_by_test_id("run-state")).to_have_text("Stopped")
    run = next(run for run in beside.store.training_runs.find() if run.config.dataset_id == dataset.id)
    assert beside.train.checkpoints(run.id) == [run.step]
    expect(desk.get_by_test_id("run-progress")).to_have_text(f"Step {run.step} of 4000")
    desk.get_by_test_id("resume").click()
    expect(desk.get_by_test_id("run-state")).to_have_text("Training")
    desk.get_by_test_id("stop").click()
    expect(desk.get_by_test_id("run-state")).to_have_text("Stopped")
    assert beside.store.training_runs.get(run.id).step >= run.step


def test_what_is_missing_is_told_beside_the_form(desk: Page, beside: Studio) -> None:
    dataset = put_dataset(beside, "train-tab-rights")
    photos = beside.label.photos(dataset.id)
    beside.label.set_rights([photo.id for photo in photos[:2]], Rights(source="shoot"))
    fill(desk, dataset, max_train_steps="many", name="Not A Name")
    faults = desk.get_by_test_id("faults")
    expect(desk.locator("#train-fault-max_train_steps")).to_have_text("is no whole number.")
    expect(desk.locator("#train-fault-name")).to_contain_text("lower case")
    desk.get_by_test_id("field-max_train_steps").fill("20")
    desk.get_by_test_id("field-name").fill("train-tab-rights")
    expect(faults).to_contain_text("Rights missing on 2")
    desk.get_by_test_id("start").click()
    expect(faults).to_be_focused()
    for photo in photos[:2]:
        expect(faults).to_contain_text(photo.file_name)
    expect(faults).to_contain_text("owner, licence, model release")
    screenshot(desk, "train-faults")
    assert not [run for run in beside.store.training_runs.find() if run.config.dataset_id == dataset.id]


def test_a_dataset_handed_over_is_chosen_and_its_name_runs_nothing(desk: Page, beside: Studio) -> None:
    dataset = put_dataset(beside, "train-tab-<img src=x onerror=alert(1)>${1+1}")
    put_dataset(beside, "train-tab-newest")
    open_tab(desk, "Train")
    expect(desk.get_by_test_id("dataset").locator("option", has_text="train-tab-newest")).to_be_attached()
    desk.evaluate("id => window.sasage.emit('use-dataset', {dataset_id: id})", dataset.id)
    expect(desk.get_by_test_id("dataset")).to_have_value(dataset.id)
    expect(desk.get_by_test_id("field-trigger_token")).to_have_value(brand.TRIGGER)
    desk.get_by_test_id("preset-style").click()
    expect(desk.get_by_test_id("field-max_train_steps")).to_have_value("200")
    expect(desk.get_by_test_id("preset-style")).to_contain_text("of memory")
    expect(desk.get_by_test_id("field-lora_rank")).to_have_value("4")
