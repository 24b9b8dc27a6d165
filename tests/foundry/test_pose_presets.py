"""The shipped fashion poses: whole, on the canvas, and what the catalogue gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foundry.body import BodyPack
from foundry.pose_presets import PRESETS, pose_of, to_yaml, write
from foundry.render import FACE_JOINTS
from studio.compose.skeleton import off_canvas
from studio.presets import Presets
from studio.records.pose import Framing, Pose

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pose]:
    return Presets(ROOT / "presets", tmp_path_factory.mktemp("none")).poses()


def test_the_usual_fashion_poses_ship(shipped: dict[str, Pose]) -> None:
    assert set(PRESETS) <= set(shipped)
    assert len(PRESETS) >= 14
    for name, preset in PRESETS.items():
        assert (shipped[name].view, shipped[name].action) == (preset.view, preset.action)
    pairs = {(preset.action, preset.view) for preset in PRESETS.values()}
    assert {("standing", view) for view in ("front", "three-quarter", "side", "back")} <= pairs
    assert {("walking", "side"), ("hand-on-hip", "three-quarter"), ("arms-crossed", "front")} <= pairs
    assert {("sitting", "front"), ("sitting", "three-quarter")} <= pairs


@pytest.mark.parametrize("name", PRESETS)
def test_a_pose_stands_in_the_usual_picture(shipped: dict[str, Pose], name: str) -> None:
    pose = shipped[name]
    assert off_canvas(pose, Framing()) == []
    assert pose.figure_height_mm == 1700
    assert all(joint.x_mm == round(joint.x_mm) and joint.y_mm == round(joint.y_mm) for joint in pose.joints)
    right_hip, left_hip = pose.joints[8], pose.joints[11]
    assert abs(right_hip.x_mm + left_hip.x_mm) / 2 <= 1
    assert all(joint.present for index, joint in enumerate(pose.joints) if index not in FACE_JOINTS)
    assert pose.joints[0].present == (pose.view != "back")
    if pose.view == "side":
        assert [pose.joints[16].present, pose.joints[17].present].count(False) == 1


def test_the_files_are_what_the_catalogue_gives(pack: BodyPack, shipped: dict[str, Pose], tmp_path: Path) -> None:
    write(pack, tmp_path / "poses")
    made = Presets(tmp_path, tmp_path).poses()
    for name, pose in made.items():
        places = [[(joint.x_mm, joint.y_mm) for joint in p.joints] for p in (pose, shipped[name])]
        # Another number of threads may turn a rounding by a millimetre.
        assert np.abs(np.subtract(*places)).max() <= 1
        assert [joint.present for joint in pose.joints] == [joint.present for joint in shipped[name].joints]


def test_a_file_names_every_joint(pack: BodyPack) -> None:
    text = to_yaml(pose_of(pack, PRESETS["standing-back"]))
    assert "present: false}  # nose" in text
    assert text.count("x_mm") == 18
