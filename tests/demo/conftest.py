"""A sample brand at tiny size around the tiny base: six photos, one pose, two looks, true pictures of noise."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from studio.records.pose import JOINT_NAMES

JOINTS_MM = (
    (0, 1560), (0, 1400), (-180, 1400), (-260, 1130), (-290, 880), (180, 1400), (260, 1130), (290, 880), (-90, 920),
    (-100, 500), (-100, 90), (90, 920), (100, 500), (100, 90), (-30, 1590), (30, 1590), (-70, 1580), (70, 1580),
)  # fmt: skip


@pytest.fixture
def presets(tmp_path: Path, tiny_presets: Path) -> Path:
    """The tiny presets with a pose and looks of the test's own, and a rule that approves whatever is no copy."""
    root = tmp_path / "presets"
    shutil.copytree(tiny_presets, root)
    joints = [{"x_mm": x, "y_mm": y} for x, y in JOINTS_MM]
    assert len(joints) == len(JOINT_NAMES)
    (root / "poses").mkdir(exist_ok=True)
    (root / "poses" / "upright.yaml").write_text(yaml.safe_dump({"name": "upright", "joints": joints}), "utf-8")
    for colour in ("red", "blue"):  # short: the tiny tokenizer needs many tokens a word
        look = {"name": colour, "garment": f"a {colour} dress"}
        (root / "looks" / f"{colour}.yaml").write_text(yaml.safe_dump(look), "utf-8")
    limit = {"measure": "copy_similarity", "at_most": 1.0, "reason": "copy", "source": "the test"}
    rules = {"name": "anything", "title": "Anything", "limits": [limit]}
    (root / "review" / "anything.yaml").write_text(yaml.safe_dump(rules), "utf-8")
    return root


@pytest.fixture
def sample_brand(tmp_path: Path) -> Path:
    """Folder of the sample brand."""
    folder = tmp_path / "sample_brand"
    random = np.random.default_rng(3)
    for number in range(6):
        rgb = np.full((512, 384, 3), 235, np.uint8)
        rgb[60:460, 60 + 30 * number : 190 + 30 * number] = random.integers(0, 255, (400, 130, 3))[
            :, : 324 - 30 * number
        ]
        _save(folder / "photos" / f"photo_{number}.jpg", rgb)
    for look in ("red", "blue"):
        _save(folder / "truth" / f"upright_{look}.png", random.integers(0, 255, (256, 192, 3), np.uint8))
    plan = {
        "dataset": "sample",
        "trigger_token": "zqvdress",
        "brand_model": "sample",
        "product_photo": "photos/photo_0.jpg",
        "held_out": 0.2,
        "training_preset": "brand-model",
        "training": {"max_train_steps": 12, "train_batch_size": 2, "lora_rank": 2, "lora_alpha": 2.0},
        "poses": ["upright"],
        "looks": ["red", "blue"],
        "generation": {"num_inference_steps": 2},
        "review_rules": "anything",
    }
    rights = {"source": "studio day", "owner": "Atelier", "licence": "all rights", "model_release": "not-needed"}
    for name, content in {"demo": plan, "rights": rights, "product": {"sku": "A-1", "name": "Linen dress"}}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), "utf-8")
    return folder


def _save(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path, quality=92)
