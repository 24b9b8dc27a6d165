"""Faces in a picture, and how alike two of them are: OpenCV's YuNet (MIT) and SFace (Apache-2.0).

Similarity is a measure for review (does the generated face keep the model's identity?), never a proof of who somebody
is.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.errors import GateError, InputError
from studio.measure.pictures import RGB
from studio.models.onnx_gate import OnnxHeader

Vector = NDArray[np.float32]

SAME_PERSON_COSINE = 0.363
"""From this cosine on SFace counts two faces as one person (opencv_zoo, models/face_recognition_sface/sface.py,
`_threshold_cosine`; OpenCV's tutorial "DNN-based Face Detection And Recognition" names the same)."""
YUNET, SFACE = "face-yunet", "face-sface"
"""What they are called under `presets/annotators/`."""
_CANVAS_PX = 640
"""YuNet's published file has this input size. Every picture is laid on such a canvas, because the size is fixed in the
file and cv2 5's runtimes do not all take another (opencv/opencv#28826)."""
_MIN_SCORE = 0.8


class Face(NamedTuple):
    """A face: box (left, top, width, height) in px of the picture, how sure, and the row that SFace aligns by."""

    box_px: tuple[float, float, float, float]
    score: float
    row: Vector
    """(15,): box, five landmarks as x and y, score; in px of the picture."""


class Finder(Protocol):
    """Finds faces."""

    def faces(self, rgb: RGB) -> list[Face]:
        """Every face in a picture (H, W, 3), the largest first."""
        ...


class FaceReader(Finder, Protocol):
    """Finds faces and tells them apart."""

    same_person: float
    """From this cosine on two faces count as one person."""

    def identity(self, rgb: RGB) -> Vector:
        """The largest face as a vector of length one. Raises InputError: there is no face."""
        ...


class FaceFinder:
    """YuNet, opened from a file that has passed the gate. Not for two threads at once.

    Raises:
        GateError: OpenCV cannot open it.
    """

    def __init__(self, header: OnnxHeader) -> None:
        self._name = header.path.name
        try:
            self._detector = cv2.FaceDetectorYN.create(str(header.path), "", (_CANVAS_PX, _CANVAS_PX), _MIN_SCORE)
        except cv2.error as error:
            raise _unusable(self._name) from error

    def faces(self, rgb: RGB) -> list[Face]:
        """Every face in a picture (H, W, 3), the largest first. Raises GateError: the file is no YuNet."""
        height, width = rgb.shape[:2]
        scale = min(1.0, _CANVAS_PX / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = np.zeros((_CANVAS_PX, _CANVAS_PX, 3), np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(_bgr(rgb), size, interpolation=cv2.INTER_AREA)
        try:
            _, found = self._detector.detect(canvas)
        except cv2.error as error:
            raise _unusable(self._name) from error
        rows = np.zeros((0, 15), np.float32) if found is None else np.asarray(found, np.float32)
        rows[:, :14] /= np.float32(scale)
        faces = [Face((float(r[0]), float(r[1]), float(r[2]), float(r[3])), float(r[14]), r) for r in rows]
        return sorted(faces, key=lambda face: -face.box_px[2] * face.box_px[3])


class OpenCvFaces:
    """YuNet and SFace together: the default, free for commercial use.

    Raises:
        GateError: OpenCV cannot open one of them.
    """

    same_person = SAME_PERSON_COSINE

    def __init__(self, yunet: OnnxHeader, sface: OnnxHeader) -> None:
        self._finder = FaceFinder(yunet)
        self._name = sface.path.name
        try:
            self._recogniser = cv2.FaceRecognizerSF.create(str(sface.path), "")
        except cv2.error as error:
            raise _unusable(self._name) from error

    def faces(self, rgb: RGB) -> list[Face]:
        """Every face in a picture (H, W, 3), the largest first."""
        return self._finder.faces(rgb)

    def identity(self, rgb: RGB) -> Vector:
        """The largest face as a vector (128,) of length one. Raises InputError: there is no face."""
        faces = self.faces(rgb)
        if not faces:
            raise InputError("There is no face in the picture.", "Choose a picture that shows the face.")
        try:
            aligned = self._recogniser.alignCrop(_bgr(rgb), faces[0].row)
            vector = np.asarray(self._recogniser.feature(aligned), np.float32).reshape(-1)
        except cv2.error as error:
            raise _unusable(self._name) from error
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


def identity_similarity(reader: FaceReader, one: RGB, other: RGB) -> float:
    """How alike the largest faces of two pictures are: the cosine of their vectors, -1 to 1.

    Hold it against `reader.same_person`. Raises InputError where a picture shows no face.
    """
    return float(np.clip(np.dot(reader.identity(one), reader.identity(other)), -1.0, 1.0))


def _bgr(rgb: RGB) -> RGB:
    """OpenCV's models take blue first."""
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _unusable(name: str) -> GateError:
    return GateError(f"OpenCV cannot use {name} as a face model.", "Fetch it again.")
