"""The brands of a home: which there are, and what belongs to another one than the one that a person looks at.

A product says its brand; photos, pictures and listings belong to a brand by their SKU. What has none is always shown.
"""

from __future__ import annotations

from typing import Any

from studio.studio import Studio


def brands(studio: Studio) -> list[str]:
    """All brands that products carry, in alphabetical order."""
    return sorted({product.brand for product in studio.store.products.find() if product.brand}, key=str.casefold)


def other_skus(studio: Studio, message: dict[str, Any]) -> set[str]:
    """SKUs of another brand than the message's `brand`; none where all brands are looked at."""
    brand = str(message.get("brand") or "")
    if not brand:
        return set()
    return {product.sku for product in studio.store.products.find() if product.brand not in ("", brand)}


def other_datasets(studio: Studio, message: dict[str, Any]) -> set[str]:
    """Ids of datasets whose products all carry another brand than the message's."""
    others = other_skus(studio, message)
    if not others:
        return set()
    skus: dict[str, set[str]] = {}
    for photo in studio.store.photos.find(sku=[product.sku for product in studio.store.products.find()]):
        skus.setdefault(photo.dataset_id, set()).add(photo.sku)
    return {dataset for dataset, found in skus.items() if found <= others}
