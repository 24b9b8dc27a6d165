"""The blur limit, held against pairs of one picture: sharp, and blurred by a known number of pixels."""

from __future__ import annotations

import numpy as np
import pytest

from studio.measure.pictures import RGB
from studio.measure.sharpness import BLURRED_BELOW, sharpness
from studio.measure.subject import subject_mask
from tests.measure.painting import paint

SIZES = [(384, 512), (768, 1024)]


def measured(rgb: RGB) -> float:
    value = sharpness(rgb, subject_mask(rgb))
    assert value is not None
    return value


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stripe", [(230, 226, 214), None])
def test_the_limit_parts_sharp_from_blurred_at_every_resolution(
    size: tuple[int, int], stripe: tuple[int, int, int] | None
) -> None:
    sharp = paint(size=size, stripe=stripe)
    blurred = paint(size=size, stripe=stripe, subject_blur=size[1] * 2.5 / 512)
    assert measured(sharp.rgb) > 1.5 * BLURRED_BELOW
    assert measured(blurred.rgb) < BLURRED_BELOW / 1.5


def test_the_number_does_not_depend_on_the_resolution() -> None:
    values = [measured(paint(size=size).rgb) for size in SIZES]
    assert max(values) < 1.15 * min(values)


def test_a_draft_is_judged_by_its_own_pixels() -> None:
    assert measured(paint(size=(192, 256)).rgb) > BLURRED_BELOW
    assert measured(paint(size=(192, 256), subject_blur=3.0).rgb) < BLURRED_BELOW


def test_a_sharp_background_does_not_save_a_blurred_subject() -> None:
    focus_behind = paint(background="busy", subject_blur=4.0)
    whole = sharpness(focus_behind.rgb)
    assert whole is not None
    assert whole > BLURRED_BELOW
    assert measured(focus_behind.rgb) < BLURRED_BELOW


def test_a_blurred_background_does_not_hurt_a_sharp_subject() -> None:
    assert measured(paint(background="busy", background_blur=5.0).rgb) > BLURRED_BELOW


def test_grain_does_not_pass_for_detail() -> None:
    grainy = paint(subject_blur=4.0, grain=6.0)
    assert measured(grainy.rgb) < BLURRED_BELOW


def test_a_subject_too_small_to_measure_is_not_measured() -> None:
    painting = paint()
    speck = np.zeros(painting.rgb.shape[:2], bool)
    speck[100:110, 100:110] = True
    assert sharpness(painting.rgb, speck) is None
