"""Colour differences in CIEDE2000 (CIE 142:2001), sRGB under D65, between two masked regions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from skimage.color import deltaE_ciede2000, rgb2lab

from studio.errors import InputError
from studio.measure.pictures import RGB, Mask

Floats = npt.NDArray[np.float64]

SAMPLE = 256
"""Pixels that stand for each region in the distribution; the assignment takes about 20 ms."""
HISTOGRAM_BINS = (12, 16, 16)
"""Bins along L, a and b."""


class ColourDifference(NamedTuple):
    """Both in units of CIEDE2000; about 1 is just visible side by side, about 3 is noticed by a customer.

    `median` compares the two median colours; `distribution` the whole palettes (earth mover's distance), so it sees
    that stripes are not their mean colour.
    """

    median: float
    distribution: float


def lab_pixels(rgb: RGB, mask: Mask | None = None) -> Floats:
    """CIELAB (D65, 2 degrees) of the masked pixels, (N, 3).

    Raises:
        InputError: the mask is empty or of another size than the picture.
    """
    if mask is None:
        mask = np.ones(rgb.shape[:2], bool)
    if mask.shape != rgb.shape[:2]:
        raise InputError(f"The mask is {mask.shape[1]}x{mask.shape[0]}, the picture {rgb.shape[1]}x{rgb.shape[0]}.")
    chosen = rgb[mask]
    if not len(chosen):
        raise InputError(
            "The mask is empty: there is no colour to measure.", "Choose a picture that shows the garment."
        )
    lab: Floats = rgb2lab(chosen[None].astype(np.float64) / 255.0)[0]
    return lab


def median_colour(rgb: RGB, mask: Mask | None = None) -> tuple[float, float, float]:
    """Median L, a, b of the masked pixels."""
    light, green_red, blue_yellow = np.median(lab_pixels(rgb, mask), axis=0)
    return float(light), float(green_red), float(blue_yellow)


def colour_difference(rgb_a: RGB, mask_a: Mask | None, rgb_b: RGB, mask_b: Mask | None) -> ColourDifference:
    """How far the colours inside two masks lie apart; the pictures may differ in size and pose.

    Raises:
        InputError: an empty mask, or one that does not fit its picture.
    """
    lab_a, lab_b = lab_pixels(rgb_a, mask_a), lab_pixels(rgb_b, mask_b)
    median = float(ciede2000(np.median(lab_a, axis=0), np.median(lab_b, axis=0)))
    cost = ciede2000(_sample(lab_a)[:, None, :], _sample(lab_b)[None, :, :])
    rows, columns = linear_sum_assignment(cost)
    return ColourDifference(median, float(cost[rows, columns].mean()))


def ciede2000(lab_a: Floats, lab_b: Floats) -> Floats:
    """Difference of CIELAB colours along the last axis; the other axes broadcast."""
    difference: Floats = np.asarray(deltaE_ciede2000(lab_a, lab_b))  # type: ignore[no-untyped-call]
    return difference


def _sample(lab: Floats) -> Floats:
    """`SAMPLE` pixels that stand for all: evenly spaced in an order that goes through the colours cell by cell.

    A random draw of this size would get the share of a stripe wrong by some percent, and that would be measured.
    """
    light, green_red, blue_yellow = (lab // 8.0).T
    order = np.lexsort((lab[:, 0], blue_yellow, green_red, light))
    chosen: Floats = lab[order[((np.arange(SAMPLE) + 0.5) * len(lab) / SAMPLE).astype(int)]]
    return chosen


def colour_histogram(rgb: RGB, mask: Mask | None = None) -> Floats:
    """Smoothed CIELAB histogram that sums to 1; shape `HISTOGRAM_BINS`."""
    edges = ((0.0, 100.0), (-80.0, 80.0), (-80.0, 80.0))
    inside = np.clip(lab_pixels(rgb, mask), [low for low, _ in edges], [high for _, high in edges])
    counts, _ = np.histogramdd(inside, bins=HISTOGRAM_BINS, range=edges)
    # Without smoothing a shift by one bin's edge would look as large as another colour.
    smooth: Floats = gaussian_filter(counts, sigma=1.2, mode="nearest")
    return np.asarray(smooth / smooth.sum())


def histogram_overlap(a: Floats, b: Floats) -> float:
    """Shared part of two histograms, 0 (nothing) to 1 (the same)."""
    return float(np.minimum(a, b).sum())
