"""A figure on another ground: its own colours at the rim, without a halo of the old one.

A pixel at the rim is a mixture of figure and ground. Laid on white as it is, it would carry the old ground along; so
the figure's own colour is worked out first, by blur fusion (Forte, "Approximate Fast Foreground Colour Estimation",
2021).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.measure.pictures import RGB
from studio.records.tool import Ground
from studio.tools.matte import Matte

WIDE, NARROW = 90, 6
"""Sides of the two blurs in px, as published."""
Colours = NDArray[np.float32]


def on_ground(rgb: RGB, matte: Matte, ground: Ground) -> Image.Image:
    """The figure on pure white (RGB), or on nothing (RGBA, white where nothing is left of it)."""
    colours = figure_colours(rgb, matte)
    share = matte[:, :, None]
    if ground == "white":
        return Image.fromarray(_levels(share * colours + (1 - share) * 255))
    kept = np.where(share > 0, colours, 255)
    return Image.fromarray(np.concatenate([_levels(kept), _levels(share * 255)], axis=2))


def figure_colours(rgb: RGB, matte: Matte) -> Colours:
    """(H, W, 3), 0 to 255: the figure's colour at every pixel, unmixed from the ground's where both are in it."""
    picture, share = rgb.astype(np.float32), matte[:, :, None].astype(np.float32)
    figure, ground = _fused(picture, picture, picture, share, WIDE)
    figure, _ = _fused(picture, figure, ground, share, NARROW)
    return np.asarray(np.where(share >= 1, picture, figure), np.float32)


def _fused(picture: Colours, figure: Colours, ground: Colours, share: Colours, side: int) -> tuple[Colours, Colours]:
    """A better guess of the figure's colours, and the ground's near each pixel."""
    kernel = (side, side)
    blurred_share = cv2.blur(share, kernel)[:, :, None]
    near_figure = cv2.blur(figure * share, kernel) / (blurred_share + 1e-5)
    near_ground = cv2.blur(ground * (1 - share), kernel) / (1 - blurred_share + 1e-5)
    better = near_figure + share * (picture - share * near_figure - (1 - share) * near_ground)
    return np.clip(better, 0, 255), near_ground


def _levels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.round(np.clip(values, 0, 255)), np.uint8)
