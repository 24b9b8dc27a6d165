"""How many faces a photo shows, by the face model that is installed; YuNet (MIT licence) by default."""

from __future__ import annotations

from studio.errors import CapabilityError, GateError, NotFoundError, RightsError
from studio.measure.face_reader import face_finder
from studio.measure.faces import Finder
from studio.measure.pictures import RGB
from studio.models.installed import Installed
from studio.presets import Presets
from studio.records.photo import Finding
from studio.settings import Settings


class FaceCounter:
    """Counts faces; without the model every answer is "not checked" and says how to get it."""

    def __init__(self, settings: Settings, presets: Presets) -> None:
        self._why_not = ""
        self._finder: Finder | None = None
        try:
            self._finder = face_finder(settings, Installed(settings, presets))
        except (CapabilityError, GateError, NotFoundError, RightsError) as error:
            self._why_not = f"Faces were not counted. {error}"

    def check(self, rgb: RGB) -> Finding:
        """The finding `faces` for a picture (H, W, 3)."""
        if self._finder is None:
            return Finding(code="faces", level="not-checked", message=self._why_not)
        count = len(self._finder.faces(rgb))
        if count > 1:
            message = f"{count} faces: a brand model learns best from one person in a photo. Crop it."
            return Finding(code="faces", level="warning", message=message, value=count, limit=1)
        return Finding(code="faces", level="ok", message=f"{count or 'no'} face.", value=count, limit=1)
