"""Near duplicates: the same shot resized, re-compressed or slightly cropped, but not the same shot in other colours.

Three things have to agree: the perceptual hash (which hardly sees colour), the layout of the subject, and the colours
of the subject's upper, middle and lower part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from studio.measure.colour import colour_histogram, histogram_overlap
from studio.measure.copies import compare, fingerprint, phash, phash_distance
from studio.measure.pictures import RGB, Mask
from studio.measure.subject import subject_mask

SKETCH_PX = 256
MAX_PHASH_DISTANCE = 6
"""Of 64 bits; what other tools start from."""
MIN_CORRELATION = 0.9
"""Layout: re-compressed and resized twins reach 0.95, a moved arm or another hem stays below 0.8."""
MIN_COLOUR_OVERLAP = 0.8
"""Colours: twins share 0.87 and more, colourways (navy and black, or only a top in another blue) 0.76 and less."""
_BANDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """What is kept of a photo for comparing: at most 256 px of it, its subject (all of it where none was found)."""

    key: str
    rgb: RGB
    mask: Mask
    phash: str


def sketch(key: str, rgb: RGB) -> Sketch:
    """A photo's sketch; `key` is its id."""
    height, width = rgb.shape[:2]
    scale = min(1.0, SKETCH_PX / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    mask = subject_mask(small)
    return Sketch(key, small, np.ones(small.shape[:2], bool) if mask is None else mask, phash(rgb))


def near_duplicates(a: Sketch, b: Sketch) -> bool:
    """Whether two photos show nearly the same."""
    if phash_distance(a.phash, b.phash) > MAX_PHASH_DISTANCE:
        return False
    # The hashes agree, so the pictures lie on one another: one mask serves both.
    mask = cv2.resize(a.mask.astype(np.uint8), b.rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    if not mask.any():
        return False
    if compare(fingerprint(a.rgb, a.mask), fingerprint(b.rgb, mask)).correlation < MIN_CORRELATION:
        return False
    return _colour_overlap(a.rgb, a.mask, b.rgb, mask) >= MIN_COLOUR_OVERLAP


def groups(sketches: Sequence[Sketch]) -> tuple[tuple[str, ...], ...]:
    """Keys of near duplicates, each group in the given order; photos without a twin are left out."""
    leader = {s.key: s.key for s in sketches}
    for index, later in enumerate(sketches):
        for earlier in sketches[:index]:
            if leader[earlier.key] != leader[later.key] and near_duplicates(earlier, later):
                old, new = leader[later.key], leader[earlier.key]
                leader = {key: new if lead == old else lead for key, lead in leader.items()}
    found: dict[str, list[str]] = {}
    for key, lead in leader.items():
        found.setdefault(lead, []).append(key)
    return tuple(tuple(keys) for keys in found.values() if len(keys) > 1)


def _colour_overlap(rgb_a: RGB, mask_a: Mask, rgb_b: RGB, mask_b: Mask) -> float:
    """The least histogram overlap of the subject's bands, 0 to 1."""
    bands_a, bands_b = _bands(rgb_a, mask_a), _bands(rgb_b, mask_b)
    return min(
        (
            histogram_overlap(colour_histogram(*a), colour_histogram(*b))
            for a, b in zip(bands_a, bands_b, strict=True)
            if a[1].any() and b[1].any()
        ),
        default=0.0,
    )


def _bands(rgb: RGB, mask: Mask) -> list[tuple[RGB, Mask]]:
    """The subject from top to bottom in three parts."""
    rows = np.flatnonzero(mask.any(axis=1))
    edges = np.linspace(rows[0], rows[-1] + 1, _BANDS + 1).round().astype(int)
    return [(rgb[top:bottom], mask[top:bottom]) for top, bottom in pairwise(edges)]
