"""Editing keeps the figure's bones: lengths, sides and proportions."""

from __future__ import annotations

import math

import pytest

from studio.compose.skeleton import (
    LIMB_ENDS,
    bone_lengths_mm,
    check_on_canvas,
    descendants,
    joint,
    mirror,
    move_joint,
    off_canvas,
    reach,
    scale_to_height,
)
from studio.errors import FaultsError, InputError
from studio.records.pose import JOINT_NAMES, Framing, Pose


def test_every_joint_but_the_neck_has_a_bone(standing: Pose) -> None:
    lengths = bone_lengths_mm(standing)
    assert set(lengths) == set(JOINT_NAMES) - {"neck"}
    assert lengths["right_wrist"] == pytest.approx(math.hypot(10, 250))


def test_moving_a_joint_carries_what_hangs_on_it(standing: Pose) -> None:
    moved = move_joint(standing, "left_shoulder", 200.0, 1420.0)
    assert descendants("left_shoulder") == ("left_elbow", "left_wrist")
    before, after = bone_lengths_mm(standing), bone_lengths_mm(moved)
    assert after["left_elbow"] == pytest.approx(before["left_elbow"])
    assert (joint(moved, "left_wrist").x_mm, joint(moved, "left_wrist").y_mm) == (270.0, 890.0)
    assert joint(moved, "right_wrist") == joint(standing, "right_wrist")


@pytest.mark.parametrize("end", LIMB_ENDS)
def test_reach_hits_the_target_and_keeps_both_bones(standing: Pose, end: str) -> None:
    target = joint(standing, end)
    bent = reach(standing, end, target.x_mm * 1.2, target.y_mm + 200)
    assert joint(bent, end).x_mm == pytest.approx(target.x_mm * 1.2)
    assert joint(bent, end).y_mm == pytest.approx(target.y_mm + 200)
    assert bone_lengths_mm(bent) == pytest.approx(bone_lengths_mm(standing))


@pytest.mark.parametrize("target", [(2000.0, 3000.0), (-180.0, 1390.0), (-181.0, 1390.0)])
def test_reach_stops_where_the_arm_ends(standing: Pose, target: tuple[float, float]) -> None:
    bent = reach(standing, "right_wrist", *target)
    assert bone_lengths_mm(bent) == pytest.approx(bone_lengths_mm(standing))
    assert all(math.isfinite(j.x_mm + j.y_mm) for j in bent.joints)


def test_a_straight_arm_bends_outwards(standing: Pose) -> None:
    straight = reach(standing, "right_wrist", -180.0, -5000.0)
    bent = reach(straight, "right_wrist", -180.0, 1000.0)
    assert joint(bent, "right_elbow").x_mm < -180


def test_reach_refuses_a_joint_inside_a_limb(standing: Pose) -> None:
    with pytest.raises(InputError, match="not the end of a limb"):
        reach(standing, "left_knee", 0, 0)
    with pytest.raises(InputError, match="no joint 'tail'"):
        move_joint(standing, "tail", 0, 0)


def test_mirror_swaps_sides_and_twice_is_nothing(standing: Pose) -> None:
    raised = reach(standing, "right_wrist", -500.0, 1600.0)
    mirrored = mirror(raised)
    assert joint(mirrored, "left_wrist").x_mm == pytest.approx(500.0)
    assert joint(mirrored, "right_wrist") == joint(standing, "right_wrist")
    assert mirror(mirrored) == raised


def test_scaling_keeps_proportions(standing: Pose) -> None:
    tall = scale_to_height(standing, 1870.0)
    assert tall.figure_height_mm == 1870.0
    for name, length in bone_lengths_mm(standing).items():
        assert bone_lengths_mm(tall)[name] == pytest.approx(length * 1.1)
    with pytest.raises(InputError):
        scale_to_height(standing, 100.0)


def test_joints_off_the_canvas_are_named_together(standing: Pose) -> None:
    check_on_canvas(standing, Framing())
    stretched = move_joint(move_joint(standing, "left_wrist", 900.0, 900.0), "nose", 0.0, 2000.0)
    with pytest.raises(FaultsError) as caught:
        check_on_canvas(stretched, Framing())
    named = {fault.where: fault.what for fault in caught.value.faults}
    assert set(named) == {"left wrist", "nose", "right eye", "left eye", "right ear", "left ear"}
    assert "right of the picture" in named["left wrist"]


def test_a_joint_left_out_is_no_fault_but_nan_is(standing: Pose) -> None:
    far = move_joint(standing, "left_wrist", 900.0, 900.0)
    hidden = tuple(j.model_copy(update={"present": j.x_mm < 500}) for j in far.joints)
    assert off_canvas(far.model_copy(update={"joints": hidden}), Framing()) == []
    lost = move_joint(standing, "left_wrist", math.nan, 0.0)
    assert [fault.where for fault in off_canvas(lost, Framing())] == ["left wrist"]
