"""Measures croquis on held-out items whose truth is rendered: `python -m foundry.scorecard`.

Each item has a body, a pose, a garment and a background that neither croquis nor the judge was trained on. croquis
draws it from caption and skeleton; the judge reads the drawing and the true render (the floor) in the same way.
Half of the captions are phrasings that training never used. Writes `presets/bases/croquis/scorecard.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import StableDiffusionControlNetPipeline, StableDiffusionPipeline

from foundry.assemble import TARGET
from foundry.autoencoder import FOLDER as AUTOENCODER
from foundry.dataset import Renders
from foundry.judge import SHIPPED
from foundry.latents import control_of
from studio.measure.colour import ciede2000, median_colour
from studio.measure.judge import Judge, Reading
from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes
from studio.wording import HELD_OUT_PHRASINGS, caption

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Items:
    """The held-out truth.

    Attributes:
        images (N, H, W, 3), labels (N, H, W), joints_px (N, 18, 2), visible (N, 18), px_per_mm (N,).
    """

    images: Array
    labels: Array
    joints_px: Array
    visible: Array
    px_per_mm: Array
    attributes: list[dict[str, str]]

    @classmethod
    def load(cls, count: int) -> Items:
        """The first `count` held-out renders."""
        renders, rows = Renders.open("held-out"), np.arange(count)
        indices = renders.batch(rows, "attributes")
        named = [{n: v[int(i)] for (n, v), i in zip(ATTRIBUTE_VALUES.items(), row, strict=True)} for row in indices]
        parts = (renders.batch(rows, part) for part in ("image", "labels", "joints_px", "visible", "px_per_mm"))
        return cls(*parts, attributes=named)  # type: ignore[misc]

    def captions(self) -> list[str]:
        """Usual wording for even items, unseen wording for odd ones."""
        chosen = [
            0 if i % 2 == 0 else HELD_OUT_PHRASINGS[i // 2 % len(HELD_OUT_PHRASINGS)] for i in range(len(self.images))
        ]
        return [
            caption(FigureAttributes.model_validate(a), phrasing=p)
            for a, p in zip(self.attributes, chosen, strict=True)
        ]


@torch.inference_mode()
def draw(items: Items, steps: int, guidance: float, control: bool) -> list[Array]:
    """Pictures by the stock pipeline, seed = number of the item, with or without the ControlNet."""
    with_control = StableDiffusionControlNetPipeline.from_pretrained(TARGET)
    pipeline: Any = with_control
    if not control:
        pipeline = StableDiffusionPipeline(
            **{k: v for k, v in with_control.components.items() if k != "controlnet"}, requires_safety_checker=False
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pipeline.to(device).set_progress_bar_config(disable=True)
    captions, images = items.captions(), []
    for start in range(0, len(captions), 8):
        rows = range(start, min(start + 8, len(captions)))
        extra: dict[str, Any] = {}
        if control:
            maps = np.stack([control_of(items.joints_px[i], items.visible[i]) for i in rows])
            extra["image"] = torch.from_numpy(maps).permute(0, 3, 1, 2).float() / 255
        result = pipeline(
            [captions[i] for i in rows], num_inference_steps=steps, guidance_scale=guidance, height=256, width=192,
            generator=[torch.Generator().manual_seed(i) for i in rows], output_type="np", **extra,
        )  # fmt: skip
        images += [np.round(image * 255).astype(np.uint8) for image in result.images]
    return images


def measure(items: Items, readings: list[Reading], pictures: list[Array], trusted: frozenset[str]) -> dict[str, Any]:
    """One arm's numbers against the truth."""
    seen, hidden, unions, deltas, right = [], [], [], [], {name: [] for name in ATTRIBUTE_VALUES}  # type: ignore[var-annotated]
    size = np.array([items.images.shape[2], items.images.shape[1]])
    for i, reading in enumerate(readings):
        away = np.linalg.norm(reading.joints_px - items.joints_px[i], axis=1) / items.px_per_mm[i]
        inside = ((items.joints_px[i] >= 0) & (items.joints_px[i] < size)).all(1)
        seen.append(away[items.visible[i] & inside])
        hidden.append(away[~items.visible[i] & inside])
        found, true = reading.figure_mask > 0.5, items.labels[i] > 0
        unions.append((found & true).sum() / max((found | true).sum(), 1))
        mine, truth = reading.upper_mask > 0.5, items.labels[i] == 3
        if mine.sum() > 20 and truth.sum() > 20:
            colours = (median_colour(pictures[i], mine), median_colour(items.images[i], truth))
            deltas.append(float(ciede2000(np.array(colours[0]), np.array(colours[1]))))
        for name, (value, _) in reading.attributes.items():
            right[name].append(value == items.attributes[i][name])
    counted = [np.mean(right[name]) for name in ATTRIBUTE_VALUES if name in trusted]
    odd = [np.mean(right[name][1::2]) for name in ATTRIBUTE_VALUES if name in trusted]
    visible = np.concatenate(seen)
    return {
        "joint_mm_median": round(float(np.median(visible)), 1),
        "joint_mm_p95": round(float(np.quantile(visible, 0.95)), 1),
        "joint_mm_median_occluded": round(float(np.median(np.concatenate(hidden))), 1),
        "iou": round(float(np.median(unions)), 3),
        "delta_e": round(float(np.median(deltas)), 2),
        "attributes": round(float(np.mean(counted)), 3) if counted else None,
        "attributes_unseen_wording": round(float(np.mean(odd)), 3) if odd else None,
        "each_attribute": {name: round(float(np.mean(values)), 3) for name, values in right.items()},
    }


def scorecard(count: int, steps: int, guidance: float) -> tuple[dict[str, Any], list[Array], list[Array]]:
    """The whole card, and the pictures drawn with and without control."""
    items, judge = Items.load(count), Judge.load(SHIPPED)
    floor = measure(items, judge.read(list(items.images)), list(items.images), judge.trusted)
    drawn, free = (draw(items, steps, guidance, control) for control in (True, False))
    arm = measure(items, judge.read(drawn), drawn, judge.trusted)
    without = measure(items, judge.read(free), free, judge.trusted)
    main = ("joint_mm_median", "joint_mm_p95", "iou", "delta_e", "attributes")
    card: dict[str, Any] = {name: {"value": arm[name], "floor": floor[name]} for name in main}
    card |= {
        "items": count, "num_inference_steps": steps, "guidance_scale": guidance, "judge": judge.version,
        "attributes_counted": sorted(judge.trusted), "with_control": arm, "floor": floor, "without_control": without,
    }  # fmt: skip
    return card, drawn, free


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--sheet", type=Path, default=Path("artefacts/scorecard.png"))
    arguments = parser.parse_args()
    card, drawn, free = scorecard(arguments.items, arguments.steps, arguments.guidance)
    card["autoencoder"] = json.loads((AUTOENCODER / "scorecard.json").read_text())
    (TARGET / "scorecard.json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps({k: card[k] for k in ("joint_mm_median", "joint_mm_p95", "iou", "delta_e", "attributes")}))
    write_sheet(arguments.sheet, Items.load(arguments.items).images, drawn, free)


def write_sheet(path: Path, *arms: Any, columns: int = 16) -> None:
    """The first pictures of every arm, one arm a row: true, drawn, drawn without control."""
    from PIL import Image

    rows = []
    for start in (0, columns):
        rows += [np.concatenate(list(arm[start : start + columns]), 1) for arm in arms if len(arm) >= start + columns]
    Image.fromarray(np.concatenate(rows, 0)).save(path)


if __name__ == "__main__":
    main()
