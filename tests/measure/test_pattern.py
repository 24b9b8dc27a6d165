"""Pattern similarity: blind to place and colour, not to period, direction and contrast."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import InputError
from studio.measure.pattern import pattern_energies, pattern_similarity

SHAPE = (256, 192)
MASK = np.zeros(SHAPE, bool)
MASK[60:150, 55:135] = True
RED, CREAM, NAVY, SKY = (170, 40, 50), (240, 230, 210), (30, 40, 90), (170, 190, 230)


def waves(period: float, shift: float = 0.0, *, upright: bool = False, mix: float = 1.0) -> np.ndarray:
    """(H, W) share of the second colour."""
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    along = columns if upright else rows
    return mix * (0.5 + 0.5 * np.sin(2 * np.pi * (along / period + shift)))


def printed(share: np.ndarray, ground: tuple[int, ...] = RED, second: tuple[int, ...] = CREAM) -> np.ndarray:
    """The pattern on cloth before grey."""
    cloth = np.array(ground) + (np.array(second) - np.array(ground)) * share[..., None]
    return np.where(MASK[..., None], np.clip(cloth, 0, 255), 128).astype(np.uint8)


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    return pattern_similarity(a, MASK, b, MASK)


def test_the_same_picture_is_entirely_alike() -> None:
    assert similarity(printed(waves(8)), printed(waves(8))) == pytest.approx(1)


def test_moving_a_stripe_changes_nothing() -> None:
    assert similarity(printed(waves(8)), printed(waves(8, shift=0.5))) > 0.97


def test_light_that_falls_off_hardly_counts() -> None:
    shade = np.linspace(0.75, 1.0, SHAPE[1])[None, :, None]
    lit = (printed(waves(8)) * shade).astype(np.uint8)
    assert similarity(printed(waves(8)), lit) > 0.8


def test_two_other_colours_equally_far_apart_are_alike() -> None:
    assert similarity(printed(waves(8)), printed(waves(8), NAVY, SKY)) > 0.8


@pytest.mark.parametrize(
    "other",
    [waves(4), waves(13), waves(8, upright=True), waves(8, mix=0.15), waves(8, mix=0.0)],
    ids=["finer", "coarser", "turned", "faint", "plain"],
)
def test_another_pattern_is_told_apart(other: np.ndarray) -> None:
    assert similarity(printed(waves(8)), printed(other)) < 0.5


def test_two_plain_cloths_are_alike() -> None:
    rng = np.random.default_rng(0)
    grainy = [np.clip(printed(waves(8, mix=0.0)) + rng.normal(0, 2, (*SHAPE, 3)), 0, 255) for _ in range(2)]
    assert similarity(*(picture.astype(np.uint8) for picture in grainy)) > 0.9


def test_what_lies_outside_of_the_mask_does_not_count() -> None:
    plain, busy = printed(waves(8)), printed(waves(8))
    busy[~MASK] = np.random.default_rng(1).integers(0, 255, (int((~MASK).sum()), 3))
    assert np.array_equal(pattern_energies(plain, MASK), pattern_energies(busy, MASK))


def test_a_larger_picture_of_the_same_cloth_is_alike() -> None:
    picture = printed(waves(8))
    large, mask = picture.repeat(3, 0).repeat(3, 1), MASK.repeat(3, 0).repeat(3, 1)
    assert pattern_similarity(picture, MASK, large, mask) > 0.95


def test_energies_are_those_of_the_wave_in_cielab() -> None:
    energies = pattern_energies(printed(waves(7), (100, 100, 100), (120, 120, 120)), MASK)
    scale, direction = np.unravel_index(int(energies.argmax()), energies.shape)
    assert (scale, direction) == (2, 3)  # 7 px, straight down
    assert energies.max() == pytest.approx(3.9**2, rel=0.25)  # lightness swings by 3.9 to each side


def test_too_little_cloth_is_said() -> None:
    small = np.zeros(SHAPE, bool)
    small[10:18, 10:18] = True
    with pytest.raises(InputError, match="16 pixels of cloth"):
        pattern_energies(printed(waves(8)), small)
    with pytest.raises(InputError, match="The mask is 10x10"):
        pattern_energies(printed(waves(8)), np.ones((10, 10), bool))
