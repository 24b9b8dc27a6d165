"""The control map is what controlnet_aux draws for the same joints."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from studio.compose.openpose import draw_openpose, stick_width_px
from studio.compose.skeleton import mirror, reach
from studio.records.pose import Framing, Pose

SQUARE = Framing(width_px=512, height_px=512, px_per_mm=512 / 1950, origin_x_px=256.0, origin_y_px=492.0)


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The installed `controlnet_aux/open_pose/util.py`.

    Loaded without the package's own `__init__`, which imports every other detector and takes 17 s.
    """
    spec = importlib.util.find_spec("controlnet_aux")
    assert spec is not None
    assert spec.submodule_search_locations
    package = types.ModuleType("reference_open_pose")
    package.__path__ = [str(Path(spec.submodule_search_locations[0]) / "open_pose")]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return importlib.import_module("reference_open_pose.util")


def _their_drawing(reference: types.ModuleType, pose: Pose, framing: Framing) -> np.ndarray:
    keypoint = reference.Keypoint
    points = [framing.to_px(joint) if joint.present else None for joint in pose.joints]
    keypoints = [p and keypoint(p[0] / framing.width_px, p[1] / framing.height_px) for p in points]
    return reference.draw_bodypose(np.zeros((framing.height_px, framing.width_px, 3), np.uint8), keypoints)


@pytest.mark.filterwarnings("ignore")
def test_equals_controlnet_aux_at_512(reference: types.ModuleType, standing: Pose) -> None:
    hidden = standing.joints[17].model_copy(update={"present": False})
    poses = [
        standing,
        mirror(reach(standing, "right_wrist", 120.0, 1250.0)),
        reach(reach(standing, "left_ankle", 400.0, 400.0), "left_wrist", 500.0, 1700.0),
        standing.model_copy(update={"joints": (*standing.joints[:17], hidden)}),
    ]
    for pose in poses:
        ours = draw_openpose(pose, SQUARE)
        assert ours.shape == (512, 512, 3)
        assert ours.any()
        np.testing.assert_array_equal(ours, _their_drawing(reference, pose, SQUARE))


@pytest.mark.parametrize(
    ("size", "expected"), [((192, 256), 2), ((384, 512), 3), ((512, 512), 4), ((512, 768), 4), ((1024, 1024), 8)]
)
def test_stick_grows_with_the_shorter_side(size: tuple[int, int], expected: int) -> None:
    assert stick_width_px(*size) == expected


def test_small_map_shows_every_joint_in_its_colour(standing: Pose) -> None:
    picture = draw_openpose(standing, Framing())
    assert picture.shape == (256, 192, 3)
    x_px, y_px = Framing().to_px(standing.joints[4])
    assert tuple(picture[int(y_px), int(x_px)]) == (170, 255, 0)


def test_absent_joint_takes_its_limbs_along(standing: Pose) -> None:
    gone = standing.joints[3].model_copy(update={"present": False})
    picture = draw_openpose(
        standing.model_copy(update={"joints": (*standing.joints[:3], gone, *standing.joints[4:])}), SQUARE
    )
    x_px, y_px = SQUARE.to_px(standing.joints[3])
    assert not picture[int(y_px), int(x_px)].any()
