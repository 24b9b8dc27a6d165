"""Which face models are used here: OpenCV's by default, an insightface pack where the operator has named one."""

from __future__ import annotations

from studio.measure.faces import SFACE, YUNET, FaceFinder, FaceReader, Finder, OpenCvFaces
from studio.models.installed import Installed
from studio.models.onnx_model import installed_onnx
from studio.settings import Settings


def face_finder(settings: Settings, installed: Installed) -> Finder:
    """What counts faces.

    Raises:
        NotFoundError, CapabilityError: the model is not here; the next step names how to get it.
        RightsError: the pack's licence does not permit the use.
        GateError: a file was refused.
    """
    if settings.insightface_pack is None:
        return FaceFinder(installed_onnx(installed, YUNET))
    return face_reader(settings, installed)


def face_reader(settings: Settings, installed: Installed) -> FaceReader:
    """What tells faces apart. Raises as `face_finder`."""
    if settings.insightface_pack is None:
        return OpenCvFaces(installed_onnx(installed, YUNET), installed_onnx(installed, SFACE))
    from studio.measure.insightface_pack import InsightFaces

    return InsightFaces(settings.insightface_pack, research_accepted=settings.insightface_research_use)
