"""The colour of every covered pixel: cloth printed in millimetres, skin and face, hair, and the light on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.fabrics import FABRICS
from foundry.free_fabrics import pattern_of
from foundry.garments import EYES, HAIR, LOWER, SHOES, SKIN, UPPER, BodyMap
from foundry.scene import GREYING, Cloth, Scene
from foundry.surface import Surface

Array = npt.NDArray[Any]
NOSE, RIGHT_EYE, LEFT_EYE = 0, 14, 15
GREY_HAIR = (186, 186, 188.0)
EYE_WHITE, IRIS = (232, 230, 226.0), (44, 30, 24.0)
LINES = {"20s": 0.0, "30s": 0.0, "40s": 0.10, "50s": 0.20, "60s": 0.32}
"""How dark the lines of age are on the skin."""
BAND_HALF_M = 0.03
"""Half of the height of a contrast band at the waist."""


def shade(scene: Scene, m: BodyMap, s: Surface, rest_joints: Array) -> Array:
    """(N, 3) lit colour of every covered pixel, sRGB in [0, 255].

    Args:
        rest_joints: (18, 3) joints of the body in its rest pose, where the face is painted.
    """
    colour = np.tile(scene.skin, (len(s.rows), 1)).astype(np.float64)
    skin, hair = s.material == SKIN, s.material == HAIR
    colour[skin] = _face(scene, s.subset(skin), rest_joints, colour[skin])
    eyes = np.flatnonzero(s.material == EYES)
    colour[eyes] = _eyes(s.rest[eyes], rest_joints)
    colour[s.material == SHOES] = scene.shoes
    colour[hair] = _hair(scene, s.rest[hair], float(rest_joints[RIGHT_EYE, 2]))
    for material, cloth in ((UPPER, scene.upper), (LOWER, scene.lower)):
        chosen = np.flatnonzero(s.material == material)
        skirt = _hangs_free(scene, m, s.rest[chosen], material)
        for part in (True, False):
            some = chosen[skirt == part]
            if len(some):
                colour[some] = _cloth(s.subset(some), m, cloth, part)
        if scene.contrast_band is not None and material == UPPER:
            band = np.abs(s.rest[chosen][:, 2] - m.waist_z - 0.01) < BAND_HALF_M
            colour[chosen[band & (s.arm[chosen] < 0.5)]] = scene.contrast_band
    return _light(scene, s.normal, colour)


def _hangs_free(scene: Scene, m: BodyMap, rest: Array, material: int) -> Array:
    """(n,) bool: cloth that hangs from the waist as one tube instead of lying on the trunk or the legs."""
    if material == LOWER:
        return np.full(len(rest), scene.attributes.garment == "skirt")
    below: Array = (scene.attributes.garment == "dress") & (rest[:, 2] < m.waist_z)
    return below


def _cloth(s: Surface, m: BodyMap, cloth: Cloth, skirt: bool) -> Array:
    """(n, 3) colour, printed along the trunk, the arms and the legs."""
    rest, arm = s.rest, s.arm > 0.5
    u = np.arctan2(rest[:, 0], m.neck_y - rest[:, 1]) * (165 if skirt else 140)
    v = rest[:, 2] * 1000
    if not skirt:
        leg = (s.leg > 0.5) & (rest[:, 2] < m.waist_z - 0.12)
        centre = np.sign(rest[:, 0]) * 0.115
        u = np.where(leg, np.arctan2(rest[:, 0] - centre, -rest[:, 1]) * 85, u)
    for side, sign in (("L", 1), ("R", -1)):
        mine = arm & (rest[:, 0] * sign > 0)
        axis = m.elbow[side] - m.shoulder[side]
        axis = axis / np.linalg.norm(axis)
        away = rest - m.shoulder[side]
        away = away - np.outer(away @ axis, axis)
        u = np.where(mine, np.arctan2(away[:, 1], away[:, 2]) * 55, u)
    v = np.where(arm, s.arm_m * 1000 + 20, v)
    return printed(cloth, u, v)


def printed(cloth: Cloth, u: Array, v: Array) -> Array:
    """(n, 3) colour of cloth at surface coordinates in mm, before any light."""
    pattern = FABRICS.get(cloth.fabric) or pattern_of(cloth.fabric)
    share, bright = pattern(u, v, cloth.scale)
    colour: Array = (cloth.colour + (cloth.second - cloth.colour) * share[:, None]) * bright[:, None]
    return colour


def _face(scene: Scene, s: Surface, rest_joints: Array, colour: Array) -> Array:
    """Brows, lips and the lines of age, painted on the skin in rest coordinates."""
    p, nose = s.rest, rest_joints[NOSE]
    front = p[:, 1] < nose[1] + 0.075
    brow_tone = scene.hair * 0.55 + scene.skin * 0.12
    for eye in (rest_joints[RIGHT_EYE], rest_joints[LEFT_EYE]):
        dx, dz = np.abs(p[:, 0] - eye[0]), p[:, 2] - eye[2]
        brow = front * np.exp(-((dx / 0.017) ** 4) - ((dz - 0.021) / 0.0055) ** 2)
        socket = front * np.exp(-((dx / 0.022) ** 4) - (dz / 0.012) ** 4)
        colour = colour * (1 - 0.22 * socket[:, None])
        colour += (brow_tone - colour) * (0.85 * brow)[:, None]
    lips = np.clip(s.lips, 0, 1) * front
    lip_tone = scene.skin * np.array((0.86, 0.58, 0.60) if scene.attributes.gender == "woman" else (0.86, 0.68, 0.66))
    colour += (lip_tone - colour) * (0.85 * lips)[:, None]
    crease = front * np.exp(-(((np.abs(p[:, 0]) - 0.027 - 0.35 * (nose[2] - p[:, 2])) / 0.006) ** 2))
    crease = crease * (p[:, 2] < nose[2]) * (p[:, 2] > nose[2] - 0.06)
    brow_lines = front * (p[:, 2] > rest_joints[RIGHT_EYE, 2] + 0.035)
    brow_lines = brow_lines * (0.5 + 0.5 * np.cos((p[:, 2] - nose[2]) * 500))
    aged: Array = colour * (1 - LINES[scene.attributes.age_group] * np.clip(crease + 0.5 * brow_lines, 0, 1))[:, None]
    return aged


def _eyes(rest: Array, rest_joints: Array) -> Array:
    """White with a dark iris."""
    eyes = (rest_joints[RIGHT_EYE], rest_joints[LEFT_EYE])
    nearest = np.min([np.hypot(rest[:, 0] - eye[0], rest[:, 2] - eye[2]) for eye in eyes], axis=0)
    iris = 1 / (1 + np.exp((nearest - 0.0068) * 1500))
    colour: Array = np.array(EYE_WHITE) + (np.array(IRIS) - np.array(EYE_WHITE)) * iris[:, None]
    return colour


def _hair(scene: Scene, rest: Array, eye_z: float) -> Array:
    """Strands; with age the temples turn grey first."""
    greying = GREYING[scene.attributes.age_group]
    top = 1 - np.clip((rest[:, 2] - (eye_z - 0.05)) / 0.14, 0, 1)
    grey = np.clip(greying * 1.6 * top + 0.4 * greying - 0.15, 0, 0.9)
    strand = 1 + 0.10 * np.sin(np.arctan2(rest[:, 0], rest[:, 1] + 0.02) * 34)
    colour: Array = (scene.hair + (np.array(GREY_HAIR) - scene.hair) * grey[:, None]) * strand[:, None]
    return colour


def _light(scene: Scene, normal: Array, colour: Array) -> Array:
    """One key light from a side, a broad fill from the camera, a little from above."""
    key = np.array((scene.key_side, -0.72, 0.5))
    key /= np.linalg.norm(key)
    diffuse = np.clip(normal @ key, 0, 1) * 0.75 + 0.25 * np.clip(normal @ key * 0.5 + 0.5, 0, 1)
    fill = np.clip(-normal[:, 1], 0, 1)
    light = 0.46 + scene.key_strength * diffuse + 0.16 * fill + 0.05 * normal[:, 2]
    lit: Array = np.clip(colour * light[:, None], 0, 255)
    return lit
