"""The sample brand that comes with the studio, as far as labelling needs it: photos, their rights, their product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from studio.errors import InputError, NotFoundError
from studio.records.base import Record
from studio.records.photo import Rights
from studio.records.product import Product


class SampleBrand(Record):
    """What `presets/sample_brand` says about its photos."""

    dataset: str
    trigger_token: str
    held_out: float
    product: Product
    rights: Rights
    photos: Path
    product_photo: Path


def read_sample_brand(folder: Path) -> SampleBrand:
    """Reads the sample brand.

    Raises:
        NotFoundError: it did not come with this installation.
        InputError: one of its files cannot be used.
    """
    photos = folder / "photos"
    if not photos.is_dir():
        raise NotFoundError("The sample brand is not part of this installation.", "Drop photos of your own.")
    try:
        plan = _table(folder / "demo.yaml")
        return SampleBrand(
            dataset=plan["dataset"],
            trigger_token=plan["trigger_token"],
            held_out=plan.get("held_out", 0.1),
            product=Product.model_validate(_table(folder / "product.yaml")),
            rights=Rights.model_validate(_table(folder / "rights.yaml")),
            photos=photos,
            product_photo=folder / str(plan["product_photo"]),
        )
    except (OSError, KeyError, yaml.YAMLError, ValidationError) as error:
        raise InputError(
            f"The sample brand cannot be read ({' '.join(str(error).split())}).", "Install the studio again."
        ) from error


def _table(path: Path) -> dict[str, Any]:
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    return dict(table) if isinstance(table, dict) else {}
