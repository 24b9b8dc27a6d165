"""Copies of training photos: a resized, re-compressed or mirrored one is flagged, another pose is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from studio.measure.copies import COPY_ABOVE, fingerprint, nearest, phash, phash_distance
from studio.measure.pictures import RGB, read_picture
from tests.measure.painting import RUST, encoded, paint

PHOTO = paint(size=(576, 768)).rgb
SMALL: RGB = np.asarray(cv2.resize(PHOTO, (192, 256), interpolation=cv2.INTER_AREA), np.uint8)
TRAINING = {"photo": fingerprint(PHOTO), "other": fingerprint(paint(size=(576, 768), arms="up", hem=0.8).rgb)}


@pytest.mark.parametrize(
    "copy",
    [
        PHOTO,
        SMALL,
        np.ascontiguousarray(SMALL[:, ::-1]),
        read_picture(encoded(PHOTO, "JPEG", quality=40), "a.jpg").rgb,
        np.clip(SMALL * 1.06, 0, 255).astype(np.uint8),
        PHOTO[16:-16, 12:-12],
    ],
    ids=["same", "resized", "mirrored", "compressed", "brighter", "cropped"],
)
def test_copies_are_flagged_with_their_source(copy: RGB) -> None:
    match = nearest(copy, TRAINING)
    assert match is not None
    assert match.key == "photo"
    assert match.is_copy


def test_the_same_picture_is_wholly_similar() -> None:
    match = nearest(PHOTO, TRAINING)
    assert match is not None
    assert match.similarity == pytest.approx(1.0, abs=1e-5)
    assert match.phash_distance == 0


@pytest.mark.parametrize(
    "options",
    [{"arms": "out"}, {"hem": 0.85}, {"colour": RUST, "arms": "out"}, {"background": "busy", "arms": "out"}],
)
def test_other_pictures_are_not_flagged(options: dict[str, object]) -> None:
    match = nearest(paint(size=(192, 256), **options).rgb, {"photo": TRAINING["photo"]})  # type: ignore[arg-type]
    assert match is not None
    assert match.similarity < COPY_ABOVE
    assert not match.is_copy


def test_without_training_photos_there_is_no_answer() -> None:
    assert nearest(SMALL, {}) is None


def test_the_hash_is_blind_to_size_and_counts_bits() -> None:
    assert len(phash(PHOTO)) == 16
    assert phash_distance(phash(PHOTO), phash(SMALL)) <= 4
    assert phash_distance("0" * 16, "f" * 16) == 64


def test_a_flat_picture_does_not_break_it() -> None:
    flat = np.full((64, 48, 3), 128, np.uint8)
    match = nearest(flat, TRAINING)
    assert match is not None
    assert not match.is_copy
