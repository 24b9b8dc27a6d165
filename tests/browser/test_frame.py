"""The frame of the page: tabs, jobs drawer, language, theme, keys."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from studio.studio import Studio


def test_the_page_has_the_five_tabs_in_the_order_of_work(desk: Page) -> None:
    tabs = desk.get_by_role("tablist").get_by_role("tab")
    expect(tabs).to_have_text(["Label", "Train", "Canvas", "Review", "Listing"])


def test_language_and_theme_are_kept_over_a_reload(desk: Page) -> None:
    desk.get_by_test_id("theme").click()
    desk.get_by_test_id("language").click()
    expect(desk.get_by_role("tab", name="キャンバス", exact=True)).to_be_visible()
    assert desk.evaluate("document.documentElement.dataset.theme") == "light"


def test_the_question_mark_shows_the_keys_and_escape_hides_them(desk: Page) -> None:
    desk.keyboard.press("?")
    expect(desk.get_by_role("dialog", name="Keys")).to_be_visible()
    desk.keyboard.press("Escape")
    expect(desk.get_by_role("dialog", name="Keys")).to_have_count(0)


def test_a_job_that_fails_is_told_in_plain_words_in_the_drawer(desk: Page, beside: Studio) -> None:
    beside.jobs.submit("train", {"run_id": "run_that_is_not_there"}, owner="mika")
    desk.get_by_test_id("jobs-button").click()
    failed = desk.get_by_test_id("job").filter(has_text="run_that_is_not_there").first
    expect(failed).to_contain_text("mika", timeout=30_000)
    expect(failed).to_contain_text("Failed", timeout=60_000)
