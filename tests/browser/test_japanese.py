"""The page in Japanese: what services say is said in Japanese too, and nothing of it runs or takes long."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from studio.records.photo import Rights
from studio.records.product import Product
from studio.settings import Settings
from studio.studio import Studio
from tests.browser.conftest import ROOT, open_tab, screenshot, serving

SAMPLE = ROOT / "presets" / "sample_brand" / "photos"
CLEARED = Rights(source="own shoot", owner="Mika", licence="own", model_release="not-needed")
SLOW_MS = 60_000
ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")
"""Three English words in a row: a sentence that was forgotten. Names have fewer."""
SAID = {
    "There is no base named 'x'. Known bases: croquis, tiny.": "ベース 'x' はありません。使えるベース：croquis, tiny。",
    "spring cannot be trained: 2 photos without cleared rights\n  a b.jpg: rights missing: source, model release."
    "\nalso to mend\n  c.jpg: has no caption. Write one, or fill it from the template.":
        "spring は学習できません：権利を確認できない写真が2枚あります"
        "\n  a b.jpg：権利情報の不足：出所、モデルの同意書。"
        "\nほかに直すところ\n  c.jpg：キャプションがありません。書き込むか、ひな形から入力してください。",
    "D-1 for Zalando: 1 to mend\n  main: 192x256, needs 762x1100. Generate at this size or larger.":
        "Zalando 向けの D-1：直すところが1か所あります"
        "\n  main：192x256（必要：762x1100）。このサイズ以上で作り直してください。",
    "pose mm median 51 mm, at most 45 asked; joints read not measured: there is no judge":
        "ポーズのずれ（中央値） 51 mm（上限 45）、認識できた関節は未測定：自動計測がありません",
    "Unexpected OSError: what. ever. The log has the details.":
        "予期しないエラー（OSError：what. ever）が起きました。詳しくはログをご覧ください。",
    "<b>${x}</b> has no photos.": "<b>${x}</b> には写真がありません。",
    "What nobody wrote down stays. Try again.": "What nobody wrote down stays. もう一度お試しください。",
}  # fmt: skip


@pytest.fixture
def japanese(desk: Page) -> Page:
    """The page, in Japanese."""
    desk.get_by_test_id("language").click()
    expect(desk.get_by_role("tab", name="キャンバス", exact=True)).to_be_visible()
    return desk


def small_photo(folder: Path) -> Path:
    """A photo of fewer pixels than training uses."""
    with Image.open(SAMPLE / "021.jpg") as photo:
        photo.resize((120, 160)).save(folder / "small.jpg")
    return folder / "small.jpg"


def open_in_japanese(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def test_sentences_of_services_are_found_in_the_catalogue_piece_by_piece(japanese: Page) -> None:
    for text, said in SAID.items():
        assert japanese.evaluate("(text) => window.sasage.plain(text)", text) == said
    hostile = ("refused by a check: " * 190, "a: x has , ; . is not one of " * 130, "lies 1 px above and " * 190)
    started = time.monotonic()
    for text in (*hostile, "x" * 5000):
        assert japanese.evaluate("(text) => window.sasage.plain(text).length", text)
    assert time.monotonic() - started < 20  # one on a quiet machine; a search that tries every way takes minutes
    japanese.get_by_test_id("language").click()
    expect(japanese.get_by_role("tab", name="Canvas", exact=True)).to_be_visible()
    assert all(japanese.evaluate("(text) => window.sasage.plain(text)", text) == text for text in SAID)


def test_toasts_findings_jobs_and_reasons_are_japanese(japanese: Page, beside: Studio, tmp_path: Path) -> None:
    beside.label.ingest([small_photo(tmp_path), SAMPLE / "022.jpg"], dataset="japanese", rights=CLEARED)
    beside.jobs.submit("train", {"run_id": "run_nowhere"}, owner="mika")
    open_in_japanese(japanese, "写真")
    chooser = japanese.get_by_test_id("dataset")
    expect(chooser.locator("option", has_text="japanese")).to_have_count(1, timeout=SLOW_MS)
    chooser.select_option(label="japanese")
    photo = japanese.get_by_test_id("photo").filter(has_text="small.jpg")
    photo.get_by_test_id("shot").click(timeout=SLOW_MS)
    expect(japanese.locator(".findings")).to_contain_text("120x160 px は、学習で使う 192x256 px より小さいです。")
    chooser.select_option("+")
    japanese.get_by_test_id("new-name").fill("token")
    japanese.get_by_test_id("new-token").fill("Dress")
    japanese.get_by_test_id("create").click()
    toast = japanese.locator(".toast.error")
    expect(toast).to_contain_text("半角の小文字と数字で3〜16文字、先頭は英字にしてください。", timeout=SLOW_MS)
    expect(toast).to_contain_text("造語にしてください（例：")
    screenshot(japanese, "japanese-finding")
    japanese.keyboard.press("Escape")
    japanese.get_by_test_id("jobs-button").click()
    failed = japanese.get_by_test_id("job").filter(has_text="run_nowhere").first
    expect(failed).to_contain_text(
        "学習 'run_nowhere' はありません。名前を確かめるか、一覧からお選びください。", timeout=SLOW_MS
    )
    screenshot(japanese, "japanese-job")
    japanese.get_by_test_id("jobs-button").click()
    open_in_japanese(japanese, "キャンバス")
    reasons = japanese.get_by_test_id("guide-reasons")
    expect(reasons).to_contain_text("croquis の ControlNet はポーズ専用です。", timeout=SLOW_MS)


def test_no_tab_shows_an_english_sentence(page: Page, own_settings: Settings) -> None:
    """In a home of its own: pictures of other tests carry English prompts, which are theirs."""
    with Studio(own_settings) as studio:
        studio.label.ingest([SAMPLE / "023.jpg", SAMPLE / "024.jpg"], dataset="words", rights=CLEARED)
    with serving(own_settings) as address:
        page.goto(address)
        page.get_by_test_id("language").click()
        for name in ("写真", "学習", "キャンバス", "選定", "出品"):
            open_in_japanese(page, name)
            page.wait_for_timeout(2500)
            assert forgotten(page) == [], name


def forgotten(page: Page) -> list[str]:
    """What stands on the page, or in its tooltips and names, and is an English sentence."""
    titles = page.evaluate(
        "[...document.querySelectorAll('[title], [aria-label], [placeholder]')].filter((one) => one.offsetParent)"
        ".flatMap((one) => ['title', 'aria-label', 'placeholder'].map((name) => one.getAttribute(name) || ''))"
    )
    return [line for line in (*page.locator("body").inner_text().splitlines(), *titles) if ENGLISH.search(line)]


def test_a_brand_is_chosen_once_and_every_tab_shows_what_belongs_to_it(desk: Page, beside: Studio) -> None:
    for sku, brand in (("SORA-1", "Sora"), ("TSUKI-1", "Tsuki")):
        beside.store.products.put(Product(sku=sku, name="Dress", brand=brand))
    desk.reload()
    chooser = desk.get_by_test_id("brand")
    expect(chooser.locator("option")).to_contain_text(["All brands"])
    open_tab(desk, "Listing")
    products = desk.get_by_test_id("listing-product").locator("option")
    expect(products.filter(has_text="SORA-1")).to_have_count(1, timeout=SLOW_MS)
    chooser.select_option("Sora")
    expect(products.filter(has_text="TSUKI-1")).to_have_count(0, timeout=SLOW_MS)
    expect(products.filter(has_text="SORA-1")).to_have_count(1)
    screenshot(desk, "brand")
    desk.reload()
    expect(desk.get_by_test_id("brand")).to_have_value("Sora")
    open_tab(desk, "Listing")
    expect(products.filter(has_text="SORA-1")).to_have_count(1, timeout=SLOW_MS)
    expect(products.filter(has_text="TSUKI-1")).to_have_count(0)
