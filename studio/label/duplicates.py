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
from studio.measure.copies import Fingerprint, compare, fingerprint
from studio.measure.pictures import RGB, Mask

SKETCH_PX = 256
MAX_PHASH_DISTANCE = 6
"""Of 64 bits; what other tools start from."""
MIN_CORRELATION = 0.93
"""Layout: re-compressed, resized and cropped twins reach 0.97, a moved arm or another hem stays at 0.90 and below."""
MIN_COLOUR_OVERLAP = 0.8
"""Colours: twins share 0.87 and more, colourways (navy and black, or only a top in another blue) 0.76 and less."""
_BANDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """What is kept of a photo for comparing: at most 256 px of it, its subject (all of it where none was found)."""

    key: str
    rgb: RGB
    mask: Mask
    fingerprint: Fingerprint


def sketch(key: str, rgb: RGB, mask: Mask | None) -> Sketch:
    """A photo's sketch.

    Args:
        key: its id.
        rgb: (H, W, 3).
        mask: its subject, (H, W), as `subject_mask` found it.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, SKETCH_PX / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    inside = np.ones(small.shape[:2], bool) if mask is None else _resized(mask, size)
    if not inside.any():
        inside = np.ones_like(inside)
    return Sketch(key, small, inside, fingerprint(small, inside))


def near_duplicates(a: Sketch, b: Sketch) -> bool:
    """Whether two photos show nearly the same."""
    match = compare(a.fingerprint, b.fingerprint)
    if match.phash_distance > MAX_PHASH_DISTANCE or match.correlation < MIN_CORRELATION:
        return False
    # The pictures lie on one another: one mask serves both, so that two masks found apart make no difference.
    size = b.rgb.shape[1], b.rgb.shape[0]
    return _colour_overlap(a.rgb, a.mask, b.rgb, _resized(a.mask, size)) >= MIN_COLOUR_OVERLAP


def _resized(mask: Mask, size: tuple[int, int]) -> Mask:
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)).astype(bool)


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
            for a, b in zip(bands_a, bands_b, strict=False)
            if a[1].any() and b[1].any()
        ),
        default=0.0,
    )


def _bands(rgb: RGB, mask: Mask) -> list[tuple[RGB, Mask]]:
    """The subject from top to bottom in three parts."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return []
    edges = np.linspace(rows[0], rows[-1] + 1, _BANDS + 1).round().astype(int)
    return [(rgb[top:bottom], mask[top:bottom]) for top, bottom in pairwise(edges)]
