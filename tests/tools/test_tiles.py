"""Pictures drawn larger in parts are those that would be drawn whole, without a seam."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.errors import Cancelled
from studio.models.esrgan import Esrgan, RRDBNet
from studio.tools.tiles import fade, in_tiles, starts


@pytest.fixture(scope="module")
def net() -> Esrgan:
    """A tiny network with random weights, strong enough to change every pixel by its neighbours."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Esrgan(RRDBNet(1, 8, 4, 1))


def test_tiled_equals_whole(net: Esrgan) -> None:
    rgb = np.random.default_rng(0).random((150, 118, 3), np.float32)
    whole, tiled = net(rgb), in_tiles(rgb, net, tile_px=64, overlap_px=32)
    assert whole.shape == tiled.shape == (600, 472, 3)
    assert whole.std() > 0.01
    assert np.abs(whole - tiled).max() <= 1 / 255


def test_parts_beside_each_other_without_overlap_would_show(net: Esrgan) -> None:
    """What the overlap is for: the test above would fail without it."""
    rgb = np.random.default_rng(0).random((96, 96, 3), np.float32)
    assert np.abs(net(rgb) - in_tiles(rgb, net, tile_px=48, overlap_px=0)).max() > 2 / 255


@pytest.mark.parametrize(("length", "tile", "overlap"), [(40, 64, 32), (64, 64, 32), (65, 64, 32), (500, 64, 16)])
def test_parts_cover_everything_and_every_place_counts(length: int, tile: int, overlap: int) -> None:
    begins = starts(length, tile, overlap)
    total = np.zeros(length * 2)
    for begin in begins:
        size = min(tile, length - begin)
        total[begin * 2 : (begin + size) * 2] += fade(begin, size, length, overlap, 2)
    assert begins[0] == 0
    assert begins[-1] + min(tile, length) == length
    assert total.min() > 0.2


def test_it_says_how_far_it_is_and_stops_between_two_parts(net: Esrgan) -> None:
    rgb = np.zeros((80, 40, 3), np.float32)
    told: list[tuple[int, int]] = []
    in_tiles(rgb, net, tile_px=48, overlap_px=16, on_tile=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        in_tiles(rgb, net, tile_px=48, overlap_px=16, on_tile=stop)
