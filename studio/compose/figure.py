"""From joints on a photo's pixels to a pose in millimetres: scale, floor and view of the figure."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from studio.errors import InputError
from studio.measure.annotators.joints import Joints
from studio.records.pose import JOINT_NAMES, Framing, Joint, Pose

HEIGHT_MM = 1700.0
BONES_MM = {
    ("neck", "right_hip"): 500.0, ("neck", "left_hip"): 500.0,
    ("right_hip", "right_knee"): 415.0, ("left_hip", "left_knee"): 415.0,
    ("right_knee", "right_ankle"): 394.0, ("left_knee", "left_ankle"): 394.0,
    ("right_shoulder", "right_elbow"): 274.0, ("left_shoulder", "left_elbow"): 274.0,
    ("right_elbow", "right_wrist"): 228.0, ("left_elbow", "left_wrist"): 228.0,
}  # fmt: skip
"""Bones of a figure of 1,700 mm, as `presets/poses/standing-front.yaml` has them (hips: to the side of the middle)."""
ABOVE_FLOOR_MM = {"ankle": 96.0, "knee": 490.0, "hip": 905.0, "shoulder": 1390.0, "neck": 1395.0}
"""Height of each joint over the floor, of the same figure standing; the lowest that is seen says where the floor is."""
_UNSHORTENED = 0.75
"""Quantile of the bones' scales that is believed: a bone that points towards the camera looks shorter, never longer."""
_FRONT, _SIDE = 0.55, 0.2
"""Width of the shoulders over the length of the trunk. The presets have 0.59 to 0.65 from the front, 0.40 to 0.50 at
three quarters, below 0.05 from the side, and the same negative from the back."""

View = Literal["front", "three-quarter", "side", "back"]


def pose_of(joints: Joints, size_px: tuple[int, int], name: str, action: str = "standing") -> tuple[Pose, Framing]:
    """The pose of a figure of 1,700 mm, and the framing in which it falls on the photo's own pixels.

    Args:
        size_px: height and width of the photo.

    Raises:
        InputError: too little of a person is seen to say how large it is.
    """
    at = dict(zip(JOINT_NAMES, joints.places_px, strict=True))
    seen = {joint for joint, counts in zip(JOINT_NAMES, joints.seen, strict=True) if counts}
    scales = [math.dist(at[a], at[b]) / mm for (a, b), mm in BONES_MM.items() if {a, b} <= seen]
    px_per_mm = float(np.quantile(scales, _UNSHORTENED)) if scales else 0.0
    floor = [at[j][1] + ABOVE_FLOOR_MM[_part(j)] * px_per_mm for j in seen if _part(j) == _lowest(seen)]
    if px_per_mm <= 0 or not floor:
        raise InputError(
            "Too little of the person is seen to make a pose of it.",
            "Choose a photo that shows trunk and limbs, or move the joints by hand.",
        )
    hips = [at[j][0] for j in ("right_hip", "left_hip") if j in seen] or [at[j][0] for j in sorted(seen)]
    framing = Framing(
        width_px=size_px[1], height_px=size_px[0], px_per_mm=px_per_mm,
        origin_x_px=float(np.mean(hips)), origin_y_px=float(max(floor)),
    )  # fmt: skip
    placed = tuple(
        Joint(
            x_mm=(float(at[joint][0]) - framing.origin_x_px) / px_per_mm,
            y_mm=(framing.origin_y_px - float(at[joint][1])) / px_per_mm,
            present=joint in seen,
        )
        for joint in JOINT_NAMES
    )
    return Pose(name=name, joints=placed, figure_height_mm=HEIGHT_MM, view=_view(at, seen), action=action), framing


def _part(joint: str) -> str:
    """`left_knee` -> `knee`."""
    return joint.rpartition("_")[2]


def _lowest(seen: set[str]) -> str:
    """The lowest kind of joint that is seen, by the figure's build, not by where it lies."""
    parts = {_part(joint) for joint in seen}
    return next((part for part in ABOVE_FLOOR_MM if part in parts), "")


def _view(at: dict[str, np.ndarray], seen: set[str]) -> View:
    """From where the figure is seen, by its shoulders; the front where they cannot be compared with the trunk."""
    hips = [at[joint] for joint in ("right_hip", "left_hip") if joint in seen]
    if not hips or not {"right_shoulder", "left_shoulder"} <= seen:
        return "front"
    trunk = max(math.dist(at["neck"], np.mean(hips, axis=0)), 1e-6)
    width = float(at["left_shoulder"][0] - at["right_shoulder"][0]) / trunk
    if abs(width) < _SIDE:
        return "side"
    if width < 0:
        return "back"
    return "front" if width >= _FRONT else "three-quarter"
