"""A home with one product, presets with the real channels, and approved pictures painted for the test."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from studio.listing import ListingService
from studio.presets import Presets
from studio.records.base import new_id, now
from studio.records.generation import AdapterWeight, GenerationRequest, Variant
from studio.records.look import Look
from studio.records.product import Product
from studio.records.review import decide
from studio.settings import Settings
from studio.store import Store
from tests.listing.pictures import painted

CHANNELS = Path(__file__).resolve().parents[2] / "presets" / "channels"
SKU = "DRESS-01"


def write_base(presets: Path, name: str, licence: str, commercial_use: bool | None) -> None:
    folder = presets / "bases" / name
    folder.mkdir(parents=True, exist_ok=True)
    card = {
        "name": name, "title": name, "family": "croquis", "licence": licence, "commercial_use": commercial_use,
        "licence_source": "card", "width_px": 192, "height_px": 256, "num_inference_steps": 8, "guidance_scale": 4.0,
        "training_preset": "style",
    }  # fmt: skip
    (folder / "card.yaml").write_text(yaml.safe_dump(card))


def write_brand_model(folder: Path, name: str, base: str, rights: dict[str, int]) -> None:
    (folder / name).mkdir(parents=True)
    card = {
        "name": name, "base": base, "base_licence": "Apache-2.0", "trigger_token": "atl", "weights_sha256": "0" * 64,
        "lora_rank": 8, "lora_alpha": 8.0, "data_sha256": "1" * 64, "photo_count": 3, "rights_summary": rights,
        "training": {"name": name, "dataset_id": "ds_1"}, "created_at": now().isoformat(),
    }  # fmt: skip
    (folder / name / "card.json").write_text(json.dumps(card))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    presets = tmp_path / "presets"
    shutil.copytree(CHANNELS, presets / "channels")
    write_base(presets, "croquis", "Apache-2.0", True)
    write_base(presets, "rehearsal", "FLUX non-commercial", False)
    write_base(presets, "riddle", "", None)
    write_brand_model(tmp_path / "brand_models", "atelier", "croquis", {"own photos": 30})
    write_brand_model(tmp_path / "brand_models", "borrowed", "croquis", {"CC BY-NC 4.0": 2, "own photos": 1})
    return Settings(home=tmp_path / "home", presets=presets, brand_models=tmp_path / "brand_models")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with Store.open(settings) as opened:
        opened.products.put(Product(sku=SKU, name="Linen dress", colourway="navy"))
        yield opened


@pytest.fixture
def listings(store: Store, settings: Settings) -> ListingService:
    return ListingService(store, settings, Presets(settings.presets, settings.brand_models))


@pytest.fixture
def add_variant(store: Store) -> Callable[..., Variant]:
    """Puts a picture into the store as a variant, approved unless told otherwise."""

    def add(
        image: Image.Image | None = None,
        *,
        verdict: str = "approved",
        rating: int | None = None,
        base: str = "croquis",
        adapters: tuple[str, ...] = (),
        sku: str = SKU,
        seed: int = 0,
    ) -> Variant:
        note = PngInfo()
        note.add_text("settings", '{"prompt": "<script>$(rm -rf /)</script>"}')
        buffer = io.BytesIO()
        (image or painted(seed=seed)).save(buffer, "PNG", pnginfo=note)
        request = GenerationRequest(
            base=base, prompt="a navy dress", seed=seed, sku=sku,
            look=Look(name="studio", gender="woman", age_group="30s"),
            adapters=tuple(AdapterWeight(brand_model=name) for name in adapters),
        )  # fmt: skip
        variant = Variant(
            id=new_id("var"), batch_id="b1", request=request, sku=sku, seconds=1.0, created_at=now(),
            image_sha256=store.files.put_bytes(buffer.getvalue(), ".png"),
        )  # fmt: skip
        store.variants.put(variant)
        if verdict != "undecided":
            store.decisions.add(decide(variant.id, verdict, author="mika", rating=rating))
        return variant

    return add
