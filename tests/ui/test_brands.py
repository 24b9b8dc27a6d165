"""What belongs to another brand is left out where a brand is looked at; what has none stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.records.base import new_id, now
from studio.records.generation import GenerationRequest, Variant
from studio.records.product import Product
from studio.studio import Studio
from studio.ui.components.label_desk import LabelDesk
from studio.ui.components.listing_desk import ListingDesk
from studio.ui.components.review_desk import ReviewDesk
from studio.ui.components.top_bar import TopBar
from tests.measure.painting import NAVY, encoded, paint

OWN, OTHER = "Atelier Uroko", "Kumo"


@pytest.fixture
def brands(studio: Studio) -> Studio:
    """Two brands with a product each, and a product without one."""
    for sku, brand in (("U-1", OWN), ("K-1", OTHER), ("N-1", "")):
        studio.store.products.put(Product(sku=sku, name="Dress", brand=brand))
    return studio


def ask(piece: Any, action: str, message: dict[str, Any]) -> Any:
    answer = piece.answer(action, message, "mika")
    assert "error" not in answer, answer
    return answer["value"]


def test_the_brands_of_a_home_are_those_of_its_products(studio: Studio) -> None:
    assert ask(TopBar(studio), "brands", {}) == []
    for sku, brand in (("a", OTHER), ("b", OWN), ("c", OTHER), ("d", "")):
        studio.store.products.put(Product(sku=sku, name="Dress", brand=brand))
    assert ask(TopBar(studio), "brands", {}) == [OWN, OTHER]


@pytest.mark.parametrize(
    ("brand", "left"), [("", ["U-1", "K-1", "N-1"]), (OWN, ["U-1", "N-1"]), (OTHER, ["K-1", "N-1"])]
)
def test_the_listing_tab_offers_the_products_of_the_brand(brands: Studio, brand: str, left: list[str]) -> None:
    found = ask(ListingDesk(brands), "start", {"brand": brand})
    assert [product["sku"] for product in found["products"]] == left


def test_the_review_tab_shows_the_pictures_of_the_brand_under_their_own_numbers(brands: Studio) -> None:
    for sku in ("K-1", "U-1", "N-1", ""):
        request = GenerationRequest(prompt="a dress", seed=1, sku=sku)
        made = Variant(
            id=new_id("var"), batch_id="b", request=request, image_sha256="a" * 64, seconds=1.0, created_at=now()
        )
        brands.store.variants.put(made)
    desk = ReviewDesk(brands)
    every, own = ask(desk, "rows", {}), ask(desk, "rows", {"brand": OWN})
    assert ([row["number"] for row in every["rows"]], every["total"]) == ([1, 2, 3, 4], 4)
    assert ([row["number"] for row in own["rows"]], own["total"]) == ([2, 3, 4], 3)


def test_the_label_tab_leaves_out_datasets_of_other_brands_alone(brands: Studio, tmp_path: Path) -> None:
    for number, (name, skus) in enumerate(
        {"uroko": ["U-1"], "kumo": ["K-1"], "both": ["U-1", "K-1"], "own": [""]}.items()
    ):
        for place, sku in enumerate(skus):
            path = tmp_path / f"{number}{place}.png"
            path.write_bytes(encoded(paint(size=(240, 320), colour=NAVY, seed=10 * number + place).rgb))
            brands.label.ingest([path], dataset=name, sku=sku)
    desk = LabelDesk(brands)

    def shown(brand: str) -> list[str]:
        return [dataset["name"] for dataset in ask(desk, "state", {"brand": brand})["datasets"]]

    assert sorted(shown("")) == ["both", "kumo", "own", "uroko"]
    assert sorted(shown(OWN)) == ["both", "own", "uroko"]
    chosen = ask(desk, "state", {"brand": OWN})
    hidden = next(d["id"] for d in ask(desk, "state", {})["datasets"] if d["name"] == "kumo")
    assert ask(desk, "state", {"brand": OWN, "dataset_id": hidden})["dataset_id"] == chosen["dataset_id"]
