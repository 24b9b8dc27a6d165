"""The pose catalogue: actions x views with random, human ranges, as limb directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.body import BodyPose, rotation

Array = npt.NDArray[Any]
Rng = np.random.Generator
SIDES = {"L": 1.0, "R": -1.0}

YAW_DEGREES = {"front": (-12, 12), "three-quarter": (30, 56), "side": (78, 98), "back": (165, 195)}
"""Turn of the figure about the vertical; three-quarter and side come from either side."""


def direction(side: str, outward: float, forward: float) -> Array:
    """A limb direction: straight down, swung `outward` and then `forward`, in degrees."""
    out, fwd = np.deg2rad(outward), np.deg2rad(forward)
    return np.array((np.sin(out) * SIDES[side], -np.cos(out) * np.sin(fwd), -np.cos(out) * np.cos(fwd)))


def _hanging_arm(rng: Rng, side: str, swing: float = 0.0) -> dict[str, Array]:
    return {
        f"upperarm01.{side}": direction(side, rng.uniform(9, 18), swing + rng.uniform(-6, 6)),
        f"lowerarm01.{side}": direction(side, rng.uniform(2, 10), max(swing, 0) + rng.uniform(8, 24)),
    }


def _hip_arm(rng: Rng, side: str) -> dict[str, Array]:
    s = SIDES[side]
    return {
        f"upperarm01.{side}": direction(side, rng.uniform(42, 52), rng.uniform(-22, -10)),
        f"lowerarm01.{side}": np.array(
            (-s * rng.uniform(0.72, 0.82), -rng.uniform(0.22, 0.32), -rng.uniform(0.55, 0.65))
        ),
    }


def _crossed_arm(rng: Rng, side: str, upper: bool) -> dict[str, Array]:
    s = SIDES[side]
    lift = rng.uniform(0.16, 0.24) if upper else rng.uniform(-0.02, 0.06)
    return {
        f"upperarm01.{side}": direction(side, rng.uniform(14, 20), rng.uniform(16, 24)),
        f"lowerarm01.{side}": np.array((-s * 0.86, -rng.uniform(0.46, 0.54) - (0.08 if upper else 0.0), lift)),
    }


def _free_arm(rng: Rng, side: str) -> dict[str, Array]:
    outward, forward = rng.uniform(12, 125), rng.uniform(-15, 60)
    bend = rng.uniform(-5, 45)
    return {
        f"upperarm01.{side}": direction(side, outward, forward),
        f"lowerarm01.{side}": direction(side, outward + rng.uniform(-10, 40), forward + bend),
    }


def _leg(rng: Rng, side: str, outward: float, forward: float, bend: float) -> dict[str, Array]:
    return {
        f"upperleg01.{side}": direction(side, outward, forward),
        f"lowerleg01.{side}": direction(side, outward * 0.6, forward - bend),
    }


def _legs(rng: Rng, action: str) -> dict[str, Array]:
    if action == "walking":
        front, swing = ("L", "R")[int(rng.integers(2))], rng.uniform(17, 27)
        back = "R" if front == "L" else "L"
        return _leg(rng, front, 2, swing, rng.uniform(2, 8)) | _leg(rng, back, 2, -swing * 0.7, rng.uniform(14, 30))
    if action == "sitting":
        thigh = rng.uniform(78, 88)
        return {
            name: value
            for side in SIDES
            for name, value in _leg(rng, side, rng.uniform(4, 9), thigh, thigh + rng.uniform(-6, 6)).items()
        }
    stance = rng.uniform(1.5, 6.5)
    relaxed = ("L", "R", "")[int(rng.integers(3))]
    return {
        name: value
        for side in SIDES
        for name, value in _leg(rng, side, stance, *((12, 16) if side == relaxed else (0, 1))).items()
    }


def _arms(rng: Rng, action: str) -> dict[str, Array]:
    if action == "arms-crossed":
        above = ("L", "R")[int(rng.integers(2))]
        return _crossed_arm(rng, "L", above == "L") | _crossed_arm(rng, "R", above == "R")
    if action == "hand-on-hip":
        hands = (("L",), ("R",), ("L", "R"))[int(rng.integers(3))]
        return {
            name: value
            for side in SIDES
            for name, value in (_hip_arm if side in hands else _hanging_arm)(rng, side).items()
        }
    if action == "sitting":
        return {
            name: value
            for side in SIDES
            for name, value in {
                f"upperarm01.{side}": direction(side, rng.uniform(6, 12), rng.uniform(12, 24)),
                f"lowerarm01.{side}": direction(side, rng.uniform(-10, 2), rng.uniform(52, 68)),
            }.items()
        }
    if action == "walking":
        swing = rng.uniform(14, 26) * (1 if rng.random() < 0.5 else -1)
        return _hanging_arm(rng, "L", swing) | _hanging_arm(rng, "R", -swing)
    if rng.random() < 0.35:  # standing figures also teach arms in any place that a pose editor can ask for
        free = ("L", "R", "LR")[int(rng.integers(3))]
        return {
            name: value
            for side in SIDES
            for name, value in (_free_arm if side in free else _hanging_arm)(rng, side).items()
        }
    return _hanging_arm(rng, "L") | _hanging_arm(rng, "R")


def sample_pose(rng: Rng, action: str, stoop_degrees: float = 0.0) -> BodyPose:
    """A random pose of the catalogue's `action`; `stoop_degrees` bends the upper spine forwards."""
    lean, turn = rng.uniform(-2, 2), rng.uniform(-14, 14)
    if action == "walking":
        stoop_degrees += 3
    turns = {
        "spine03": rotation("y", lean) @ rotation("x", stoop_degrees * 0.5),
        "spine01": rotation("x", stoop_degrees * 0.5),
        "head": rotation("z", turn) @ rotation("x", rng.uniform(-5, 6) - stoop_degrees * 0.4),
    }
    return BodyPose(limbs=_legs(rng, action) | _arms(rng, action), turns=turns)


def sample_yaw(rng: Rng, view: str) -> float:
    """Turn of the figure in degrees for a view of the catalogue."""
    yaw = float(rng.uniform(*YAW_DEGREES[view]))
    return yaw if view in ("front", "back") or rng.random() < 0.5 else -yaw
