"""The listing tab in the browser: pictures into slots, findings with their fixes, undo, and the package."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from studio.records.base import new_id, now
from studio.records.generation import GenerationRequest, Variant
from studio.records.look import Look
from studio.records.product import Product
from studio.records.review import decide
from studio.studio import Studio
from tests.browser.conftest import open_tab, screenshot

PHOTOS = Path(__file__).resolve().parents[2] / "presets" / "sample_brand" / "photos"
PLANTS = "${window.planted=1} {{window.planted=1}} <img src=x onerror='window.planted=1'>"


def seed(studio: Studio, sku: str, pictures: int, *, name: str = "Nami Dress", alike: int = 0) -> list[Variant]:
    """A product with approved pictures of a sample photo's size; the first is rated best."""
    sizes = {
        size: {"chest": chest, "waist": chest - 50, "length": 1085 + 20 * step}
        for step, (size, chest) in enumerate({"S": 870.0, "M": 910.0, "L": 950.0}.items())
    }
    studio.store.products.put(
        Product(sku=sku, name=name, brand="Atelier Uroko", colourway="Teal", price=18000.0, size_table_mm=sizes)
    )
    made = []
    for number in range(pictures):
        with Image.open(PHOTOS / f"{number + 1 + alike:03d}.jpg") as photo:
            buffer = io.BytesIO()
            photo.convert("RGB").save(buffer, "PNG")
        sha256 = studio.store.files.put_bytes(buffer.getvalue(), ".png")
        look = Look(name="studio", gender="woman", age_group="30s")
        request = GenerationRequest(base="croquis", prompt="a dress", seed=1, look=look)
        variant = Variant(
            id=new_id("var"), batch_id="b", request=request, sku=sku, seconds=1.0, created_at=now(), image_sha256=sha256
        )
        studio.store.variants.put(variant)
        studio.store.decisions.add(decide(variant.id, "approved", author="mika", rating=max(1, 5 - number)))
        made.append(variant)
    return made


def open_listing(page: Page, sku: str, channel: str) -> None:
    """Opens the tab, which reads the products when it is first opened, on one of them."""
    open_tab(page, "Listing")
    page.get_by_test_id("listing-product").select_option(sku)
    page.get_by_test_id("listing-channel").select_option(channel)
    expect(page.locator(".slots[inert]")).to_have_count(0)
    expect(page.get_by_test_id("approved").first).to_be_visible()


def place(what: Locator) -> dict[str, float]:
    """Where an element stands. The desk may just be drawing it anew, so it is asked for until it is there."""
    for _ in range(100):
        what.hover(trial=True)
        found = what.bounding_box()
        if found:
            return {**found}
        what.page.wait_for_timeout(100)
    raise AssertionError(f"{what} is never seen")


def drag(page: Page, what: Locator, to: Locator) -> None:
    start, end = place(what), place(to)
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(start["x"] + start["width"] / 2 + 12, start["y"] + start["height"] / 2 + 4)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=4)
    page.mouse.up()


def filled(studio: Studio, sku: str, channel: str) -> list[tuple[str, str]]:
    return [(slot.slot, slot.variant_id) for slot in studio.listing.open(sku, channel).slots]


def picture(page: Page, variant: Variant) -> Locator:
    return page.locator(f"[data-testid=approved][data-variant={variant.id}]")


def test_pictures_are_dragged_into_slots_and_the_drag_is_undone(desk: Page, beside: Studio) -> None:
    first, second, _ = seed(beside, "DRAG-1", 3)
    open_listing(desk, "DRAG-1", "etsy")
    drag(desk, picture(desk, second), desk.get_by_test_id("slot-main"))
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    drag(desk, picture(desk, first), desk.get_by_test_id("slot-alt-1"))
    expect(desk.get_by_test_id("alt-alt-1")).to_have_value(re.compile("Nami Dress in Teal, worn by a woman"))
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    assert filled(beside, "DRAG-1", "etsy") == [("main", second.id), ("alt-1", first.id)]
    # From slot to slot the two change places.
    drag(desk, desk.get_by_test_id("slot-alt-1").locator(".frame"), desk.get_by_test_id("slot-main"))
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    assert filled(beside, "DRAG-1", "etsy") == [("main", first.id), ("alt-1", second.id)]
    desk.keyboard.press("Control+z")
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    assert filled(beside, "DRAG-1", "etsy") == [("main", second.id), ("alt-1", first.id)]
    # Back to the left, it leaves the slot.
    drag(desk, desk.get_by_test_id("slot-alt-1").locator(".frame"), picture(desk, first))
    expect(desk.get_by_test_id("slot-alt-1")).to_contain_text("Drop a picture here")
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    assert filled(beside, "DRAG-1", "etsy") == [("main", second.id)]


def test_the_keyboard_alone_fills_and_reorders_the_slots(desk: Page, beside: Studio) -> None:
    first, second = seed(beside, "KEYS-1", 2)
    open_listing(desk, "KEYS-1", "etsy")
    picture(desk, first).focus()
    desk.keyboard.press("Space")
    desk.keyboard.press("2")
    expect(desk.get_by_test_id("alt-alt-1")).to_be_visible()
    picture(desk, second).focus()
    desk.keyboard.press("Space")
    desk.keyboard.press("Enter")
    expect(desk.get_by_test_id("alt-main")).to_be_visible()
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    assert filled(beside, "KEYS-1", "etsy") == [("main", second.id), ("alt-1", first.id)]
    desk.get_by_test_id("slot-main").locator(".frame").focus()
    desk.keyboard.press("ArrowDown")
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    assert filled(beside, "KEYS-1", "etsy") == [("main", first.id), ("alt-1", second.id)]
    desk.keyboard.press("Delete")
    expect(desk.get_by_test_id("alt-alt-1")).to_have_count(0)


def test_a_refused_shape_is_padded_by_its_button_and_packed(desk: Page, beside: Studio) -> None:
    seed(beside, "NAMI-DRESS-TEAL", 5)
    open_listing(desk, "NAMI-DRESS-TEAL", "zalando")
    desk.get_by_test_id("fill-by-rating").click()
    main = desk.get_by_test_id("slot-main")
    expect(main).to_contain_text("The picture is 1:1.33; the channel shows 1:1.44")
    expect(desk.get_by_test_id("package")).to_be_disabled()
    expect(desk.get_by_test_id("refused")).to_have_text("✕ 5 slots refused")
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    screenshot(desk, "listing-refused")
    for slot in ("main", "alt-1", "alt-2", "alt-3", "alt-4"):
        desk.get_by_test_id(f"slot-{slot}").get_by_role("button", name="Pad to 1:1.44 on white").click()
        expect(desk.get_by_test_id(f"slot-{slot}")).to_contain_text("On white in the channel's shape")
    expect(desk.get_by_test_id("refused")).to_have_count(0)
    expect(desk.get_by_test_id("will-be-written")).to_have_text(re.compile(r"7 files, [\d.]+ [kM]B, marked as AI-made"))
    expect(desk.get_by_test_id("file-main")).to_contain_text("NAMI-DRESS-TEAL_01.jpg   768 x 1106 px")
    desk.get_by_test_id("package").click()
    with desk.expect_download() as download:
        desk.get_by_test_id("download").click()
    assert download.value.suggested_filename.startswith("NAMI-DRESS-TEAL_zalando_")
    with zipfile.ZipFile(download.value.path()) as archive:
        names = archive.namelist()
        with Image.open(io.BytesIO(archive.read("images/NAMI-DRESS-TEAL_01.jpg"))) as packed:
            assert packed.size == (768, 1106)
            assert min(packed.convert("RGB").getpixel((2, 2))) > 250  # type: ignore[arg-type]
    assert names == [f"images/NAMI-DRESS-TEAL_0{n}.jpg" for n in range(1, 6)] + ["manifest.csv", "manifest.json"]
    screenshot(desk, "listing-packed")


def test_alternative_text_is_kept_over_a_reload(desk: Page, beside: Studio) -> None:
    seed(beside, "ALT-1", 1)
    open_listing(desk, "ALT-1", "etsy")
    desk.get_by_test_id("fill-by-rating").click()
    desk.get_by_test_id("alt-main").fill("Teal wave print, from the front")
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    desk.reload()
    open_listing(desk, "ALT-1", "etsy")
    expect(desk.get_by_test_id("alt-main")).to_have_value("Teal wave print, from the front")
    assert beside.listing.open("ALT-1", "etsy").slots[0].alt_text == "Teal wave print, from the front"


def test_what_loses_its_approval_cannot_be_packed(desk: Page, beside: Studio) -> None:
    (variant,) = seed(beside, "LOST-1", 1)
    open_listing(desk, "LOST-1", "etsy")
    desk.get_by_test_id("fill-by-rating").click()
    expect(desk.get_by_test_id("package")).to_be_enabled()
    beside.store.decisions.add(decide(variant.id, "rejected", author="ken", reasons=("hands",)))
    expect(desk.get_by_test_id("slot-main")).to_contain_text("This picture is not approved any more")
    expect(desk.get_by_test_id("package")).to_be_disabled()
    expect(desk.get_by_text("No approved pictures of Nami Dress yet.")).to_be_visible()
    desk.get_by_test_id("slot-main").get_by_role("button", name="Take out").click()
    expect(desk.get_by_test_id("will-be-written")).to_have_text("No picture is in a slot yet.")


def test_texts_of_people_never_run(desk: Page, beside: Studio) -> None:
    seed(beside, "PLANT-1", 1, name=PLANTS)
    open_listing(desk, "PLANT-1", "etsy")
    desk.get_by_test_id("fill-by-rating").click()
    desk.get_by_test_id("alt-main").fill(PLANTS)
    expect(desk.get_by_test_id("listing-saved")).to_have_text("Saved")
    desk.get_by_test_id("package").click()
    expect(desk.get_by_test_id("download")).to_be_visible()
    desk.reload()
    open_listing(desk, "PLANT-1", "etsy")
    expect(desk.get_by_test_id("shop-name")).to_have_text(PLANTS)
    expect(desk.get_by_test_id("shop-main")).to_have_attribute("alt", PLANTS)
    assert desk.evaluate("window.planted") is None


def test_a_product_is_added_by_the_form_and_by_csv(desk: Page, beside: Studio) -> None:
    seed(beside, "ANY-1", 1)
    open_listing(desk, "ANY-1", "etsy")
    desk.get_by_test_id("add-product").click()
    desk.get_by_test_id("field-sku").fill("FORM-1")
    desk.get_by_test_id("field-name").fill("Kasumi shirt")
    desk.get_by_test_id("field-price").fill("12900")
    desk.get_by_text("Sizes in mm").click()
    desk.get_by_label("Chest M (mm)").fill("960")
    screenshot(desk, "listing-product")
    desk.get_by_test_id("dialog-send").click()
    expect(desk.get_by_test_id("shop-name")).to_have_text("Kasumi shirt")
    expect(desk.get_by_test_id("shop-price")).to_have_text("¥12,900")
    assert beside.store.products.get("FORM-1").size_table_mm == {"M": {"chest": 960.0}}
    screenshot(desk, "listing-empty")
    desk.get_by_test_id("add-product").click()
    desk.get_by_role("button", name="Import products from CSV").click()
    table = "sku,name\nCSV-1,麻のドレス\n".encode()
    desk.get_by_test_id("csv-file").set_input_files({"name": "p.csv", "mimeType": "text/csv", "buffer": table})
    desk.get_by_test_id("dialog-send").click()
    expect(desk.get_by_test_id("shop-name")).to_have_text("麻のドレス")


def test_review_hands_a_product_over(desk: Page, beside: Studio) -> None:
    seed(beside, "HAND-1", 1)
    open_tab(desk, "Listing")
    desk.evaluate("window.sasage.emit('list-sku', {sku: 'HAND-1'})")
    expect(desk.get_by_test_id("listing-product")).to_have_value("HAND-1")
