"""Pose: 18 OpenPose joints in millimetres; Framing: how millimetres become pixels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from studio.records.base import Record, Slug

JOINT_NAMES = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle",
    "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
"""OpenPose (COCO-18) order; right and left are the figure's own."""


class Joint(Record):
    """A joint in the picture plane: x to the viewer's right, y up from the floor, origin under the figure."""

    x_mm: float
    y_mm: float
    present: bool = True
    """False: not drawn in the control map (hidden from the camera, or left out)."""


class Framing(Record):
    """An orthographic camera. A point (x_mm, y_mm) falls on
    (origin_x_px + x_mm * px_per_mm, origin_y_px - y_mm * px_per_mm).
    """

    width_px: int = 192
    height_px: int = 256
    px_per_mm: float = Field(default=256 / 1950, gt=0)
    origin_x_px: float = 96.0
    origin_y_px: float = 246.0
    """Row of the floor under the figure."""

    def scaled(self, factor: float) -> Framing:
        """The same view at `factor` times the resolution."""
        return Framing(
            width_px=round(self.width_px * factor),
            height_px=round(self.height_px * factor),
            px_per_mm=self.px_per_mm * factor,
            origin_x_px=self.origin_x_px * factor,
            origin_y_px=self.origin_y_px * factor,
        )

    def to_px(self, joint: Joint) -> tuple[float, float]:
        """Pixel position (x, y) of a joint; may lie outside the canvas."""
        return self.origin_x_px + joint.x_mm * self.px_per_mm, self.origin_y_px - joint.y_mm * self.px_per_mm


class Pose(Record):
    """A named pose of one figure.

    Attributes:
        joints: 18 joints in the order of `JOINT_NAMES`.
        figure_height_mm: standing height of the figure that the joints belong to.
    """

    name: Slug
    joints: tuple[Joint, ...]
    figure_height_mm: float = Field(default=1700.0, gt=500, lt=2600)
    view: Literal["front", "three-quarter", "side", "back"] = "front"
    action: str = "standing"

    @model_validator(mode="after")
    def _eighteen(self) -> Pose:
        if len(self.joints) != len(JOINT_NAMES):
            raise ValueError(f"a pose has {len(JOINT_NAMES)} joints, this one has {len(self.joints)}")
        return self


class ControlMap(Record):
    """A drawn control picture in the file store and what it was drawn from."""

    kind: Literal["openpose"] = "openpose"
    image_sha256: str
    framing: Framing
    pose: Pose
