"""Joints of a person in a photo, by an RTMPose model in ONNX (SimCC: a row of scores for x and one for y a joint).

Cropping, normalisation and decoding are those that mmpose trains with (projects/rtmpose): the box with a quarter of
margin, RGB by ImageNet's mean and deviation, the place of the highest score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.errors import GateError
from studio.measure.pictures import RGB
from studio.models.onnx_gate import OnnxHeader
from studio.models.onnx_model import OnnxModel

Floats = NDArray[np.floating[Any]]

COCO_JOINTS = 17
LAYOUTS = (17, 26, 133)
"""COCO, Halpe and COCO-WholeBody: the first 17 joints are the same in all three."""
COCO_OF_OPENPOSE = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""For each of OpenPose's 18 joints its number in COCO; the neck is the middle of the shoulders."""
NECK, RIGHT_SHOULDER, LEFT_SHOULDER = 1, 6, 5
CONFIDENCE = 0.3
"""Below this a joint was not seen (rtmlib and controlnet_aux draw from 0.3 on)."""
MIN_JOINTS = 5
"""Fewer seen joints make no person."""

_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)
_INPUT_PX = (256, 192)
"""Height and width where the file leaves them open."""
_BOX_MARGIN = 1.25


@dataclass(frozen=True, eq=False)
class Joints:
    """A person's joints in OpenPose's order (`records.pose.JOINT_NAMES`).

    Attributes:
        places_px: (18, 2), x and y in the photo; may lie outside it.
        confidence: (18,), 0 to about 1.
    """

    places_px: Floats
    confidence: Floats

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(18,): which joints count."""
        return self.confidence >= CONFIDENCE

    @property
    def is_person(self) -> bool:
        """Whether enough was seen to speak of a person."""
        return int(self.seen.sum()) >= MIN_JOINTS


class JointFinder:
    """An RTMPose model, opened.

    Raises:
        GateError: the file is no model of that kind.
    """

    def __init__(self, header: OnnxHeader) -> None:
        self._model = OnnxModel(header)
        shape = self._model.input_shape
        if len(shape) != 4 or shape[1] not in (3, None) or len(self._model.outputs) != 2:
            raise GateError(f"{self._model.name} is no RTMPose model (SimCC).", "Fetch rtmpose-m.")
        self._size_px = (shape[2] or _INPUT_PX[0], shape[3] or _INPUT_PX[1])

    def find(self, rgb: RGB, box: tuple[float, float, float, float] | None = None) -> Joints:
        """The joints of the person in a box (left, top, right, bottom in px) of a picture (H, W, 3).

        Without a box the whole picture is one, and what is found there is looked at once more, closer.
        """
        if box is not None:
            return self._find(rgb, box)
        height, width = rgb.shape[:2]
        first = self._find(rgb, (0.0, 0.0, float(width), float(height)))
        if not first.is_person:
            return first
        left, top = first.places_px[first.seen].min(axis=0)
        right, bottom = first.places_px[first.seen].max(axis=0)
        closer = self._find(rgb, (float(left), float(top), float(right), float(bottom)))
        return closer if closer.confidence.sum() > first.confidence.sum() else first

    def _find(self, rgb: RGB, box: tuple[float, float, float, float]) -> Joints:
        to_crop, to_photo = _crop(box, self._size_px)
        size = (self._size_px[1], self._size_px[0])
        crop = cv2.warpAffine(np.ascontiguousarray(rgb), to_crop, size, flags=cv2.INTER_LINEAR)
        values = ((crop.astype(np.float32) - _MEAN) / _STD).transpose(2, 0, 1)[None]
        across, down = self._model.run(np.ascontiguousarray(values))
        places, confidence = decode(across, down, self._size_px)
        return to_openpose(places @ to_photo[:, :2].T + to_photo[:, 2], confidence)


def decode(across: Floats, down: Floats, size_px: tuple[int, int]) -> tuple[Floats, Floats]:
    """The best place of each joint by its scores, (1, K, Wx) and (1, K, Wy), in a crop of size (height, width).

    Returns:
        (17, 2) x and y in px of the crop, and (17,) the lower of the two best scores.

    Raises:
        GateError: the scores belong to no layout whose first joints are COCO's.
    """
    if across.ndim != 3 or down.ndim != 3 or across.shape[1] != down.shape[1] or across.shape[1] not in LAYOUTS:
        raise GateError(
            f"The pose model gives scores of shape {across.shape} and {down.shape}, which is no RTMPose body.",
            "Fetch rtmpose-m.",
        )
    x_scores, y_scores = across[0, :COCO_JOINTS], down[0, :COCO_JOINTS]
    places = np.stack(
        [
            x_scores.argmax(axis=1) * size_px[1] / x_scores.shape[1],
            y_scores.argmax(axis=1) * size_px[0] / y_scores.shape[1],
        ],
        axis=1,
    )
    return places, np.minimum(x_scores.max(axis=1), y_scores.max(axis=1))


def to_openpose(places: Floats, confidence: Floats) -> Joints:
    """COCO's 17 joints as OpenPose's 18: the neck is the middle of the shoulders, as sure as the less sure of them."""
    order = [0 if number is None else number for number in COCO_OF_OPENPOSE]
    moved, sure = places[order].astype(np.float64), confidence[order].astype(np.float64)
    moved[NECK] = (places[RIGHT_SHOULDER] + places[LEFT_SHOULDER]) / 2
    sure[NECK] = min(confidence[RIGHT_SHOULDER], confidence[LEFT_SHOULDER])
    return Joints(moved, sure)


def _crop(box: tuple[float, float, float, float], size_px: tuple[int, int]) -> tuple[Floats, Floats]:
    """Matrices (2, 3) from the photo to a crop of size (height, width) around the box, and back. Nothing is
    stretched.
    """
    height, width = size_px
    left, top, right, bottom = box
    scale = min(width / max(right - left, 1.0), height / max(bottom - top, 1.0)) / _BOX_MARGIN
    shift = np.array([width / 2, height / 2]) - scale * np.array([left + right, top + bottom]) / 2
    to_crop = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    to_photo = np.array([[1 / scale, 0.0, -shift[0] / scale], [0.0, 1 / scale, -shift[1] / scale]])
    return to_crop, to_photo
