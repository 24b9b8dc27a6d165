"""Figures cut out: the right pixels, soft edges, and nothing of the old ground at the rim."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import InputError
from studio.measure.subject import subject_mask
from studio.records.tool import CutOutHints, Stroke
from studio.tools.cutout import on_ground
from studio.tools.matte import grab_cut, soften
from tests.tools.drawn import GREEN, GREY, WHITE, Drawn, draw, green_excess

NONE = CutOutHints()


@pytest.fixture(scope="module")
def green() -> Drawn:
    return draw(GREEN)


def test_no_halo_of_a_green_ground_is_left_on_white(green: Drawn) -> None:
    matte = grab_cut(green.rgb, subject_mask(green.rgb), NONE)
    white = np.asarray(on_ground(green.rgb, matte, "white"))
    rim = (green.matte > 0.02) & (green.matte < 0.98)
    assert rim.sum() > 300
    assert np.percentile(green_excess(green.rgb)[rim], 90) > 60  # there was something to take away
    assert green_excess(white)[rim].mean() < 0
    assert np.percentile(green_excess(white)[rim], 98) < 14
    # Without the figure's own colours being worked out, the same matte leaves a halo.
    share = matte[:, :, None]
    naive = (share * green.rgb + (1 - share) * 255).astype(np.uint8)
    assert np.percentile(green_excess(naive)[rim], 98) > 25
    truth = draw(WHITE).rgb.astype(float)
    assert np.abs(white - truth)[rim].mean() < 14


@pytest.mark.parametrize("ground", [GREEN, GREY])
def test_the_figure_is_found_with_soft_edges_and_the_rest_is_pure_white(ground: tuple[int, int, int]) -> None:
    picture = draw(ground)
    matte = grab_cut(picture.rgb, subject_mask(picture.rgb), NONE)
    assert np.abs(matte - picture.matte).mean() < 0.01
    assert ((matte > 0.1) & (matte < 0.9)).sum() > 150
    white = np.asarray(on_ground(picture.rgb, matte, "white"))
    assert (white[picture.matte == 0] == 255).all(axis=-1).mean() > 0.99
    inside = picture.matte == 1
    assert np.abs(white.astype(int) - picture.rgb)[inside].mean() < 3


def test_on_nothing_the_matte_is_the_alpha_and_white_lies_below(green: Drawn) -> None:
    image = on_ground(green.rgb, green.matte, "transparent")
    assert image.mode == "RGBA"
    pixels = np.asarray(image)
    assert np.abs(pixels[..., 3] / 255 - green.matte).max() < 0.003
    assert (pixels[green.matte == 0][:, :3] == 255).all()
    over_white = pixels[..., :3] * (pixels[..., 3:] / 255.0) + 255 - pixels[..., 3:]
    assert np.abs(over_white - np.asarray(on_ground(green.rgb, green.matte, "white"))).max() < 3


def test_the_rim_takes_its_share_from_the_colours_beside_it(green: Drawn) -> None:
    matte = soften(green.rgb, green.matte > 0.5, band_px=2)
    rim = (green.matte > 0.1) & (green.matte < 0.9)
    hard = np.abs((green.matte > 0.5) - green.matte)[rim].mean()
    assert np.abs(matte - green.matte)[rim].mean() < hard / 3


def test_strokes_win_over_what_was_found(green: Drawn) -> None:
    height, width = green.matte.shape
    leg = Stroke(points=((0.44, 0.75), (0.44, 0.95)), radius=0.03, figure=False)
    matte = grab_cut(green.rgb, subject_mask(green.rgb), CutOutHints(strokes=(leg,)))
    assert matte[round(0.8 * height), round(0.44 * width)] == 0
    assert matte[round(0.8 * height), round(0.56 * width)] == 1


def test_a_rectangle_is_enough_where_nothing_was_found(green: Drawn) -> None:
    hints = CutOutHints(rectangle=(0.18, 0.03, 0.82, 0.97))
    matte = grab_cut(green.rgb, None, hints)
    assert np.abs(matte - green.matte).mean() < 0.02
    assert matte[:, : round(0.17 * green.matte.shape[1])].max() == 0


def test_without_a_figure_it_says_what_to_do() -> None:
    plain = np.full((64, 48, 3), 200, np.uint8)
    with pytest.raises(InputError, match=r"No figure stands out.*rectangle"):
        grab_cut(plain, None, NONE)
    everything = CutOutHints(strokes=(Stroke(points=((0.0, 0.5), (1.0, 0.5)), radius=0.5, figure=True),))
    with pytest.raises(InputError, match="All of the picture would be figure"):
        grab_cut(plain, None, everything)
    with pytest.raises(InputError, match="Nothing in the picture would be figure"):
        grab_cut(plain, None, CutOutHints(rectangle=(0.5, 0.5, 0.5, 0.5)))
