"""Is a generated picture a copy of a training photo? The nearest one, by perceptual hash and by the subject itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from studio.measure.pictures import RGB, Mask
from studio.measure.subject import subject_mask

THUMBNAIL_PX = (36, 48)
"""Width and height at which subjects are laid over one another."""
COPY_ABOVE = 0.9
"""Similarity from which a picture is flagged; tests hold it against a resized duplicate and another pose."""


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What is kept of a picture for comparing.

    Attributes:
        phash: 64 bits as 16 hexadecimal digits (ImageHash `phash`).
        thumbnail: the subject's bounding box in RGB, (48, 36, 3), zero mean and unit norm.
    """

    phash: str
    thumbnail: npt.NDArray[np.float32]


class CopyMatch(NamedTuple):
    """The nearest training photo. `similarity` runs from 0 (nothing in common) to 1 (the same picture)."""

    key: str
    similarity: float
    phash_distance: int
    correlation: float
    is_copy: bool


def phash(rgb: RGB) -> str:
    """Perceptual hash of 64 bits, 16 hexadecimal digits; blind to size and nearly blind to colour."""
    return str(imagehash.phash(Image.fromarray(rgb)))


def phash_distance(a: str, b: str) -> int:
    """Number of differing bits, 0-64."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def fingerprint(rgb: RGB, mask: Mask | None = None) -> Fingerprint:
    """Fingerprint of a picture; the subject is looked for when no mask is given, else the whole picture counts."""
    if mask is None:
        mask = subject_mask(rgb)
    crop = rgb
    if mask is not None and mask.any():
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        crop = rgb[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = cv2.resize(crop, THUMBNAIL_PX, interpolation=cv2.INTER_AREA).astype(np.float32)
    centred = small - small.mean(axis=(0, 1))
    return Fingerprint(phash(rgb), (centred / max(float(np.linalg.norm(centred)), 1e-6)).astype(np.float32))


def nearest(rgb: RGB, training: Mapping[str, Fingerprint], mask: Mask | None = None) -> CopyMatch | None:
    """The training photo most like a picture, seen as it is and mirrored (training may flip photos).

    Args:
        rgb: the generated picture, (H, W, 3).
        training: key (content address) -> fingerprint of a training photo.
        mask: the picture's subject, (H, W), if it is known.

    Returns:
        The best match, or None without training photos.
    """
    mirrored = np.ascontiguousarray(rgb[:, ::-1])
    flipped_mask = None if mask is None else np.ascontiguousarray(mask[:, ::-1])
    views = (fingerprint(rgb, mask), fingerprint(mirrored, flipped_mask))
    matches = [compare(view, other, key) for key, other in training.items() for view in views]
    return max(matches, key=lambda match: match.similarity, default=None)


def compare(a: Fingerprint, b: Fingerprint, key: str = "") -> CopyMatch:
    """Half perceptual hash (unrelated pictures lie about 32 bits apart), half correlation of the subjects."""
    distance = phash_distance(a.phash, b.phash)
    correlation = float((a.thumbnail * b.thumbnail).sum())
    similarity = 0.5 * max(0.0, 1.0 - distance / 32.0) + 0.5 * max(0.0, correlation)
    return CopyMatch(key, similarity, distance, correlation, similarity >= COPY_ABOVE)
