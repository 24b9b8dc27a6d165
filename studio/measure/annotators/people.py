"""People in a photo as boxes, by YOLOX trained on COCO, in ONNX (Apache-2.0)."""

from __future__ import annotations

import cv2
import numpy as np

from studio.errors import GateError
from studio.measure.pictures import RGB
from studio.models.onnx_gate import OnnxHeader
from studio.models.onnx_model import Array, OnnxModel

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in px."""

MIN_SCORE = 0.5
MAX_OVERLAP = 0.45
"""Of two boxes that overlap by more (intersection over union) the better one stays."""
_SIZE_PX = 640
_STRIDES = (8, 16, 32)
_PAD = 114
"""Grey beside a picture that is not square: YOLOX's own (`yolox/data/data_augment.py`, `preproc`)."""


class PeopleFinder:
    """A YOLOX model, opened.

    Raises:
        GateError: the file is no model of that kind.
    """

    def __init__(self, header: OnnxHeader) -> None:
        self._model = OnnxModel(header)

    def find(self, rgb: RGB) -> list[Box]:
        """Every person in a picture (H, W, 3), the largest first."""
        height, width = rgb.shape[:2]
        scale = min(_SIZE_PX / height, _SIZE_PX / width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = np.full((_SIZE_PX, _SIZE_PX, 3), _PAD, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(np.ascontiguousarray(rgb), size)
        found = self._model.run(canvas.astype(np.float32).transpose(2, 0, 1)[None].copy())[0]
        boxes, scores = decode(found)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), MIN_SCORE, MAX_OVERLAP)
        chosen = boxes[np.asarray(kept, int).reshape(-1)] / scale
        people = [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h in chosen]
        return sorted(people, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))


def decode(found: Array) -> tuple[Array, Array]:
    """Boxes (N, 4) as left, top, width, height in px of the 640x640 canvas, and the score (N,) of a person in each.

    Raises:
        GateError: the output (1, 8400, 85) has another shape.
    """
    cells = [np.mgrid[: _SIZE_PX // stride, : _SIZE_PX // stride].reshape(2, -1).T for stride in _STRIDES]
    strides = np.concatenate([np.full((len(c), 1), s) for c, s in zip(cells, _STRIDES, strict=True)])
    corners = np.concatenate(cells)[:, ::-1]
    if found.shape[:2] != (1, len(corners)) or found.shape[2] < 6:
        raise GateError(f"The detector gives an output of shape {found.shape}, which is no YOLOX.", "Fetch yolox-s.")
    centre, extent = (found[0, :, :2] + corners) * strides, np.exp(found[0, :, 2:4]) * strides
    return np.concatenate([centre - extent / 2, extent], axis=1), found[0, :, 4] * found[0, :, 5]
