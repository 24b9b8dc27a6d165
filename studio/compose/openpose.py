"""Draws a pose as the OpenPose map that ControlNet models were trained on.

The drawing is that of controlnet_aux (`open_pose/util.py`, `draw_bodypose`), so that a map made here and a map that
its detector would find look the same to a ControlNet. It is written out instead of called because importing
controlnet_aux takes 17 s and pulls in torch, while this is needed at every drag of a joint.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.records.pose import Framing, Pose

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of joint indices in drawing order; later limbs lie over earlier ones."""

COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255),
    (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""RGB per joint; limb i takes colour i at 60 % brightness."""

_REFERENCE_SIDE_PX = 512
_REFERENCE_STICK_PX = 4
LIMB_BRIGHTNESS = 0.6


def stick_width_px(width_px: int, height_px: int) -> int:
    """Half-width of a limb and radius of a joint on a canvas of this size, at least 2 px.

    controlnet_aux draws with 4 px on a canvas whose shorter side is 512 (`detect_resolution`) and then resizes the
    map to the picture's size, so the width grows with the shorter side. Below 2 px the ends of a limb vanish.
    """
    return max(2, round(_REFERENCE_STICK_PX * min(width_px, height_px) / _REFERENCE_SIDE_PX))


def draw_openpose(pose: Pose, framing: Framing) -> NDArray[np.uint8]:
    """The control map of a pose, RGB on black, shape (H, W, 3).

    Joints that are not present are left out with their limbs. What lies off the canvas is cut at its edge;
    `skeleton.check_on_canvas` reports it.
    """
    canvas = np.zeros((framing.height_px, framing.width_px, 3), np.uint8)
    stick = stick_width_px(framing.width_px, framing.height_px)
    points = [framing.to_px(joint) if joint.present else None for joint in pose.joints]
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        a, b = points[start], points[end]
        if a is not None and b is not None:
            _draw_limb(canvas, a, b, colour, stick)
    for point, colour in zip(points, COLOURS, strict=True):
        if point is not None:
            cv2.circle(canvas, (int(point[0]), int(point[1])), stick, colour, thickness=-1)
    return canvas


def _draw_limb(
    canvas: NDArray[np.uint8], a: tuple[float, float], b: tuple[float, float], colour: tuple[int, int, int], stick: int
) -> None:
    """Draw one limb in place as a filled ellipse; the truncations to int are the reference's own."""
    length = math.hypot(a[0] - b[0], a[1] - b[1])
    angle = math.degrees(math.atan2(a[1] - b[1], a[0] - b[0]))
    centre = (int((a[0] + b[0]) / 2), int((a[1] + b[1]) / 2))
    polygon = cv2.ellipse2Poly(centre, (int(length / 2), stick), int(angle), 0, 360, 1)
    cv2.fillConvexPoly(canvas, np.asarray(polygon), [int(level * LIMB_BRIGHTNESS) for level in colour])
