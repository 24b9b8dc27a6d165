"""Editing maths for a pose, in millimetres in the picture plane. Every function returns a new pose.

Lengths are those seen by the camera: a limb that points towards it looks short and stays short when it is moved.
"""

from __future__ import annotations

import math

from studio.errors import Fault, FaultsError, InputError
from studio.records.pose import JOINT_NAMES, Framing, Joint, Pose

PARENT: dict[str, str] = {
    "nose": "neck", "right_eye": "nose", "left_eye": "nose", "right_ear": "right_eye", "left_ear": "left_eye",
    "right_shoulder": "neck", "right_elbow": "right_shoulder", "right_wrist": "right_elbow",
    "left_shoulder": "neck", "left_elbow": "left_shoulder", "left_wrist": "left_elbow",
    "right_hip": "neck", "right_knee": "right_hip", "right_ankle": "right_knee",
    "left_hip": "neck", "left_knee": "left_hip", "left_ankle": "left_knee",
}  # fmt: skip
"""Joint -> the joint that it hangs on; the neck is the root."""

LIMB_ENDS = ("right_wrist", "left_wrist", "right_ankle", "left_ankle")
"""Joints that `reach` can place: the ends of the two-bone limbs."""

_INDEX = {name: index for index, name in enumerate(JOINT_NAMES)}


def joint(pose: Pose, name: str) -> Joint:
    """The joint of that name.

    Raises:
        InputError: there is no such joint.
    """
    if name not in _INDEX:
        raise InputError(f"There is no joint '{name}'.", f"Use one of: {', '.join(JOINT_NAMES)}.")
    return pose.joints[_INDEX[name]]


def bone_lengths_mm(pose: Pose) -> dict[str, float]:
    """Length of every bone, by the name of its lower joint."""
    return {name: _distance(joint(pose, name), joint(pose, parent)) for name, parent in PARENT.items()}


def descendants(name: str) -> tuple[str, ...]:
    """All joints that hang on this one, near ones first."""
    found = [name]
    for current in found:
        found.extend(child for child, parent in PARENT.items() if parent == current)
    return tuple(found[1:])


def move_joint(pose: Pose, name: str, x_mm: float, y_mm: float) -> Pose:
    """Put a joint at a place and carry everything that hangs on it along, so that their bones keep their lengths."""
    moved = joint(pose, name)
    dx_mm, dy_mm = x_mm - moved.x_mm, y_mm - moved.y_mm
    carried = (name, *descendants(name))
    return _with(pose, {child: (joint(pose, child).x_mm + dx_mm, joint(pose, child).y_mm + dy_mm) for child in carried})


def reach(pose: Pose, name: str, x_mm: float, y_mm: float) -> Pose:
    """Bend an arm or a leg so that its end comes to (x_mm, y_mm); both bones keep their lengths.

    A place that is too far or too near is answered by the nearest place that the limb can reach, as a hand does.
    The limb keeps bending to the side to which it bends now; a straight limb bends away from the body's middle.

    Raises:
        InputError: `name` is not a wrist or an ankle.
    """
    if name not in LIMB_ENDS:
        raise InputError(f"'{name}' is not the end of a limb.", f"Use one of: {', '.join(LIMB_ENDS)}.")
    middle_name = PARENT[name]
    root, middle, end = joint(pose, PARENT[middle_name]), joint(pose, middle_name), joint(pose, name)
    upper_mm, lower_mm = _distance(root, middle), _distance(middle, end)
    asked_mm = math.hypot(x_mm - root.x_mm, y_mm - root.y_mm)
    aim = (x_mm, y_mm) if asked_mm > 1e-9 else (end.x_mm, end.y_mm)
    direction = math.atan2(aim[1] - root.y_mm, aim[0] - root.x_mm)
    span_mm = min(max(asked_mm, abs(upper_mm - lower_mm)), upper_mm + lower_mm)
    bend = direction + _bend_side(root, middle, end, name) * _corner(upper_mm, span_mm, lower_mm)
    new_middle = (root.x_mm + upper_mm * math.cos(bend), root.y_mm + upper_mm * math.sin(bend))
    new_end = (root.x_mm + span_mm * math.cos(direction), root.y_mm + span_mm * math.sin(direction))
    return _with(pose, {middle_name: new_middle, name: new_end})


def mirror(pose: Pose) -> Pose:
    """The pose as a mirror shows it: x changes sign and right and left joints change names."""
    flipped = []
    for name in JOINT_NAMES:
        twin = joint(pose, _twin(name))
        flipped.append(twin.model_copy(update={"x_mm": -twin.x_mm}))
    return pose.model_copy(update={"joints": tuple(flipped)})


def scale_to_height(pose: Pose, figure_height_mm: float) -> Pose:
    """The same pose of a figure of another standing height, feet staying on the floor.

    Raises:
        InputError: the height lies outside what a pose may have (500 to 2,600 mm).
    """
    if not 500 < figure_height_mm < 2600:
        raise InputError(f"A figure of {figure_height_mm:.0f} mm cannot be posed.", "Use a height from 500 to 2600 mm.")
    factor = figure_height_mm / pose.figure_height_mm
    joints = tuple(_at(item, item.x_mm * factor, item.y_mm * factor) for item in pose.joints)
    return pose.model_copy(update={"joints": joints, "figure_height_mm": figure_height_mm})


def off_canvas(pose: Pose, framing: Framing) -> list[Fault]:
    """One fault per drawn joint that the framing cuts off or that has no place at all."""
    faults = []
    for name, item in zip(JOINT_NAMES, pose.joints, strict=True):
        if not item.present:
            continue
        x_px, y_px = framing.to_px(item)
        side = _outside(x_px, y_px, framing)
        if side:
            faults.append(Fault(name.replace("_", " "), side, "Move it, change the framing, or leave the joint out."))
    return faults


def check_on_canvas(pose: Pose, framing: Framing) -> None:
    """Refuse a pose that does not fit the framing.

    Raises:
        FaultsError: naming every drawn joint off the canvas and by how much.
    """
    faults = off_canvas(pose, framing)
    if faults:
        raise FaultsError(f"Pose '{pose.name}' on {framing.width_px}x{framing.height_px}", faults)


def _outside(x_px: float, y_px: float, framing: Framing) -> str:
    """Where a point lies relative to the canvas, in words; empty when it lies on it."""
    if not (math.isfinite(x_px) and math.isfinite(y_px)):
        return "has no place (its coordinates are not numbers)."
    beyond = {
        "left of": -x_px,
        "right of": x_px - (framing.width_px - 1),
        "above": -y_px,
        "below": y_px - (framing.height_px - 1),
    }
    words = [f"{px:.0f} px {side}" for side, px in beyond.items() if px >= 0.5]
    return f"lies {' and '.join(words)} the picture." if words else ""


def _with(pose: Pose, places: dict[str, tuple[float, float]]) -> Pose:
    """The pose with some joints (by name) at new places in mm."""
    joints = tuple(
        _at(item, *places[name]) if name in places else item
        for name, item in zip(JOINT_NAMES, pose.joints, strict=True)
    )
    return pose.model_copy(update={"joints": joints})


def _at(item: Joint, x_mm: float, y_mm: float) -> Joint:
    return item.model_copy(update={"x_mm": x_mm, "y_mm": y_mm})


def _distance(a: Joint, b: Joint) -> float:
    return math.hypot(a.x_mm - b.x_mm, a.y_mm - b.y_mm)


def _corner(near_mm: float, span_mm: float, far_mm: float) -> float:
    """Angle in rad between the sides `near` and `span` of a triangle whose third side is `far` (law of cosines)."""
    if near_mm < 1e-9 or span_mm < 1e-9:
        return 0.0
    cosine = (near_mm**2 + span_mm**2 - far_mm**2) / (2 * near_mm * span_mm)
    return math.acos(min(1.0, max(-1.0, cosine)))


def _bend_side(root: Joint, middle: Joint, end: Joint, name: str) -> float:
    """+1 where the middle joint lies counter-clockwise of the line from root to end, else -1."""
    cross = (end.x_mm - root.x_mm) * (middle.y_mm - root.y_mm) - (end.y_mm - root.y_mm) * (middle.x_mm - root.x_mm)
    if abs(cross) > 1e-6:
        return math.copysign(1.0, cross)
    # Straight and hanging: seen from the front the figure's right side is on the viewer's left.
    return -1.0 if name.startswith("right") else 1.0


def _twin(name: str) -> str:
    if name.startswith("right_"):
        return name.replace("right_", "left_")
    return name.replace("left_", "right_")
