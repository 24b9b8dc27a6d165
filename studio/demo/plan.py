"""What the demo does, read from the folder of a sample brand.

photos/        the brand's photos, with hints.csv or .txt captions beside them where there are any
rights.yaml    the rights of all photos (source, owner, licence, model_release, expires_on)
product.yaml   the product that they show (sku, name, brand, colourway, size_table_mm, ...)
demo.yaml      a DemoPlan
truth/         a true picture of every pose and look, `<pose>_<look>.png`, to measure against
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import Field, ValidationError

from studio.errors import Fault, FaultsError, NotFoundError
from studio.records.base import Record, Slug
from studio.records.photo import Rights
from studio.records.product import Product

R = TypeVar("R", bound=Record)


class DemoPlan(Record):
    """`demo.yaml`. Poses, looks, presets and channels are named as in `presets/`.

    Attributes:
        training: fields of TrainingConfig that replace those of the preset.
        generation: fields of GenerationRequest that are the same for all variants.
        refused_by: a channel that has to refuse the pictures, because they are too small for it.
    """

    dataset: str
    trigger_token: str
    brand_model: Slug
    product_photo: str
    """File of the product photo that colours are held against, relative to the sample brand's folder."""
    base: Slug = "croquis"
    held_out: float = Field(default=0.1, gt=0, le=0.5)
    training_preset: Slug = "product-fabric"
    training: dict[str, Any] = {}
    poses: tuple[Slug, ...] = Field(min_length=1)
    looks: tuple[Slug, ...] = Field(min_length=1)
    seed: int = 0
    generation: dict[str, Any] = {}
    review_rules: Slug = "default"
    channels: tuple[Slug, ...] = ("shopify", "rakuten")
    refused_by: Slug = "zalando"


class Sample(Record):
    """A sample brand's folder, read and whole."""

    folder: Path
    plan: DemoPlan
    product: Product
    rights: Rights

    def truth(self, pose: str, look: str) -> Path:
        """The true picture of a pose and a look."""
        return self.folder / "truth" / f"{pose}_{look}.png"

    @property
    def photos(self) -> Path:
        """Folder of the brand's photos."""
        return self.folder / "photos"

    @property
    def product_photo(self) -> Path:
        """The product photo."""
        return self.folder / self.plan.product_photo


def read_sample(folder: Path) -> Sample:
    """Reads a sample brand.

    Raises:
        NotFoundError: there is no such folder.
        FaultsError: files that are missing or cannot be used; all of them.
    """
    if not folder.is_dir():
        raise NotFoundError(f"There is no sample brand at {folder}.", "Give the folder of one with --sample.")
    faults: list[Fault] = []
    plan = _read(folder / "demo.yaml", DemoPlan, faults)
    product = _read(folder / "product.yaml", Product, faults)
    rights = _read(folder / "rights.yaml", Rights, faults)
    if plan is None or product is None or rights is None:
        raise FaultsError(f"Sample brand {folder}", faults)
    sample = Sample(folder=folder, plan=plan, product=product, rights=rights)
    asked = [sample.truth(pose, look) for pose in plan.poses for look in plan.looks]
    for path in (sample.photos, sample.product_photo, *asked):
        if not path.exists():
            faults.append(Fault(str(path.relative_to(folder)), "is missing."))
    if faults:
        raise FaultsError(f"Sample brand {folder}", faults)
    return sample


def _read(path: Path, model: type[R], faults: list[Fault]) -> R | None:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        faults.append(Fault(path.name, "is missing."))
    except yaml.YAMLError as error:
        faults.append(Fault(path.name, f"is no YAML: {' '.join(str(error).split())}."))
    except ValidationError as error:
        faults += [Fault(f"{path.name}:{'.'.join(map(str, e['loc']))}", f"{e['msg']}.") for e in error.errors()]
    return None
