"""A plan around the tiny base: small pictures, short looks, a few photos."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from benchmarks.plan import Plan
from tests.brand_model import write_brand_model


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory, tiny_presets: Path) -> Plan:
    """Two pictures of 96x128 px in two steps, LoRA steps on two photos. Read only."""
    root = tmp_path_factory.mktemp("benchmarks") / "presets"
    shutil.copytree(tiny_presets, root)
    card = root / "bases" / "croquis" / "card.yaml"
    text = re.sub(r"width_px: \d+", "width_px: 96", card.read_text(encoding="utf-8"))
    card.write_text(re.sub(r"height_px: \d+", "height_px: 128", text), encoding="utf-8")
    for colour in ("red", "blue"):  # short: the tiny tokenizer needs many tokens a word
        look = {"name": colour, "garment": f"a {colour} dress"}
        (root / "looks" / f"{colour}.yaml").write_text(yaml.safe_dump(look), encoding="utf-8")
    random = np.random.default_rng(5)
    photos = root / "sample_brand" / "photos"
    photos.mkdir(parents=True)
    for number in range(4):
        pixels = random.integers(0, 255, (128, 96, 3), np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    (root / "brand_models").mkdir()
    write_brand_model(root / "brand_models", root / "bases" / "croquis", "navy")
    return Plan(
        rounds=1, threads=1, presets=root, poses=("standing-front",), looks=("red", "blue"), steps=2, lora_steps=3,
        lora_batch=2, lora_rank=2, switches=2, variant_poses=("standing-front", "standing-back"),
        variant_looks=("red", "blue"), variant_seeds=1, variants=2, half_steps=1, brand_model="navy",
        brand_models=root / "brand_models", gpu_size="tiny", gpu_folder=root / "gpu", gpu_pictures=2,
    )  # fmt: skip
