"""How many faces a photo shows, by OpenCV's YuNet (MIT licence), where an operator has put the model file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2

from studio.measure.pictures import RGB
from studio.records.photo import Finding

YUNET_NAME = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
"""As published in opencv/opencv_zoo, models/face_detection_yunet. A model file is parsed by native code: only this
one is opened."""
_WORK_PX = 640
_MIN_SCORE = 0.8


class FaceCounter:
    """Counts faces; without the model file every answer is "not checked" and says how to get it."""

    def __init__(self, folder: Path) -> None:
        path = folder / YUNET_NAME
        self._why_not = ""
        self._detector: cv2.FaceDetectorYN | None = None
        if not path.is_file():
            self._why_not = (
                f"Faces were not counted: put {YUNET_NAME} (MIT licence, 232,589 bytes) from "
                f"github.com/opencv/opencv_zoo, models/face_detection_yunet, into {folder}."
            )
        elif hashlib.sha256(path.read_bytes()).hexdigest() != YUNET_SHA256:
            self._why_not = (
                f"Faces were not counted: {YUNET_NAME} in {folder} is not the published file. Fetch it again."
            )
        else:
            self._detector = cv2.FaceDetectorYN.create(str(path), "", (_WORK_PX, _WORK_PX), _MIN_SCORE)

    def check(self, rgb: RGB) -> Finding:
        """The finding `faces` for a picture (H, W, 3)."""
        if self._detector is None:
            return Finding(code="faces", level="not-checked", message=self._why_not)
        height, width = rgb.shape[:2]
        scale = min(1.0, _WORK_PX / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
        self._detector.setInputSize(size)
        _, found = self._detector.detect(small)
        count = 0 if found is None else len(found)
        if count > 1:
            message = f"{count} faces: a brand model learns best from one person in a photo. Crop it."
            return Finding(code="faces", level="warning", message=message, value=count, limit=1)
        return Finding(code="faces", level="ok", message=f"{count or 'no'} face.", value=count, limit=1)
