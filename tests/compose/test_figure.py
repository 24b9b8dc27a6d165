"""From pixels to millimetres: what is drawn from a pose preset and read back is that pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.compose.figure import pose_of
from studio.errors import InputError
from studio.measure.annotators.joints import Joints
from studio.presets import Presets
from studio.records.pose import JOINT_NAMES, Framing, Pose

POSES = Presets(Path(__file__).resolve().parents[2] / "presets", Path("none")).poses()
PHOTO = Framing(width_px=900, height_px=1200, px_per_mm=0.5, origin_x_px=400.0, origin_y_px=1100.0)


def seen_in(pose: Pose, framing: Framing = PHOTO) -> Joints:
    places = np.array([framing.to_px(joint) for joint in pose.joints])
    return Joints(places, np.array([0.9 if joint.present else 0.1 for joint in pose.joints]))


@pytest.mark.parametrize("name", sorted(POSES))
def test_a_preset_in_a_photo_is_read_back(name: str) -> None:
    asked = POSES[name]
    pose, framing = pose_of(seen_in(asked), (1200, 900), name, asked.action)
    for joint, meant, label in zip(pose.joints, asked.joints, JOINT_NAMES, strict=True):
        np.testing.assert_allclose(framing.to_px(joint), PHOTO.to_px(meant), atol=1e-6, err_msg=label)
    assert [j.present for j in pose.joints] == [j.present for j in asked.joints]
    assert pose.view == asked.view
    assert pose.action == asked.action
    assert framing.px_per_mm == pytest.approx(0.5, rel=0.07)
    assert framing.origin_y_px == pytest.approx(1100, abs=30)
    assert (framing.width_px, framing.height_px) == (900, 1200)


def test_half_a_figure_keeps_its_size() -> None:
    standing = POSES["standing-front"]
    legs = {"right_knee", "left_knee", "right_ankle", "left_ankle"}
    cut = standing.model_copy(
        update={
            "joints": tuple(
                joint.model_copy(update={"present": name not in legs})
                for name, joint in zip(JOINT_NAMES, standing.joints, strict=True)
            )
        }
    )
    pose, framing = pose_of(seen_in(cut), (1200, 900), "half")
    assert framing.px_per_mm == pytest.approx(0.5, rel=0.07)
    assert framing.origin_y_px == pytest.approx(1100, abs=30)
    assert not pose.joints[JOINT_NAMES.index("left_knee")].present


def test_a_head_alone_makes_no_pose(standing: Pose) -> None:
    head = {"nose", "right_eye", "left_eye", "right_ear", "left_ear"}
    confidence = np.array([0.9 if name in head else 0.1 for name in JOINT_NAMES])
    with pytest.raises(InputError, match="Too little of the person"):
        pose_of(Joints(seen_in(standing).places_px, confidence), (1200, 900), "head")
