"""The actions of the listing tab, on a tiny studio."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from studio.records.base import new_id, now
from studio.records.generation import GenerationRequest, Variant
from studio.records.product import Product
from studio.records.review import decide
from studio.studio import Studio
from studio.ui.components.listing_desk import ListingDesk

ZALANDO = {"sku": "D-1", "channel": "zalando"}
ETSY = {"sku": "D-1", "channel": "etsy"}


@pytest.fixture
def desk(studio: Studio) -> ListingDesk:
    studio.store.products.put(Product(sku="D-1", name="Linen dress", colourway="navy"))
    return ListingDesk(studio)


def _variant(studio: Studio, level: int = 200, *, base: str = "croquis", verdict: str = "approved") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (768, 1024), (level, level, 90)).save(buffer, "PNG")
    variant = Variant(
        id=new_id("var"), batch_id="b", request=GenerationRequest(base=base, prompt="a dress", seed=1), sku="D-1",
        seconds=1.0, created_at=now(), image_sha256=studio.store.files.put_bytes(buffer.getvalue(), ".png"),
    )  # fmt: skip
    studio.store.variants.put(variant)
    studio.store.decisions.add(decide(variant.id, verdict, author="mika", rating=4))  # type: ignore[arg-type]
    return variant.id


def _slot(name: str, variant: str, **more: Any) -> dict[str, Any]:
    return {"slot": name, "variant_id": variant, "alt_text": "", "padded": False} | more


def _value(desk: ListingDesk, action: str, message: dict[str, Any], person: str = "local") -> Any:
    answer = desk.answer(action, message, person)
    assert "value" in answer, answer
    return answer["value"]


def test_looking_at_a_listing_stores_nothing_and_saving_does(desk: ListingDesk, studio: Studio) -> None:
    approved, _ = _variant(studio), _variant(studio, 100, verdict="rejected")
    view = _value(desk, "open", ETSY)
    assert [picture["variant_id"] for picture in view["pictures"]] == [approved]
    assert studio.store.listings.find() == []
    saved = _value(desk, "save", ETSY | {"slots": [_slot("alt-1", approved, alt_text=" a\n dress ")]})
    assert [(slot["slot"], slot["alt_text"]) for slot in saved["slots"]] == [("alt-1", "a dress")]
    again = _value(desk, "save", ETSY | {"slots": [_slot("main", approved)]})
    assert again["id"] == saved["id"]
    assert len(studio.store.listings.find()) == 1


def test_a_slot_that_the_channel_lacks_is_told_in_words(desk: ListingDesk, studio: Studio) -> None:
    answer = desk.answer("save", ETSY | {"slots": [_slot("PT01", _variant(studio))]}, "local")
    assert "PT01: is no slot of etsy" in answer["error"]


def test_padding_mends_the_shape_and_the_package_weighs_what_was_said(desk: ListingDesk, studio: Studio) -> None:
    variant = _variant(studio)
    flat = _value(desk, "save", ZALANDO | {"slots": [_slot("main", variant)]})
    assert {finding["code"] for finding in flat["findings"] if finding["level"] == "refused"} == {"shape", "too_small"}
    padded = _value(desk, "save", ZALANDO | {"slots": [_slot("main", variant, padded=True)]})
    assert not [finding for finding in padded["findings"] if finding["level"] == "refused"]
    weight = _value(desk, "deliver", {"id": padded["id"], "slot": "main"})
    assert (weight["file"], weight["width"], weight["height"]) == ("D-1_01.jpg", 768, 1106)
    packed = _value(desk, "package", {"id": padded["id"]})
    path = studio.settings.packages_dir / packed["package"]
    assert 0 < path.stat().st_size - weight["bytes"] < 8_000


def test_nothing_that_is_not_approved_is_packed(desk: ListingDesk, studio: Studio) -> None:
    saved = _value(desk, "save", ETSY | {"slots": [_slot("main", _variant(studio, verdict="rejected"))]})
    assert "unapproved" in {finding["code"] for finding in saved["findings"]}
    assert "Not approved" in desk.answer("package", {"id": saved["id"]}, "local")["error"]


def test_a_licence_is_answered_for_by_a_named_person_only(desk: ListingDesk, studio: Studio) -> None:
    saved = _value(desk, "save", ETSY | {"slots": [_slot("main", _variant(studio, base="riddle"))]})
    assert [licence["subject"] for licence in saved["licences"]] == ["base riddle"]
    message = {"id": saved["id"], "subject": "base riddle", "reason": "bought", "author": "Aoi"}
    assert "person's name" in desk.answer("override", message | {"author": ""}, "local")["error"]
    assert _value(desk, "override", message, "mika")["licences"] == []
    assert [override.author for override in studio.listing.get(saved["id"]).overrides] == ["mika"]


def test_products_come_from_the_form_and_from_csv(desk: ListingDesk, studio: Studio) -> None:
    fields = {"sku": "F-1", "name": " Shirt ", "price": "12900", "M.chest_mm": "960"}
    assert _value(desk, "add_product", {"fields": fields}) == {
        "sku": "F-1",
        "name": "Shirt",
        "brand": "",
        "colourway": "",
    }
    assert studio.store.products.get("F-1").size_table_mm == {"M": {"chest": 960.0}}
    assert "already" in desk.answer("add_product", {"fields": fields}, "local")["error"]
    wrong = desk.answer("add_product", {"fields": {"sku": "../x", "name": "=1", "price": "much"}}, "local")["error"]
    assert all(word in wrong for word in ("sku", "name", "price", "3 to mend"))
    data = base64.b64encode("sku,name\nC-1,麻のドレス\n".encode("cp932")).decode()
    message = {"name": "../../p.csv", "data": data, "encoding": "cp932"}
    assert [row["name"] for row in _value(desk, "import_products", message)] == ["麻のドレス"]
    assert "UTF-8" in desk.answer("import_products", message | {"encoding": "utf-8-sig"}, "local")["error"]
    assert "not arrive whole" in desk.answer("import_products", message | {"data": "?"}, "local")["error"]
