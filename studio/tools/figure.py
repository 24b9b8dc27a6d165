"""Where the figure of a picture is: as the judge sees it, or by its difference from the ground."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from studio.measure.pictures import RGB, Mask
from studio.measure.subject import subject_mask


class FigureFinder:
    """Finds figures. The judge is loaded when it is first needed; without one, the ground alone decides.

    Args:
        judge: folder of the judge; it need not exist.
    """

    def __init__(self, judge: Path) -> None:
        self._folder = judge

    def __call__(self, rgb: RGB) -> Mask | None:
        """(H, W, 3) to (H, W), or None where no figure stands out."""
        if self._judge is not None:
            reading = self._judge.read([rgb])[0]
            if reading.in_domain:
                return np.asarray(reading.figure_mask > 0.5)
        return subject_mask(rgb)

    @cached_property
    def _judge(self) -> Any:
        if not self._folder.is_dir():
            return None
        # Imported here because it brings torch, which takes seconds.
        from studio.measure.judge import Judge

        return Judge.load(self._folder)
