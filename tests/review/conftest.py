"""A home with painted figures, and a judge that knows where they were painted."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.measure.pictures import RGB
from studio.presets import Presets
from studio.records.base import new_id, now
from studio.records.generation import AdapterWeight, GenerationRequest, Variant
from studio.records.pose import Framing, Joint, Pose
from studio.records.product import Product
from studio.review import ReviewService
from studio.settings import Settings
from studio.store import Store

RULES = Path(__file__).resolve().parents[2] / "presets" / "review"
SKU = "DRESS-01"
POSE = Pose(name="grid", joints=tuple(Joint(x_mm=-300 + 150 * (i % 5), y_mm=300 + 350 * (i // 5)) for i in range(18)))


@dataclass(frozen=True)
class PaintedReading:
    """What `PaintedJudge` reads."""

    joints_px: np.ndarray
    joint_confidence: np.ndarray
    figure_mask: np.ndarray
    garment_mask: np.ndarray
    in_domain: bool = True
    note: str = ""


@dataclass
class PaintedJudge:
    """Reads painted figures: the joints of `POSE`, `shift_mm` to the right; the garment is what is coloured."""

    shift_mm: float = 20.0
    confidence: float = 0.9
    version: str = "painted-1"

    def read(self, images: Sequence[RGB]) -> list[PaintedReading]:
        return [self._read(rgb) for rgb in images]

    def _read(self, rgb: RGB) -> PaintedReading:
        framing = Framing().scaled(rgb.shape[1] / Framing().width_px)
        joints = np.array([framing.to_px(joint) for joint in POSE.joints])
        joints[:, 0] += self.shift_mm * framing.px_per_mm
        garment = (np.ptp(rgb.astype(int), axis=2) > 60).astype(np.float32)
        known = rgb.shape[:2] == (framing.height_px, framing.width_px)
        return PaintedReading(
            joints, np.full(18, self.confidence), garment, garment, known, "" if known else "a picture of another kind"
        )


def figure(colour: tuple[int, int, int] = (30, 40, 160), size: tuple[int, int] = (192, 256), soft: bool = False) -> RGB:
    """A striped figure of one colour on light grey, (H, W, 3)."""
    width, height = size
    pixels = np.full((height, width, 3), 225, np.uint8)
    pixels[height // 8 : -(height // 8), width // 3 : -(width // 3)] = colour
    if not soft:
        pixels[height // 8 : -(height // 8) : 8, width // 3 : -(width // 3)] = np.minimum(np.array(colour) + 70, 255)
    return pixels


def png(rgb: RGB) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shutil.copytree(RULES, tmp_path / "presets" / "review")
    return Settings(home=tmp_path / "home", presets=tmp_path / "presets", brand_models=tmp_path / "brand_models")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with Store.open(settings) as opened:
        photo = opened.files.put_bytes(png(figure()), ".png")
        opened.products.put(Product(sku=SKU, name="Linen dress", photo_sha256=(photo,)))
        yield opened


@pytest.fixture
def review_with(store: Store, settings: Settings) -> Callable[[PaintedJudge | None], ReviewService]:
    """A review service with a given judge, or with none."""
    presets = Presets(settings.presets, settings.brand_models)
    return lambda judge: ReviewService(store, settings, presets, lambda: judge)


@pytest.fixture
def review(review_with: Callable[[PaintedJudge | None], ReviewService]) -> ReviewService:
    return review_with(PaintedJudge())


@pytest.fixture
def add_variant(store: Store) -> Callable[..., Variant]:
    """Puts a picture into the store as a variant."""

    def add(
        rgb: RGB | None = None, *, sku: str = SKU, pose: Pose | None = POSE, adapters: tuple[str, ...] = ()
    ) -> Variant:
        request = GenerationRequest(
            prompt="a dress", seed=1, pose=pose, adapters=tuple(AdapterWeight(brand_model=name) for name in adapters)
        )
        sha256 = store.files.put_bytes(png(figure() if rgb is None else rgb), ".png")
        variant = Variant(
            id=new_id("var"),
            batch_id="b1",
            request=request,
            image_sha256=sha256,
            seconds=1.0,
            created_at=now(),
            sku=sku,
        )
        store.variants.put(variant)
        return variant

    return add


@pytest.fixture
def add_brand_model(settings: Settings) -> Callable[[str, tuple[str, ...]], None]:
    """Writes a brand model's card that names these training photos."""

    def add(name: str, training_sha256: tuple[str, ...]) -> None:
        (settings.brand_models / name).mkdir(parents=True)
        card = {
            "name": name, "base": "croquis", "base_licence": "Apache-2.0", "trigger_token": "atl", "lora_rank": 8,
            "weights_sha256": "0" * 64, "lora_alpha": 8.0, "data_sha256": "1" * 64, "photo_count": len(training_sha256),
            "rights_summary": {"own": 1}, "training": {"name": name, "dataset_id": "ds_1"},
            "training_sha256": list(training_sha256), "created_at": now().isoformat(),
        }  # fmt: skip
        (settings.brand_models / name / "card.json").write_text(json.dumps(card))

    return add
