"""Reads a sample brand that comes with its truth, and words what is asked of its brand model and of the base alone.

photos/        the brand's photos and hints.csv
rights.yaml    the rights of all photos
product.yaml   what all photos show; left out where they show a person in changing clothes
brand.yaml     a ProofPlan
truth/         true pictures with masks of figure and garment, and truth.json: attributes and joints of each
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from foundry.render import FACE_JOINTS
from studio.label.captions import template_caption
from studio.presets import read_mapping
from studio.records.attributes import FigureAttributes
from studio.records.base import Record, Slug
from studio.records.photo import Rights
from studio.records.pose import Framing, Joint, Pose
from studio.records.product import Product
from studio.wording import caption

Array = npt.NDArray[Any]
CLOTHES = ("garment", "sleeve", "neckline", "hem", "fabric", "colour", "lower_colour")
"""Attributes that a product's own name stands for."""
Region = Literal["head", "skin", "garment", "face", "pattern", "silhouette"]


class ProofPlan(Record):
    """`brand.yaml`.

    Attributes:
        dataset: also the brand model's name.
        training: fields of TrainingConfig that replace those of the preset.
        regions: what the brand is about; the mean of their differences is its fidelity.
        beside: what else is measured.
    """

    dataset: Slug
    trigger_token: str
    held_out: float = Field(default=0.1, gt=0, le=0.5)
    training_preset: Slug
    training: dict[str, Any] = {}
    regions: tuple[Region, ...] = Field(min_length=1)
    beside: tuple[Region, ...] = ()


@dataclass(frozen=True)
class Shown:
    """A picture (H, W, 3) uint8 sRGB and where it shows figure and garment, (H, W) bool each."""

    image: Array
    figure: Array
    garment: Array


@dataclass(frozen=True)
class TruePicture:
    """One true picture. `joints_px` (18, 2) are all inside the usual framing; `visible` (18,) bool."""

    name: str
    shown: Shown
    attributes: FigureAttributes
    joints_px: Array
    visible: Array

    def pose(self) -> Pose:
        """Its pose as the base is asked for it; face joints that the camera cannot see are left out of the map."""
        framing = Framing()
        away = (self.joints_px - (framing.origin_x_px, framing.origin_y_px)) / framing.px_per_mm * (1, -1)
        joints = tuple(
            Joint(
                x_mm=round(float(x), 1),
                y_mm=round(float(y), 1),
                present=bool(self.visible[i]) or i not in FACE_JOINTS,
            )
            for i, (x, y) in enumerate(away)
        )
        height = max(float(away[:, 1].max()), 600.0)
        a = self.attributes
        return Pose(name="truth", joints=joints, figure_height_mm=height, view=a.view, action=a.action)


@dataclass(frozen=True)
class ProofBrand:
    """A sample brand's folder, read."""

    folder: Path
    plan: ProofPlan
    rights: Rights
    product: Product | None
    truths: tuple[TruePicture, ...]

    @classmethod
    def read(cls, folder: Path) -> ProofBrand:
        """Reads a folder. Raises OSError, ValueError where something is missing or cannot be used."""
        product = folder / "product.yaml"
        rows = json.loads((folder / "truth" / "truth.json").read_text(encoding="utf-8"))
        return cls(
            folder=folder,
            plan=ProofPlan.model_validate(read_mapping(folder / "brand.yaml")),
            rights=Rights.model_validate(read_mapping(folder / "rights.yaml")),
            product=Product.model_validate(read_mapping(product)) if product.is_file() else None,
            truths=tuple(_truth(folder / "truth", name, row) for name, row in rows.items()),
        )

    def asked(self, attributes: FigureAttributes) -> str:
        """The prompt for the brand model: worded as the captions of the photos are."""
        said = attributes.model_dump()
        if self.product is not None:
            said = {name: value for name, value in said.items() if name not in CLOTHES}
        return template_caption(self.plan.trigger_token, self.product, said)

    def plain_words(self, attributes: FigureAttributes) -> str:
        """The prompt for the base alone: every word that it knows, of a product those that come nearest."""
        return caption(attributes)

    def asked_in_other_clothes(self, attributes: FigureAttributes) -> str:
        """The prompt, under the brand model, for clothes that words describe: of a product neither name nor token."""
        return caption(attributes, trigger="" if self.product is not None else self.plan.trigger_token)


def _truth(folder: Path, name: str, row: dict[str, Any]) -> TruePicture:
    with Image.open(folder / f"{name}.png") as image:
        picture = np.asarray(image.convert("RGB"))
    masks = []
    for part in ("figure", "garment"):
        with Image.open(folder / f"{name}.{part}.png") as mask:
            masks.append(np.asarray(mask) > 0)
    return TruePicture(
        name=name,
        shown=Shown(picture, *masks),
        attributes=FigureAttributes.model_validate(row["attributes"]),
        joints_px=np.array(row["joints_px"], float),
        visible=np.array(row["visible"], bool),
    )
