"""The bundled base: its weight, its format, and the levels of its scorecard."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
CROQUIS = ROOT / "presets" / "bases" / "croquis"


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CROQUIS / "scorecard.json").read_text())
    return loaded


def test_stays_within_its_weight() -> None:
    sizes = [p.stat().st_size for p in CROQUIS.rglob("*") if p.is_file()]
    assert sum(sizes) <= 40_000_000
    assert max(sizes) <= 15_000_000


def test_holds_safetensors_and_text_alone() -> None:
    assert {p.suffix for p in CROQUIS.rglob("*") if p.is_file()} <= {".safetensors", ".json", ".yaml", ".md", ".txt"}


def test_the_stock_pipeline_draws_with_it_without_arguments() -> None:
    from diffusers import StableDiffusionControlNetPipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own remarks about missing safety checkers
        pipeline = StableDiffusionControlNetPipeline.from_pretrained(CROQUIS)
    pipeline.set_progress_bar_config(disable=True)
    import torch

    image = pipeline(
        "a woman in a red dress, white background",
        image=torch.zeros(1, 3, 256, 192),
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images[0]
    assert image.shape == (256, 192, 3)
    assert np.isfinite(image).all()
    assert image.std() > 0.02


def test_the_scorecard_gives_every_value_with_its_floor(card: dict[str, Any]) -> None:
    for name in ("joint_mm_median", "joint_mm_p95", "iou", "delta_e", "attributes"):
        assert set(card[name]) == {"value", "floor"}
    assert card["items"] >= 200
    assert card["without_control"]["joint_mm_median"] > card["with_control"]["joint_mm_median"]
