"""Joints by models whose answers are known: places come back to the photo's pixels, in OpenPose's order."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.errors import GateError
from studio.measure.annotators.joints import JointFinder, decode, to_openpose
from studio.measure.annotators.people import PeopleFinder
from studio.models.onnx_gate import check_onnx
from studio.records.pose import JOINT_NAMES
from tests.onnx_models import constant, rtmpose, rtmpose_that_looks, yolox

PLACES = [(10.0 + 9 * joint, 20.0 + 12 * joint) for joint in range(17)]
BLANK = np.zeros((1000, 1000, 3), np.uint8)
COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip


def finder(path: Path) -> JointFinder:
    return JointFinder(check_onnx(path, allow=None))


def test_peaks_come_back_to_the_photo_by_name(tmp_path: Path) -> None:
    found = finder(rtmpose(tmp_path / "m.onnx", PLACES, [0.9] * 17)).find(BLANK, (200, 100, 800, 900))
    # A box of 600x800 with a quarter of margin fills 192x256 at 0.256 px a px; both have their middle in common.
    expected = {
        name: (500 + (x - 96) / 0.256, 500 + (y - 128) / 0.256) for name, (x, y) in zip(COCO, PLACES, strict=True)
    }
    shoulders = np.array([expected["left_shoulder"], expected["right_shoulder"]])
    expected["neck"] = tuple(shoulders.mean(axis=0))
    for name, place in zip(JOINT_NAMES, found.places_px, strict=True):
        np.testing.assert_allclose(place, expected[name], atol=1e-6, err_msg=name)
    np.testing.assert_allclose(found.confidence, 0.9, atol=1e-6)


def test_the_model_sees_the_photo_upright_unstretched_and_in_rgb(tmp_path: Path) -> None:
    looks = finder(rtmpose_that_looks(tmp_path / "m.onnx"))
    photo = np.full((700, 1100, 3), 60, np.uint8)
    dots = {0: (320, 200), 6: (610, 330), 12: (450, 520)}
    for channel, (x, y) in enumerate(dots.values()):
        dot = np.zeros((700, 1100), np.float32)
        dot[y, x] = 1
        blurred = cv2.GaussianBlur(dot, (0, 0), 9)
        photo[:, :, channel] = 60 + (blurred / blurred.max() * 195).astype(np.uint8)
    found = looks.find(photo, (250, 100, 700, 600))
    # One px of the crop is 450 / 192 * 1.25, or 500 / 256 * 1.25, whichever is coarser.
    px = max(450 / 192, 500 / 256) * 1.25
    for name, dot in {"nose": 0, "right_shoulder": 6, "left_ankle": 12}.items():
        np.testing.assert_allclose(found.places_px[JOINT_NAMES.index(name)], dots[dot], atol=1.5 * px, err_msg=name)


def test_without_a_box_the_second_look_is_closer_and_no_less_sure(tmp_path: Path) -> None:
    looks = finder(rtmpose_that_looks(tmp_path / "m.onnx"))
    photo = np.full((1400, 1400, 3), 60, np.uint8)
    for channel, (x, y) in enumerate([(700, 500), (640, 650), (760, 800)]):
        cv2.circle(photo, (x, y), 6, tuple(255 if c == channel else 60 for c in range(3)), -1)
    near = looks.find(photo)
    far = looks.find(photo, (0, 0, 1400, 1400))
    assert near.confidence.sum() > far.confidence.sum()
    nose = JOINT_NAMES.index("nose")
    assert np.abs(near.places_px[nose] - (700, 500)).max() <= 8


def test_the_lower_of_both_scores_decides_who_is_seen(tmp_path: Path) -> None:
    scores = [0.9] * 5 + [0.1] + [0.9] * 11
    found = finder(rtmpose(tmp_path / "m.onnx", PLACES, scores)).find(BLANK)
    unseen = {name for name, seen in zip(JOINT_NAMES, found.seen, strict=True) if not seen}
    assert unseen == {"left_shoulder", "neck"}
    assert found.is_person
    nobody = finder(rtmpose(tmp_path / "n.onnx", PLACES, [0.1] * 17)).find(BLANK)
    assert not nobody.is_person


def test_halpe_and_whole_body_models_give_their_first_joints() -> None:
    across, down = np.random.default_rng(0).random((2, 1, 133, 64)).astype(np.float32)
    whole, score = decode(across, down, (256, 192))
    body, body_score = decode(across[:, :17], down[:, :17], (256, 192))
    np.testing.assert_array_equal(whole, body)
    np.testing.assert_array_equal(score, body_score)
    assert to_openpose(whole, score).places_px.shape == (18, 2)


def test_models_of_another_kind_are_refused(tmp_path: Path) -> None:
    hands = finder(rtmpose(tmp_path / "hands.onnx", PLACES + PLACES[:4], [0.9] * 21))
    with pytest.raises(GateError, match="no RTMPose body"):
        hands.find(BLANK)
    with pytest.raises(GateError, match="no RTMPose model"):
        finder(yolox(tmp_path / "yolox.onnx", []))
    other = constant(tmp_path / "other.onnx", [1, 3, 640, 640], {"output": np.zeros((1, 9), np.float32)})
    with pytest.raises(GateError, match="no YOLOX"):
        PeopleFinder(check_onnx(other, allow=None)).find(BLANK)


def test_people_come_back_to_the_photo_the_largest_first(tmp_path: Path) -> None:
    # Two people, a worse box over the second, and one that is too faint.
    model = yolox(tmp_path / "m.onnx", [(8, 30, 20, 0.9), (16, 12, 25, 0.8), (16, 12, 26, 0.6), (32, 5, 3, 0.4)])
    people = PeopleFinder(check_onnx(model, allow=None)).find(np.zeros((960, 1280, 3), np.uint8))
    # The photo is halved, so every place counts twice; boxes are 5 by 10 cells of their stride.
    expected = [(25.5 * 16, 12.5 * 16, 16), (20.5 * 8, 30.5 * 8, 8)]
    assert len(people) == 2
    for box, (x, y, stride) in zip(people, expected, strict=True):
        corners = [2 * (x - 2.5 * stride), 2 * (y - 5 * stride), 2 * (x + 2.5 * stride), 2 * (y + 5 * stride)]
        np.testing.assert_allclose(box, corners, rtol=1e-5)
