"""The models panel in the browser: a base from its licence over a cut connection to installed, checked, removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.settings import Settings
from tests.browser.conftest import open_tab, screenshot, serving, watched
from tests.models.hub_server import hub_server
from tests.ui.test_models import FILES, write_models

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def own_presets(tmp_path: Path, tiny_presets: Path) -> Path:
    """The tiny base, and models to be pulled from a small hub."""
    presets = tmp_path / "presets"
    shutil.copytree(tiny_presets, presets)
    write_models(presets)
    return presets


def test_a_base_is_accepted_pulled_over_a_cut_checked_and_removed(
    page: Page, own_settings: Settings, own_presets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = own_settings.model_copy(update={"presets": own_presets})
    with hub_server() as hub:
        hub.files["atelier/sd"] = dict(FILES)
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with serving(settings) as address:
            faults = watched(page, address)
            page.goto(address)
            choose_in_the_canvas(page)
            accept_and_pull(page, hub.cuts)
            go_on_and_check(page)
            remove(page)
            assert faults == []


def choose_in_the_canvas(page: Page) -> None:
    """A base that is not here opens the panel instead of being taken."""
    open_tab(page, "Canvas")
    page.get_by_test_id("more").click()
    base = page.get_by_test_id("canvas-base")
    expect(base.locator("option[value=sd15]")).to_have_text("Stable Diffusion 1.5: Not here yet")
    base.select_option("sd15")
    expect(page.get_by_test_id("models-detail")).to_have_attribute("data-name", "sd15")
    expect(base).to_have_value("croquis")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("models-panel")).not_to_be_visible()
    page.get_by_test_id("models-button").click()
    page.get_by_test_id("model-croquis").click()
    expect(page.get_by_test_id("cannot-controlnet:canny")).to_contain_text("Croquis has a ControlNet for poses only.")
    page.get_by_test_id("model-openpose-body").click()
    expect(page.get_by_test_id("models-detail")).to_contain_text("can run code")
    expect(page.get_by_test_id("model-pull")).to_have_count(0)


def accept_and_pull(page: Page, cuts: dict[str, list[int]]) -> None:
    page.get_by_test_id("model-sd15").click()
    expect(page.get_by_test_id("model-commercial")).to_have_text("Commercial use: yes")
    expect(page.get_by_test_id("models-machine")).to_contain_text("computes in fp32")
    screenshot(page, "models-absent")
    page.get_by_test_id("model-pull").click()
    expect(page.locator(".toast", has_text="accepted by a person")).to_be_visible()
    page.get_by_test_id("model-by").fill("Aoi Tanaka")
    cuts[WEIGHTS] = [2_000_000, 0, 0, 0]
    page.get_by_test_id("model-pull").click()
    expect(page.get_by_test_id("model-progress")).to_contain_text("of 3 MB")
    expect(page.get_by_test_id("model-state")).to_have_text("Pulling")
    screenshot(page, "models-pulling")
    expect(page.get_by_test_id("model-error")).to_contain_text("broke at byte")
    expect(page.get_by_test_id("model-state")).to_contain_text("Half pulled")
    expect(page.get_by_test_id("model-accepted")).to_contain_text("Accepted by Aoi Tanaka")
    screenshot(page, "models-half")


def go_on_and_check(page: Page) -> None:
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_test_id("model-state")).to_contain_text("Installed")
    expect(page.get_by_test_id("model-error")).to_have_count(0)
    page.get_by_test_id("model-verify").click()
    expect(page.get_by_test_id("model-checked")).to_contain_text("Every file is whole")
    expect(page.get_by_test_id("canvas-base").locator("option[value=sd15]")).to_have_text("Stable Diffusion 1.5")


def remove(page: Page) -> None:
    page.get_by_test_id("model-remove").click()
    expect(page.get_by_test_id("models-detail")).to_contain_text("3 MB become free")
    screenshot(page, "models-remove")
    page.get_by_test_id("model-keep").click()
    expect(page.get_by_test_id("model-state")).to_contain_text("Installed")
    page.get_by_test_id("model-remove").click()
    page.get_by_test_id("model-remove-now").click()
    expect(page.locator(".toast", has_text="3 MB became free")).to_be_visible()
    expect(page.get_by_test_id("model-state")).to_contain_text("Not here yet")
    page.get_by_test_id("models-close").click()
    page.get_by_test_id("jobs-button").click()
    expect(page.get_by_test_id("job").filter(has_text="Pulling sd15").first).to_be_visible()
    expect(page.get_by_test_id("canvas-base").locator("option[value=sd15]")).to_have_text(
        "Stable Diffusion 1.5: Not here yet"
    )
