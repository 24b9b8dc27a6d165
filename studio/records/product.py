"""Product: what is sold, with its size table in millimetres."""

from __future__ import annotations

from pydantic import Field

from studio.records.base import Record, Sha256


class Product(Record):
    """One product in one colourway.

    Attributes:
        sku: stock keeping unit, the key.
        photo_sha256: content addresses of its product photos (flat or worn), first is the main one.
        size_table_mm: size label -> measurement name -> millimetres, e.g. {"M": {"chest": 960, "length": 1050}}.
    """

    sku: str = Field(min_length=1, max_length=80)
    name: str = Field(min_length=1, max_length=200)
    brand: str = ""
    colourway: str = ""
    photo_sha256: tuple[Sha256, ...] = ()
    size_table_mm: dict[str, dict[str, float]] = {}
    price: float | None = None
    currency: str = "JPY"
