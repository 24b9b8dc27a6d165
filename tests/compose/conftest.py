"""A pose built by hand: a figure of 1,700 mm that stands facing the camera."""

from __future__ import annotations

import pytest

from studio.records.pose import JOINT_NAMES, Joint, Pose

STANDING_MM = {
    "nose": (0, 1560), "neck": (0, 1400),
    "right_shoulder": (-180, 1390), "right_elbow": (-240, 1110), "right_wrist": (-250, 860),
    "left_shoulder": (180, 1390), "left_elbow": (240, 1110), "left_wrist": (250, 860),
    "right_hip": (-90, 900), "right_knee": (-100, 490), "right_ankle": (-110, 80),
    "left_hip": (90, 900), "left_knee": (100, 490), "left_ankle": (110, 80),
    "right_eye": (-30, 1595), "left_eye": (30, 1595), "right_ear": (-75, 1580), "left_ear": (75, 1580),
}  # fmt: skip


@pytest.fixture
def standing() -> Pose:
    """A standing figure seen from the front."""
    joints = tuple(Joint(x_mm=STANDING_MM[name][0], y_mm=STANDING_MM[name][1]) for name in JOINT_NAMES)
    return Pose(name="standing-by-hand", joints=joints)
