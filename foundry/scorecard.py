"""Measures croquis on held-out items whose truth is rendered: `python -m foundry.scorecard`.

Each item has a body, a pose, a garment and a background that neither croquis nor the judge was trained on. croquis
draws it from caption and skeleton; the judge reads the drawing and the true render (the floor) in the same way.
Half of the captions are phrasings that training never used. Two smaller arms follow: one word switched
(`foundry.switching`), and fabrics by reference (`foundry.reference_card`). Writes
`presets/bases/croquis/scorecard.json` and a sheet of true beside drawn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.assemble import TARGET
from foundry.autoencoder import FOLDER as AUTOENCODER
from foundry.drawing import Ask, Sampling, answers
from foundry.items import Items
from foundry.judge import SHIPPED
from foundry.measures import measure
from foundry.reference_card import reference_card
from foundry.sheet import write_sheet
from foundry.switching import switching
from studio.measure.judge import Judge

__all__ = ["Items", "draw", "measure", "scorecard"]

Array = npt.NDArray[Any]
MAIN = ("joint_mm_median", "joint_mm_p95", "iou", "delta_e", "attributes")
ON_SHEET = 48


def draw(
    items: Items, steps: int, guidance: float, control: bool, *, prepare: Callable[[Any], None] | None = None
) -> list[Array]:
    """Pictures by the stock pipeline, seed = number of the item, with or without the ControlNet.

    Args:
        prepare: changes the pipeline before anything is drawn.
    """
    return answers(ask_of(items, control), Sampling(steps, guidance), prepare)


def ask_of(items: Items, control: bool) -> Ask:
    """The items' own captions, with or without their skeletons."""
    return Ask(items.captions(), list(range(len(items))), items.controls() if control else None)


def scorecard(count: int, sampling: Sampling, switch_items: int, reference_items: int) -> tuple[dict[str, Any], Any]:
    """The whole card, and the pictures drawn with control, (N, H, W, 3). A count of 0 leaves an arm out."""
    items, judge = Items.load(count), Judge.load(SHIPPED)
    floor = measure(items, judge.read(list(items.images)), list(items.images), judge.trusted)
    drawn, free = (answers(ask_of(items, control), sampling) for control in (True, False))
    arm = measure(items, judge.read(drawn), drawn, judge.trusted)
    without = measure(items, judge.read(free), free, judge.trusted)
    card: dict[str, Any] = {name: {"value": arm[name], "floor": floor[name]} for name in MAIN}
    for piece, found in arm["lengths"].items():
        card[f"{piece}_mm_median"] = {"value": found["mm_median"], "floor": floor["lengths"][piece]["mm_median"]}
    card |= {
        "items": count, "num_inference_steps": sampling.steps, "guidance_scale": sampling.guidance,
        "judge": judge.version, "attributes_counted": sorted(judge.trusted), "with_control": arm, "floor": floor,
        "without_control": without,
    }  # fmt: skip
    if switch_items:
        card["switching"] = switching(switch_items, sampling, judge)
    if reference_items:
        card["reference"] = reference_card(reference_items, sampling, judge)
    return card, np.stack(drawn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--switch-items", type=int, default=48)
    parser.add_argument("--reference-items", type=int, default=48)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--sheet", type=Path, default=Path("artefacts/scorecard.webp"))
    arguments = parser.parse_args()
    sampling = Sampling(arguments.steps, arguments.guidance)
    card, drawn = scorecard(arguments.items, sampling, arguments.switch_items, arguments.reference_items)
    card["autoencoder"] = json.loads((AUTOENCODER / "scorecard.json").read_text())
    (TARGET / "scorecard.json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps({name: card[name] for name in MAIN}))
    true = Items.load(min(arguments.items, ON_SHEET)).images
    write_sheet(arguments.sheet, list(zip(true, drawn[: len(true)], strict=True)))


if __name__ == "__main__":
    main()
