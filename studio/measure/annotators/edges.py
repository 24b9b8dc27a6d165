"""Canny and line art: edges of a picture, white on black. They need no weights.

Both compute what controlnet_aux 0.0.10 does (`canny/`, `lineart_standard/`; ControlNets are trained on such maps), but
at the picture's own size. Its detectors first resize to multiples of 64 with a shorter side of 512, which makes 512x704
of 192x256, 3 % narrower; and importing it takes 17 s and pulls in torch, for two calls of OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from studio.measure.pictures import RGB


@dataclass(frozen=True)
class Canny:
    """Thin edges. The thresholds are controlnet_aux's own."""

    low_threshold: int = 100
    high_threshold: int = 200

    def annotate(self, rgb: RGB) -> RGB:
        """White edges of one pixel on black; (H, W, 3) to (H, W, 3)."""
        return _grey(cv2.Canny(np.ascontiguousarray(rgb), self.low_threshold, self.high_threshold))


@dataclass(frozen=True)
class LineArt:
    """Soft lines where the picture is darker than its surroundings, as a pencil would draw it.

    Attributes:
        sigma_px: how wide the surroundings are.
        faint: levels of 255; what is fainter does not count for the strength of a typical line.
    """

    sigma_px: float = 6.0
    faint: float = 8.0

    def annotate(self, rgb: RGB) -> RGB:
        """Lines from black to white; (H, W, 3) to (H, W, 3)."""
        values = rgb.astype(np.float32)
        darker = np.min(cv2.GaussianBlur(values, (0, 0), self.sigma_px) - values, axis=2).clip(0, 255)
        lines = darker[darker > self.faint]
        # A typical line becomes 127; a picture without lines stays black instead of having its noise drawn.
        strength = max(16.0, float(np.median(lines))) if lines.size else 16.0
        return _grey((darker / strength * 127).clip(0, 255).astype(np.uint8))


def _grey(values: np.ndarray) -> RGB:
    return np.repeat(values[:, :, None], 3, axis=2).astype(np.uint8)
