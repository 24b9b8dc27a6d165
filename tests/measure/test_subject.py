"""The subject mask on painted figures whose outline is known."""

from __future__ import annotations

import numpy as np
import pytest

from studio.measure.pictures import Mask
from studio.measure.subject import subject_mask
from tests.measure.painting import BLACK, RUST, paint


def overlap(found: Mask | None, truth: Mask) -> float:
    assert found is not None
    assert found.shape == truth.shape
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize("size", [(192, 256), (384, 512), (768, 1024)])
def test_a_plain_backdrop_gives_the_outline(size: tuple[int, int]) -> None:
    painting = paint(size=size, stripe=None)
    assert overlap(subject_mask(painting.rgb), painting.figure) > 0.88


def test_a_graded_backdrop_is_still_plain() -> None:
    painting = paint()
    light = np.linspace(0.85, 1.0, painting.rgb.shape[1])[None, :, None]
    assert overlap(subject_mask((painting.rgb * light).astype(np.uint8)), painting.figure) > 0.85


@pytest.mark.parametrize("options", [{}, {"colour": RUST, "arms": "out"}, {"colour": BLACK, "shift": 0.06, "seed": 7}])
def test_a_busy_background_gives_most_of_it(options: dict[str, object]) -> None:
    painting = paint(background="busy", **options)  # type: ignore[arg-type]
    assert overlap(subject_mask(painting.rgb), painting.figure) > 0.7


def test_nothing_there_gives_nothing() -> None:
    assert subject_mask(np.full((256, 192, 3), 230, np.uint8)) is None


def test_the_same_picture_gives_the_same_mask() -> None:
    rgb = paint(background="busy").rgb
    first, second = subject_mask(rgb), subject_mask(rgb)
    assert first is not None
    assert second is not None
    assert np.array_equal(first, second)


def test_tiny_and_odd_shapes_do_not_break_it() -> None:
    rng = np.random.default_rng(0)
    for shape in ((16, 16), (16, 400), (400, 17)):
        mask = subject_mask(rng.integers(0, 255, (*shape, 3)).astype(np.uint8))
        assert mask is None or mask.shape == shape
