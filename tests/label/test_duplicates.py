"""The three limits for near duplicates, held against twins and against pictures that only look alike to a hash."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from studio.label.duplicates import MAX_PHASH_DISTANCE, Sketch, groups, near_duplicates, sketch
from studio.measure.copies import phash_distance
from studio.measure.pictures import RGB, read_picture
from studio.measure.subject import subject_mask
from tests.measure.painting import BLACK, NAVY, RUST, encoded, paint


def drawn(key: str, rgb: RGB) -> Sketch:
    return sketch(key, rgb, subject_mask(rgb))


def jpeg(rgb: RGB, quality: int) -> RGB:
    return read_picture(encoded(rgb, "JPEG", quality=quality), "a.jpg").rgb


@pytest.mark.parametrize("background", ["plain", "busy"])
@pytest.mark.parametrize("twin", ["resized", "jpeg", "brighter", "warmer", "cropped"])
def test_twins_are_found(background: str, twin: str) -> None:
    rgb = paint(background=background).rgb  # type: ignore[arg-type]
    changed = {
        "resized": lambda: np.asarray(cv2.resize(rgb, (192, 256), interpolation=cv2.INTER_AREA), np.uint8),
        "jpeg": lambda: jpeg(rgb, 50 if background == "busy" else 30),
        "brighter": lambda: np.clip(rgb * 1.06, 0, 255).astype(np.uint8),
        "warmer": lambda: np.clip(rgb * np.array([1.03, 1.0, 0.97]), 0, 255).astype(np.uint8),
        "cropped": lambda: rgb[12:-12, 8:-8],
    }[twin]()
    assert near_duplicates(drawn("a", rgb), drawn("b", changed))


@pytest.mark.parametrize("background", ["plain", "busy"])
@pytest.mark.parametrize("colour", [RUST, BLACK, (30, 80, 90), (60, 80, 160)])
def test_colourways_are_not_duplicates(background: str, colour: tuple[int, int, int]) -> None:
    one, other = paint(background=background), paint(background=background, colour=colour)  # type: ignore[arg-type]
    a, b = drawn("a", one.rgb), drawn("b", other.rgb)
    # The hash alone would call them the same: that is why colour is asked.
    assert phash_distance(a.fingerprint.phash, b.fingerprint.phash) <= MAX_PHASH_DISTANCE
    assert not near_duplicates(a, b)


def test_another_colour_of_the_top_alone_is_enough() -> None:
    for colour in (RUST, BLACK):
        one, other = paint(colour=NAVY), paint(colour=colour)
        top = other.dress.copy()
        top[int(0.4 * len(top)) :] = False
        mixed = one.rgb.copy()
        mixed[top] = other.rgb[top]
        assert not near_duplicates(drawn("a", one.rgb), drawn("b", mixed))


@pytest.mark.parametrize("options", [{"arms": "out"}, {"arms": "up"}, {"hem": 0.8}, {"hem": 0.72}])
def test_another_pose_of_the_same_look_is_not_a_duplicate(options: dict[str, object]) -> None:
    a, b = drawn("a", paint().rgb), drawn("b", paint(**options).rgb)  # type: ignore[arg-type]
    assert not near_duplicates(a, b)


def test_groups_hold_all_twins_in_order() -> None:
    rgb, other = paint().rgb, paint(arms="up").rgb
    sketches = [drawn("a", rgb), drawn("x", other), drawn("b", jpeg(rgb, 60)), drawn("c", rgb[8:-8, 6:-6])]
    assert groups(sketches) == (("a", "b", "c"),)
    assert groups([]) == ()


def test_flat_pictures_do_not_break_it() -> None:
    flat = drawn("a", np.full((64, 64, 3), 200, np.uint8))
    assert isinstance(near_duplicates(flat, flat), bool)
