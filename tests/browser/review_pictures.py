"""Pictures and variants for the browser tests of the review: crops of the sample brand, with requests and measures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from studio.records.base import new_id, now
from studio.records.generation import AdapterWeight, GenerationRequest, Variant
from studio.records.pose import Framing
from studio.records.product import Product
from studio.records.review import Measure, Measurement
from studio.studio import Studio

BRAND = Path(__file__).resolve().parents[2] / "presets" / "sample_brand"
LIMITS = {"pose_mm_median": 60.0, "garment_delta_e": 12.0, "sharpness": 8.0, "copy_similarity": 0.85}
UNITS = {"pose_mm_median": "mm", "garment_delta_e": "CIEDE2000", "sharpness": "levels²", "copy_similarity": ""}


def photos() -> list[Path]:
    """Photos and true renders of the sample brand."""
    truth = [path for path in sorted((BRAND / "truth").glob("*.png")) if ".garment" not in path.name]
    return [*truth, *sorted((BRAND / "photos").glob("*.jpg"))]


def picture(place: int, size: tuple[int, int] = (192, 256)) -> bytes:
    """A PNG: the upper part of a photo, a little different for every place, so that no two are the same file."""
    sources = photos()
    with Image.open(sources[place % len(sources)]) as opened:
        image = opened.convert("RGB")
        shift = place // len(sources)
        image = image.crop((shift, shift, image.width - shift, image.height - shift)).resize(size)
    image.putpixel((0, 0), (place % 256, place // 256, 0))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def add_variants(
    studio: Studio,
    batch: str,
    count: int,
    *,
    sku: str = "",
    prompts: Sequence[str] = ("a woman in a knee-length dress, walking, in a bright studio",),
    measured: bool = False,
    distinct: int | None = None,
) -> list[Variant]:
    """Puts pictures into the studio as a finished batch; `distinct` of them are different files."""
    kinds = count if distinct is None else distinct
    stored = [studio.store.files.put_bytes(picture(place), ".png") for place in range(kinds)]
    made = []
    with studio.store.transaction():
        for place in range(count):
            request = GenerationRequest(
                prompt=prompts[place % len(prompts)], negative_prompt="blurred", seed=1000 + place, sku=sku,
                framing=Framing(), num_inference_steps=24, adapters=(AdapterWeight(brand_model="sample-brand"),),
            )  # fmt: skip
            variant = Variant(
                id=new_id("var"), batch_id=batch, request=request, image_sha256=stored[place % kinds],
                seconds=1.4, created_at=now(), sku=sku,
            )  # fmt: skip
            studio.store.variants.put(variant)
            made.append(variant)
            if measured:
                studio.store.measurements.put(measurement(variant.id, place))
    return made


def measurement(variant_id: str, place: int) -> Measurement:
    """Measures that differ from picture to picture; every fifth pose could not be read."""
    values = {
        "pose_mm_median": None if place % 5 == 4 else 20.0 + 11 * (place % 7),
        "garment_delta_e": 4.0 + 2.3 * (place % 6),
        "sharpness": 6.0 + 4 * (place % 4),
        "copy_similarity": 0.4 + 0.06 * (place % 5),
    }
    measures = tuple(
        Measure(
            name=name, value=value, unit=UNITS[name], limit=LIMITS[name],
            within=None if value is None else (value >= 8 if name == "sharpness" else value <= LIMITS[name]),
            note="not measured: the judge sees only 4 of 18 joints" if value is None else "",
        )
        for name, value in values.items()
    )  # fmt: skip
    return Measurement(id=new_id("mea"), variant_id=variant_id, measures=measures, judge="judge-1", created_at=now())


def add_product(studio: Studio, sku: str) -> None:
    """A product with the sample brand's photo."""
    photo = studio.store.files.put_file(BRAND / "product.jpg")
    studio.store.products.put(Product(sku=sku, name="Linen dress", photo_sha256=(photo,)))
