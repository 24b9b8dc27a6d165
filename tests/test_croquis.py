"""The bundled base: its weight, its format, and the levels of its scorecard."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.compose.openpose import draw_openpose
from studio.measure.colour import ciede2000, lab_pixels, median_colour
from studio.measure.judge import Judge
from studio.presets import Presets
from studio.records.pose import Framing

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


def stock_pipeline() -> Any:
    """diffusers' own pipeline from the folder, without arguments."""
    from diffusers import StableDiffusionControlNetPipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own remarks about missing safety checkers
        pipeline = StableDiffusionControlNetPipeline.from_pretrained(CROQUIS)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn(pipeline: Any, prompt: str, pose: str, steps: int, guidance: float, **extra: Any) -> Any:
    """(256, 192, 3) uint8 of a pose preset, seed 7."""
    import torch

    control = draw_openpose(Presets(ROOT / "presets", ROOT / "brand_models").poses()[pose], Framing())
    image = torch.from_numpy(control).permute(2, 0, 1)[None].float() / 255
    found = pipeline(
        prompt, image=image, num_inference_steps=steps, guidance_scale=guidance, height=256, width=192,
        generator=torch.Generator().manual_seed(7), output_type="np", **extra,
    )  # fmt: skip
    return np.round(found.images[0] * 255).astype(np.uint8)


def test_the_stock_pipeline_draws_with_it_without_arguments() -> None:
    image = drawn(stock_pipeline(), "a woman in a red dress, white background", "standing-front", 2, 2.0)
    assert image.shape == (256, 192, 3)
    assert image.std() > 5


def test_a_garment_takes_the_colour_of_its_reference() -> None:
    from PIL import Image

    pipeline, judge = stock_pipeline(), Judge.load(ROOT / "presets" / "judge")
    pipeline.load_ip_adapter(
        CROQUIS, subfolder="ip_adapter", weight_name="ip-adapter.safetensors", image_encoder_folder="./image_encoder"
    )
    swatches = {"red": (190, 36, 40), "blue": (56, 114, 202), "green": (58, 130, 66)}
    prompt, away = "a woman wearing a long-sleeved midi dress, plain grey background", {}
    for colour, rgb in swatches.items():
        reference = Image.new("RGB", (64, 64), rgb)
        image = drawn(pipeline, prompt, "standing-front", 8, 2.0, ip_adapter_image=reference)
        [reading] = judge.read([image])
        found = np.array(median_colour(image, reading.upper_mask > 0.5))
        away[colour] = {
            name: float(ciede2000(found, lab_pixels(np.array([[other]], np.uint8))[0]))
            for name, other in swatches.items()
        }
    for colour, distances in away.items():
        assert min(distances, key=distances.__getitem__) == colour, away
        assert distances[colour] < 20, away


def test_few_step_weights_bring_three_steps_nearer_to_the_full_schedule() -> None:
    pipeline, prompt = stock_pipeline(), "a woman in a blue striped top and black trousers, white background"
    few = json.loads((CROQUIS / "few_step" / "few_step.json").read_text())["num_inference_steps"]
    poses = ("standing-front", "walking-three-quarter")
    whole = [drawn(pipeline, prompt, pose, 12, 2.0).astype(float) for pose in poses]
    plain = [drawn(pipeline, prompt, pose, few, 1.0) for pose in poses]
    pipeline.load_lora_weights(CROQUIS / "few_step")
    distilled = [drawn(pipeline, prompt, pose, few, 1.0) for pose in poses]
    rmse = [
        np.mean([np.sqrt(np.mean((image - full) ** 2)) for image, full in zip(images, whole, strict=True)])
        for images in (plain, distilled)
    ]
    assert rmse[1] < 0.85 * rmse[0]


def test_the_scorecard_gives_every_value_with_its_floor(card: dict[str, Any]) -> None:
    for name in ("joint_mm_median", "joint_mm_p95", "iou", "delta_e", "attributes"):
        assert set(card[name]) == {"value", "floor"}
    assert card["items"] >= 200
    assert card["without_control"]["joint_mm_median"] > card["with_control"]["joint_mm_median"]


def test_the_scorecard_keeps_the_levels_that_were_reached(card: dict[str, Any]) -> None:
    """With a small margin for another machine: a run that brings worse weights is not shipped unnoticed."""
    assert card["joint_mm_median"]["value"] <= 22.5
    assert card["joint_mm_p95"]["value"] <= 245
    assert card["iou"]["value"] >= 0.845
    assert card["delta_e"]["value"] <= 6.4
    assert card["attributes"]["value"] >= 0.91
    assert card["hem_mm_median"]["value"] <= 40
    assert card["sleeve_mm_median"]["value"] <= 70
    assert card["reference"]["reference"]["delta_e"] <= 14 < card["reference"]["text"]["delta_e"]
    age, background = card["switching"]["age_group"]["value"], card["switching"]["background"]["value"]
    assert age["iou"] >= 0.97
    assert age["delta_e"] <= 1
    assert background["iou"] >= 0.9
    assert background["read_as_asked"] >= 0.95
