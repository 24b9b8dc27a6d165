"""Scene: everything that decides one picture, drawn from a seed, and the seeds that belong to whom.

Bodies and seeds are divided so that what a network is judged on was never trained on: see `SPLITS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foundry.body import BodyPack, BodyPose
from foundry.fabrics import COLOURS, jitter, second_colour
from foundry.free_fabrics import PREFIX, free_colours
from foundry.garments import Lengths
from foundry.poses import sample_pose, sample_yaw
from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes

Rng = np.random.Generator

FREE = "free-fabrics"
SPLITS = {"croquis": (0, 13), FREE: (0, 13), "judge": (13, 17), "held-out": (17, 19), "sample-brand": (19, 20)}
"""Which of the 20 bodies of every kind belong to which use: [first, last). `FREE` is croquis's too: there every top
or dress is of a fabric that no caption can name."""

SLEEVE_MM = {"sleeveless": (-15, 0), "short": (130, 180), "elbow": (270, 310), "long": (560, 640)}
SKIRT_MM = {"mini": (400, 450), "knee": (560, 620), "midi": (740, 800), "ankle": (930, 990)}
TROUSERS_MM = {"mini": (400, 450), "knee": (560, 610), "midi": (790, 850), "ankle": (1010, 1100)}
NECK_MM = {"crew": (38, 60), "v-neck": (40, 55), "high": (-60, -50)}
SKIN = {"fair": (236, 204, 182), "tan": (208, 162, 126), "brown": (156, 106, 74), "dark": (98, 64, 46)}
HAIR = {
    "black": (34, 30, 30), "brown": (98, 62, 38), "blonde": (214, 178, 108), "grey": (176, 176, 178),
    "red": (158, 66, 30),
}  # fmt: skip
STOOP = {"20s": 0.0, "30s": 0.0, "40s": 2.0, "50s": 5.0, "60s": 9.0}
GREYING = {"20s": 0.0, "30s": 0.06, "40s": 0.28, "50s": 0.55, "60s": 0.85}
"""Share of the hair's height at the temples that has turned grey: with posture and skin, what makes age visible."""
HEIGHT_M = {"woman": (1.56, 1.76), "man": (1.66, 1.86)}


@dataclass(frozen=True)
class Cloth:
    """One piece's fabric: a name in `FABRICS` or one that `pattern_of` knows, two sRGB colours, a pattern scale."""

    fabric: str
    colour: Any
    second: Any
    scale: float = 1.0


@dataclass(frozen=True)
class Scene:
    """All choices of one picture. Rendering it twice gives the same bytes."""

    attributes: FigureAttributes
    body_index: int
    height_m: float
    pose: BodyPose
    yaw_degrees: float
    lengths: Lengths
    upper: Cloth
    lower: Cloth
    skin: Any
    hair: Any
    shoes: Any
    key_side: float
    key_strength: float
    background_seed: int
    contrast_band: Any = None


def sample_attributes(rng: Rng) -> FigureAttributes:
    """Independent, uniform attributes, except that men mostly wear trousers."""
    pick = {name: values[int(rng.integers(len(values)))] for name, values in ATTRIBUTE_VALUES.items()}
    if pick["gender"] == "man":
        pick["garment"] = "trousers"
    if pick["garment"] == "dress":
        pick["lower_colour"] = pick["colour"]
    if pick["action"] == "arms-crossed" and pick["view"] == "back":
        pick["action"] = "standing"
    return FigureAttributes.model_validate(pick)


def body_for(rng: Rng, pack: BodyPack, a: FigureAttributes, split: str) -> int:
    """A body of the attributes' kind among those of the split."""
    first, last = SPLITS[split]
    members = [i for i, kind in enumerate(pack.kinds) if kind == (a.gender, a.age_group, a.body)]
    return members[first:last][int(rng.integers(last - first))]


def sample_lengths(rng: Rng, a: FigureAttributes) -> Lengths:
    """Lengths in mm within the ranges that the attribute words stand for."""
    hem = (TROUSERS_MM if a.garment == "trousers" else SKIRT_MM)[a.hem]
    return Lengths(
        sleeve_mm=float(rng.uniform(*SLEEVE_MM[a.sleeve])),
        hem_mm=float(rng.uniform(*hem)),
        neckline_mm=float(rng.uniform(*NECK_MM[a.neckline])),
        v_neck=a.neckline == "v-neck",
        top_hem_mm=float(rng.uniform(70, 130)),
        flare=float(rng.uniform(0.9, 1.6)),
    )


def sample_scene(pack: BodyPack, seed: int, split: str, attributes: FigureAttributes | None = None) -> Scene:
    """The scene of a seed. `split` decides the bodies; seeds of different splits never meet (they are salted)."""
    rng = np.random.default_rng([seed, *split.encode()])
    a = attributes or sample_attributes(rng)
    colour = jitter(rng, COLOURS[a.colour])
    upper = Cloth(a.fabric, colour, second_colour(rng, a.fabric, colour), float(rng.uniform(0.88, 1.16)))
    if split == FREE:
        upper = Cloth(f"{PREFIX}{seed}", *free_colours(rng))
    lower_colour = jitter(rng, COLOURS[a.lower_colour])
    shoe = COLOURS[("black", "brown", "white", "grey")[int(rng.integers(4))]]
    return Scene(
        attributes=a,
        body_index=body_for(rng, pack, a, split),
        height_m=float(rng.uniform(*HEIGHT_M[a.gender])),
        pose=sample_pose(rng, a.action, STOOP[a.age_group] + float(rng.uniform(-1, 1))),
        yaw_degrees=sample_yaw(rng, a.view),
        lengths=sample_lengths(rng, a),
        upper=upper,
        lower=upper if a.garment == "dress" else Cloth("plain", lower_colour, lower_colour),
        skin=jitter(rng, SKIN[a.skin], 6),
        hair=jitter(rng, HAIR[a.hair_colour], 5),
        shoes=jitter(rng, shoe, 6),
        key_side=float(rng.uniform(0.25, 0.7)) * (1 if rng.random() < 0.5 else -1),
        key_strength=float(rng.uniform(0.36, 0.50)),
        background_seed=int(rng.integers(2**31)),
    )
