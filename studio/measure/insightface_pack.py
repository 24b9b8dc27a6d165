"""Faces by a pack of insightface, where its licence, or the team, permits the use.

insightface's code is MIT; every pack that it publishes is for non-commercial research unless a signed MODEL.LICENSE in
it says otherwise. The library checks that file when asked and never by itself, so it is asked here, before anything is
loaded. A pack is named by its folder: a mere name would make the library download it without a digest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from studio.errors import GateError, InputError, NotFoundError, RightsError
from studio.measure.faces import Face, Vector
from studio.measure.pictures import RGB
from studio.models.onnx_gate import check_onnx

SAME_PERSON_COSINE = 0.4
"""insightface 2.1's own default for its packs (`gui/core/constants.py`, DEFAULT_THRESHOLD)."""
_CANVAS_PX = 640


class InsightFaces:
    """A pack, opened on the CPU. Not for two threads at once."""

    same_person = SAME_PERSON_COSINE

    def __init__(self, pack: Path, *, research_accepted: bool) -> None:
        """Open a pack after its licence and its files have been looked at.

        Args:
            pack: folder of the pack's ONNX files.
            research_accepted: the team has said that it uses the pack for research alone.

        Raises:
            NotFoundError: there is no such folder.
            RightsError: the licence does not permit commercial use, and research alone was not accepted.
            GateError: a file was refused, or the pack holds no detector and recogniser.
        """
        check_licence(pack, research_accepted=research_accepted)
        files = sorted(path for path in pack.iterdir() if path.is_file())
        for path in files:
            if path.suffix.lower() not in (".json", ".license", ".txt", ".md", ""):
                check_onnx(path, allow=None)
        from insightface.app import FaceAnalysis

        try:
            tasks = ["detection", "recognition"]
            self._analysis: Any = FaceAnalysis(
                str(pack.resolve()), allowed_modules=tasks, providers=["CPUExecutionProvider"]
            )
            self._analysis.prepare(ctx_id=-1, det_size=(_CANVAS_PX, _CANVAS_PX))
            if "recognition" not in self._analysis.models:
                raise AssertionError("no recogniser")
        except Exception as error:  # asserts, onnxruntime's own classes, and whatever a strange file makes it raise
            raise GateError(f"insightface cannot use the pack in {pack}.", "Put the whole pack there again.") from error

    def faces(self, rgb: RGB) -> list[Face]:
        """Every face in a picture (H, W, 3), the largest first."""
        return [_face(found) for found in self._found(rgb)]

    def identity(self, rgb: RGB) -> Vector:
        """The largest face as a vector (512,) of length one. Raises InputError: there is no face."""
        found = self._found(rgb)
        if not found:
            raise InputError("There is no face in the picture.", "Choose a picture that shows the face.")
        vector = np.asarray(found[0].embedding, np.float32)
        return vector / max(float(np.linalg.norm(vector)), 1e-12)

    def _found(self, rgb: RGB) -> list[Any]:
        found: list[Any] = self._analysis.get(np.ascontiguousarray(rgb[:, :, ::-1]))
        return sorted(found, key=lambda face: -_face(face).box_px[2] * _face(face).box_px[3])


def check_licence(pack: Path, *, research_accepted: bool) -> None:
    """Whether a pack may be used, by insightface's own check of its signed licence.

    Raises:
        NotFoundError: there is no such folder.
        RightsError: the licence does not permit commercial use, and research alone was not accepted.
    """
    if not pack.is_dir():
        raise NotFoundError(f"There is no insightface pack at {pack}.", "Check STUDIO_INSIGHTFACE_PACK, or unset it.")
    from insightface.model_zoo.model_license import inspect_model_package_license

    said = inspect_model_package_license(pack)
    if not said.commercial_use_permitted and not research_accepted:
        raise RightsError(
            f"The insightface pack {pack.name} does not permit commercial use ({said.message}).",
            "Unset STUDIO_INSIGHTFACE_PACK to use YuNet and SFace, buy a licence, or set "
            "STUDIO_INSIGHTFACE_RESEARCH_USE=true if the team uses it for research alone.",
        )


def _face(found: Any) -> Face:
    left, top, right, bottom = (float(value) for value in found.bbox)
    box = (left, top, right - left, bottom - top)
    score = float(found.det_score)
    return Face(box, score, np.array([*box, *np.asarray(found.kps).reshape(-1), score], np.float32))
