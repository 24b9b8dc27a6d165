"""Clothes: which part of the mesh each garment covers, cut at lengths in millimetres in the rest pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.body import BodyPack, RestBody

Array = npt.NDArray[Any]
ALWAYS = np.float32(1.0)

SKIN, SHOES, EYES, HAIR, UPPER, LOWER, BAND = range(7)
"""Materials of the layers. UPPER is the top or the dress; LOWER trousers or skirt; BAND a contrast band."""


@dataclass(frozen=True)
class Lengths:
    """The measurements of an outfit, in mm.

    `sleeve_mm` runs along the arm from the shoulder joint; `hem_mm` is the height of skirt, dress or trouser hem
    below the waist; `neckline_mm` the depth of the neckline below the base of the neck; `slant` tilts the hem
    (height lost per mm to the figure's left), 0 for a level one.
    """

    sleeve_mm: float
    hem_mm: float
    neckline_mm: float
    v_neck: bool = False
    top_hem_mm: float = 110.0
    slant: float = 0.0
    flare: float = 1.0


@dataclass(frozen=True)
class Layer:
    """Triangles of one garment over the pack's vertices.

    Attributes:
        triangles: (T, 3).
        inflate_m: (V,) outward offset along the normal.
        keep: (V, 3) signed metres; drawn where all are positive.
    """

    material: int
    triangles: Array
    inflate_m: Array
    keep: Array


@dataclass(frozen=True)
class BodyMap:
    """Per-vertex coordinates of a body in its rest pose, in which garments are cut and fabrics are printed.

    Attributes:
        arm_m: (V,) distance along the arm from the shoulder joint; negative on the trunk.
        waist_z, neck_z, ankle_z: heights in metres.
        arm, leg, foot: (V,) skin weight share.
    """

    rest: RestBody
    arm_m: Array
    arm: Array
    leg: Array
    foot: Array
    waist_z: float
    neck_z: float
    neck_y: float
    ankle_z: float
    shoulder: dict[str, Array]
    elbow: dict[str, Array]


def map_body(pack: BodyPack, rest: RestBody) -> BodyMap:
    """Measures a rest body along its own bones."""
    v, heads, bones = rest.vertices, rest.bone_heads, pack.bones
    arm = pack.bone_weight(("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))
    arm_m = np.full(len(v), -0.05, np.float32)
    shoulder, elbow = {}, {}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        a, b, c = (heads[bones[f"{stem}.{side}"]] for stem in ("upperarm01", "lowerarm01", "wrist"))
        upper, lower = (b - a) / np.linalg.norm(b - a), (c - b) / np.linalg.norm(c - b)
        along = np.minimum((v - a) @ upper, np.linalg.norm(b - a)) + np.maximum((v - b) @ lower, 0)
        mine = v[:, 0] * sign > 0.08
        arm_m = np.where(mine & (arm > 0.02), np.maximum(along, -0.05), arm_m)
        shoulder[side], elbow[side] = a, b
    neck = heads[bones["neck01"]]
    return BodyMap(
        rest=rest,
        arm_m=arm_m.astype(np.float32),
        arm=arm,
        leg=pack.bone_weight(("upperleg", "lowerleg", "foot", "toe")),
        foot=pack.bone_weight(("foot", "toe")),
        waist_z=float(heads[bones["root"], 2] + 0.58 * (heads[bones["spine03"], 2] - heads[bones["root"], 2])),
        neck_z=float(neck[2]),
        neck_y=float(neck[1]),
        ankle_z=float(heads[bones["foot.L"], 2]),
        shoulder=shoulder,
        elbow=elbow,
    )


def _neck_rule(m: BodyMap, lengths: Lengths) -> Array:
    v = m.rest.vertices
    front = (m.neck_y - v[:, 1]) / 0.10  # 1 at the throat, negative at the nape
    round_cut = m.neck_z - lengths.neckline_mm / 1000 * np.clip(front, -0.2, 1.0) - v[:, 2]
    rule = np.where(np.abs(v[:, 0]) > 0.105, ALWAYS, round_cut + 0.012)
    if lengths.v_neck:
        vee = 1.75 * np.abs(v[:, 0]) - (v[:, 2] - (m.neck_z - 0.155))
        rule = np.where((v[:, 1] < m.neck_y - 0.01) & (np.abs(v[:, 0]) <= 0.105), np.minimum(rule, vee), rule)
    return rule.astype(np.float32)


def _rules(count: int, *rules: Array) -> Array:
    keep = np.full((count, 3), ALWAYS, np.float32)
    for column, rule in enumerate(rules):
        keep[:, column] = rule
    return keep


def outfit_layers(pack: BodyPack, m: BodyMap, garment: str, lengths: Lengths) -> list[Layer]:
    """All layers of a dressed figure, skin first.

    Args:
        garment: "trousers", "skirt" or "dress".
    """
    v = m.rest.vertices
    count, z = len(v), v[:, 2]
    tights, skirt = pack.faces["helper-tights"], pack.faces["helper-skirt"]
    hem_z = m.waist_z - lengths.hem_mm / 1000 + lengths.slant * v[:, 0]
    even = np.full(count, 0.0, np.float32)
    shoe_top = m.ankle_z + 0.015
    layers = [
        Layer(SKIN, pack.faces["body"], even, _rules(count)),
        Layer(SHOES, pack.faces["body"], np.full(count, 0.006, np.float32), _rules(count, shoe_top - z, m.foot - 0.4)),
        Layer(EYES, np.concatenate([pack.faces["helper-l-eye"], pack.faces["helper-r-eye"]]), even, _rules(count)),
    ]
    top_end = m.waist_z - (lengths.top_hem_mm / 1000 if garment == "trousers" else -0.01)
    top_rules = _rules(count, z - top_end, lengths.sleeve_mm / 1000 - m.arm_m, _neck_rule(m, lengths))
    loose = 0.010 + 0.010 * np.clip(m.arm_m / 0.4, 0, 1)
    layers.append(Layer(UPPER, tights, loose.astype(np.float32), top_rules))
    if garment == "trousers":
        leg_end = np.maximum(hem_z, m.ankle_z - 0.035)  # full length ends on the shoe
        ease = 0.004 + 0.022 * np.clip((m.waist_z - 0.25 - z) / 0.5, 0, 1)
        layers.append(
            Layer(LOWER, tights, ease.astype(np.float32), _rules(count, z - leg_end, m.waist_z + 0.02 - z, 0.5 - m.arm))
        )
    else:
        material = UPPER if garment == "dress" else LOWER
        ease = 0.012 + 0.05 * (lengths.flare - 1) * np.clip((m.waist_z - z) / 0.6, 0, 1)
        layers.append(Layer(material, skirt, ease.astype(np.float32), _rules(count, z - hem_z)))
    return layers


def hair_layer(pack: BodyPack, m: BodyMap, eye_z: float, long: bool) -> Layer:
    """MakeHuman's hair helper: whole for long hair, cut at the ear for short; never over the face."""
    v = m.rest.vertices
    end = eye_z - (0.27 if long else 0.045)
    face = np.where((v[:, 2] < eye_z + 0.055), v[:, 1] - (m.neck_y - 0.045), ALWAYS).astype(np.float32)
    rules = _rules(len(v), v[:, 2] - end, face)
    return Layer(HAIR, pack.faces["helper-hair"], np.full(len(v), 0.004, np.float32), rules)
