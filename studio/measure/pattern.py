"""How alike two cloths are in pattern, wherever the pattern lies on the body. No learned weights.

A cloth is described by how strongly its pixels swing at every scale and in every direction, in units of CIELAB: a bank
of Gabor filters in quadrature, so that moving a stripe along changes nothing, over what remains when the local mean
(the ground's colour, folds, light and shade) is taken away. The swings of lightness and chroma are added, so two
colours that lie equally far apart give the same pattern; which colours they are, `colour_difference` compares.

On renders of 36 fabrics, each in two colourways and three poses on other bodies, at 192x256: the same cloth in another
pose gives a median of 0.90 (nine of ten above 0.78), another cloth 0.35 (nine of ten below 0.66), the same pattern in
another colourway 0.69, plain cloth against a patterned one 0.21 and against the same plain cloth 0.77. A pair of the
same cloth scores higher than a pair of different ones in 98.9 of 100 draws. GRAIN and SHARPNESS were chosen among a
dozen variants on these same renders, so the numbers flatter a little; a scorecard measures its own floor and ceiling.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from skimage.color import rgb2lab

from studio.errors import InputError
from studio.measure.colour import Floats
from studio.measure.pictures import RGB, Mask

HEIGHT_PX = 256
"""Pictures of figures are brought to this height, so that a wavelength means the same mm in both."""
WAVELENGTHS_PX = (3.0, 4.5, 7.0, 11.0)
DIRECTIONS = 6
SPREAD = 0.45
"""Standard deviation of a filter's envelope, in wavelengths."""
MEAN_PX = 7.0
"""Standard deviation of the local mean that is taken away."""
INSET_PX = 2
"""Pixels nearer to the mask's edge are not counted: they mix with what lies behind."""
LEAST_PX = 60
GRAIN = 6.0
"""Swing of plain cloth in CIELAB, from light, folds and the weave's own grain; below it, the spectrum means nothing."""
SHARPNESS = 4


def pattern_similarity(picture_a: RGB, mask_a: Mask, picture_b: RGB, mask_b: Mask) -> float:
    """0 (nothing alike) to 1 (the same) for the cloth inside two bool masks; colours, poses and sizes may differ.

    The product of two parts: the ratio of the contrasts, and the overlap of the spectra, which counts the less the
    nearer the fainter of both comes to plain cloth.

    Raises:
        InputError: a mask does not fit its picture, or shows too little cloth to tell a pattern.
    """
    a, b = pattern_energies(picture_a, mask_a), pattern_energies(picture_b, mask_b)
    low, high = sorted((float(np.sqrt(a.sum())), float(np.sqrt(b.sum()))))
    contrast = (low + GRAIN) / (high + GRAIN)
    overlap = float(np.sqrt(a * b).sum() / max(float(np.sqrt(a.sum() * b.sum())), 1e-9))
    weight = low / (low + GRAIN)
    return float(np.clip(contrast * (1 - weight * (1 - overlap**SHARPNESS)), 0, 1))


def pattern_energies(picture: RGB, mask: Mask) -> Floats:
    """(scales, directions): mean squared swing of the masked cloth in CIELAB units.

    Raises:
        InputError: see `pattern_similarity`.
    """
    if mask.shape != picture.shape[:2]:
        raise InputError(
            f"The mask is {mask.shape[1]}x{mask.shape[0]}, the picture {picture.shape[1]}x{picture.shape[0]}."
        )
    picture, mask = _sized(picture, mask)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((2 * INSET_PX + 1,) * 2, np.uint8)) > 0
    if inner.sum() < LEAST_PX:
        raise InputError(
            f"The mask shows {int(inner.sum())} pixels of cloth, at least {LEAST_PX} tell a pattern.",
            "Choose a picture that shows more of the garment.",
        )
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    picture, inner, cloth = picture[box], inner[box], mask[box].astype(np.float64)
    share = np.maximum(_blurred(cloth), 1e-6)
    lab = rgb2lab(picture.astype(np.float64) / 255.0)
    # Zero outside of the mask is the local mean there: the garment's outline makes no swing of its own.
    swings = [(axis - _blurred(axis * cloth) / share) * cloth for axis in np.moveaxis(lab, 2, 0)]
    energies = [sum(float(_energy(s, even, odd)[inner].mean()) for s in swings) for even, odd in _bank()]
    return np.array(energies, np.float64).reshape(len(WAVELENGTHS_PX), DIRECTIONS)


def _sized(picture: RGB, mask: Mask) -> tuple[RGB, Mask]:
    if picture.shape[0] == HEIGHT_PX:
        return picture, mask
    size = round(picture.shape[1] * HEIGHT_PX / picture.shape[0]), HEIGHT_PX
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), small


def _blurred(values: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), MEAN_PX, borderType=cv2.BORDER_CONSTANT), np.float64)


def _energy(values: Floats, even: Floats, odd: Floats) -> Floats:
    """4 times the squared magnitude, so that a pure wave of amplitude A gives about A squared."""
    swing = [cv2.filter2D(values, -1, each, borderType=cv2.BORDER_CONSTANT) for each in (even, odd)]
    return np.asarray(4 * (swing[0] ** 2 + swing[1] ** 2), np.float64)


@lru_cache(maxsize=1)
def _bank() -> tuple[tuple[Floats, Floats], ...]:
    """Even and odd filters, scale by scale; the even ones sum to zero."""
    filters = []
    for wavelength in WAVELENGTHS_PX:
        spread = wavelength * SPREAD
        reach = int(np.ceil(3 * spread))
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        envelope = np.exp(-(x**2 + y**2) / (2 * spread**2))
        envelope /= envelope.sum()
        for number in range(DIRECTIONS):
            turn = np.pi * number / DIRECTIONS
            phase = 2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / wavelength
            even = envelope * np.cos(phase)
            filters.append((even - envelope * even.sum(), envelope * np.sin(phase)))
    return tuple(filters)
