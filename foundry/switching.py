"""The same figure with another age group or background: what changes that should not?

Caption, seed, control and (where the base takes one) reference stay; one word of the caption changes. Compared are the
two drawings with each other, not with the truth. The floor is a pair of true renders that differ in the same word, read
in the same way: what it shows is the judge's own unsteadiness, and what the change brings along in truth (grey hair).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.body import BodyPack
from foundry.dataset import sample_framing
from foundry.drawing import Ask, Sampling, answers
from foundry.items import Items
from foundry.measures import colour_away, median, pattern_or_zero, silhouette_iou
from foundry.render import render
from foundry.scene import Scene, sample_scene
from foundry.swatch import reference
from studio.measure.judge import Judge, Reading
from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes
from studio.wording import caption

Array = npt.NDArray[Any]
SWITCHED = ("age_group", "background")
STRIDE = 2
"""How far along its list of values an attribute moves: 20s to 40s, 50s to 20s."""


@dataclass(frozen=True)
class Shown:
    """One arm: pictures, and what the judge reads in them."""

    pictures: list[Array]
    readings: list[Reading]


def switched(attributes: FigureAttributes, name: str) -> FigureAttributes:
    """The same with another value of one attribute."""
    values = ATTRIBUTE_VALUES[name]
    now = values.index(getattr(attributes, name))
    return attributes.model_copy(update={name: values[(now + STRIDE) % len(values)]})


def switching(count: int, sampling: Sampling, judge: Judge) -> dict[str, Any]:
    """The card of both switches over `count` held-out items; draws 3 `count` pictures, renders 2 `count`."""
    pack, items = BodyPack(), Items.load(count)
    scenes = [sample_scene(pack, seed, "held-out") for seed in range(count)]
    texts = [scene.attributes for scene in scenes]
    drawn, true = _shown(_draw(texts, scenes, items, sampling), judge), _shown(list(items.images), judge)
    card: dict[str, Any] = {"items": count, "with_reference": sampling.has_adapter}
    for name in SWITCHED:
        asked = [switched(text, name) for text in texts]
        after = _shown(_draw(asked, scenes, items, sampling), judge)
        other = _shown(
            [
                render(pack, replace(scene, attributes=text), sample_framing(seed)).image
                for seed, (scene, text) in enumerate(zip(scenes, asked, strict=True))
            ],
            judge,
        )
        card[name] = {
            "value": compare(drawn, after, items, name, asked, judge.trusted),
            "floor": compare(true, other, items, name, asked, judge.trusted),
        }
    return card


def _draw(texts: Sequence[FigureAttributes], scenes: Sequence[Scene], items: Items, sampling: Sampling) -> list[Array]:
    references = [reference(scene.upper, np.random.default_rng([n, 41])) for n, scene in enumerate(scenes)]
    ask = Ask(
        captions=[caption(text) for text in texts],
        seeds=list(range(len(texts))),
        controls=items.controls(),
        references=references if sampling.has_adapter else None,
    )
    return answers(ask, sampling)


def _shown(pictures: list[Array], judge: Judge) -> Shown:
    return Shown(pictures, judge.read(pictures))


def compare(
    before: Shown, after: Shown, items: Items, name: str, asked: Sequence[FigureAttributes], trusted: frozenset[str]
) -> dict[str, float | None]:
    """How alike two arms are, apart from attribute `name`.

    Returns:
        medians of silhouette overlap, joint displacement (mm, unoccluded joints), colour difference and pattern
        similarity of top or dress, colour difference of what no cloth covers (skin, hair, shoes); `kept`, the share of
        the other trusted attributes that are read as before; `read_as_asked` for the changed one, which means little
        where `trusted` does not hold it.
    """
    unions, moved, cloth, patterns, person, kept, met = [], [], [], [], [], [], []
    for i, (a, b) in enumerate(zip(before.readings, after.readings, strict=True)):
        unions.append(silhouette_iou(a.figure_mask > 0.5, b.figure_mask > 0.5))
        moved.append((np.linalg.norm(a.joints_px - b.joints_px, axis=1) / items.px_per_mm[i])[items.counted(i)])
        pictures, uppers = (before.pictures[i], after.pictures[i]), (a.upper_mask > 0.5, b.upper_mask > 0.5)
        cloth.append(colour_away(pictures[0], uppers[0], pictures[1], uppers[1]))
        patterns.append(pattern_or_zero(pictures[0], uppers[0], pictures[1], uppers[1]))
        bare = [(r.figure_mask > 0.5) & (r.garment_mask < 0.5) for r in (a, b)]
        person.append(colour_away(pictures[0], bare[0], pictures[1], bare[1]))
        kept += [a.attributes[other][0] == b.attributes[other][0] for other in sorted(trusted - {name})]
        met.append(b.attributes[name][0] == getattr(asked[i], name))
    return {
        "iou": median(unions, 3),
        "joint_mm_median": median(np.concatenate(moved), 1),
        "delta_e": median(cloth, 2),
        "pattern_similarity": median(patterns, 3),
        "person_delta_e": median(person, 2),
        "kept": round(float(np.mean(kept)), 3) if kept else None,
        "read_as_asked": round(float(np.mean(met)), 3),
    }
