"""Colour differences: against published values, and on garments of one picture."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import InputError
from studio.measure.colour import ciede2000, colour_difference, colour_histogram, histogram_overlap, median_colour
from tests.measure.painting import NAVY, RUST, paint


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # Sharma, Wu, Dalal (2005), table 1: pairs 1, 7 and 17.
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ],
)
def test_published_pairs(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert float(ciede2000(np.array(a), np.array(b))) == pytest.approx(expected, abs=1e-4)


def test_white_is_d65() -> None:
    assert median_colour(np.full((4, 4, 3), 255, np.uint8)) == pytest.approx((100.0, 0.0, 0.0), abs=0.02)


def test_the_same_garment_in_another_picture_is_the_same_colour() -> None:
    one, other = paint(seed=1), paint(seed=2, arms="up", shift=0.05, background="busy", size=(288, 384))
    difference = colour_difference(one.rgb, one.dress, other.rgb, other.dress)
    assert difference.median < 1.5
    assert difference.distribution < 3.0


def test_another_colour_is_far_away() -> None:
    navy, rust = paint(colour=NAVY, stripe=None), paint(colour=RUST, stripe=None)
    difference = colour_difference(navy.rgb, navy.dress, rust.rgb, rust.dress)
    assert difference.median > 30
    assert difference.distribution > 30


def test_the_distribution_sees_a_pattern_that_the_median_does_not() -> None:
    # Two thirds navy: the median of stripes is navy, their palette is not.
    striped, plain = paint(grain=0.0, colour=NAVY), paint(grain=0.0, colour=NAVY, stripe=None)
    difference = colour_difference(striped.rgb, striped.dress, plain.rgb, plain.dress)
    assert difference.distribution > difference.median + 5


def test_only_the_masks_count() -> None:
    painting = paint()
    changed = painting.rgb.copy()
    changed[~painting.dress] = (255, 0, 255)
    assert colour_difference(painting.rgb, painting.dress, changed, painting.dress).distribution == 0.0


def test_an_empty_or_wrong_mask_is_refused() -> None:
    painting = paint()
    with pytest.raises(InputError, match="empty"):
        median_colour(painting.rgb, np.zeros_like(painting.dress))
    with pytest.raises(InputError, match="384x512"):
        median_colour(painting.rgb, painting.dress[:10])


def test_histograms_of_one_colour_overlap_and_of_two_do_not() -> None:
    navy, again, rust = paint(stripe=None), paint(stripe=None, seed=3), paint(stripe=None, colour=RUST)
    first = colour_histogram(navy.rgb, navy.dress)
    assert first.sum() == pytest.approx(1.0)
    assert histogram_overlap(first, colour_histogram(again.rgb, again.dress)) > 0.95
    assert histogram_overlap(first, colour_histogram(rust.rgb, rust.dress)) < 0.05
