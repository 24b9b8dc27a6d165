"""Aspect buckets: sizes that the base can take, near its pixel count, with least crop loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.train.buckets import Bucket, assign, crop_loss, make_buckets, read_grid

BASE = Bucket(192, 256)


def base_folder(root: Path, vae_levels: int, unet_levels: int) -> Path:
    for part, levels in (("vae", vae_levels), ("unet", unet_levels)):
        (root / part).mkdir()
        (root / part / "config.json").write_text(json.dumps({"block_out_channels": [8] * levels}))
    return root


def test_grid_of_the_tiny_base_follows_from_its_configs(tiny_base: Path) -> None:
    assert read_grid(tiny_base, 192 * 256) == (8, 32)


@pytest.mark.parametrize(
    ("unet_levels", "base_px", "step_px"), [(3, 192 * 256, 32), (4, 192 * 256, 64), (3, 1024 * 1024, 64)]
)
def test_step_is_what_the_unet_needs_and_64_for_large_bases(
    tmp_path: Path, unet_levels: int, base_px: int, step_px: int
) -> None:
    assert read_grid(base_folder(tmp_path, 4, unet_levels), base_px).step_px == step_px


def test_buckets_fit_the_grid_and_never_pass_the_base_area() -> None:
    buckets = make_buckets(BASE, 32)
    assert BASE in buckets
    assert {Bucket(256, 192), Bucket(224, 192)} < set(buckets)
    for width, height in buckets:
        assert width % 32 == 0
        assert height % 32 == 0
        assert width * height <= 192 * 256
        assert max(width, height) <= 2 * min(width, height)


def test_sdxl_gets_the_buckets_that_it_was_trained_in() -> None:
    assert {(1024, 1024), (896, 1152), (832, 1216), (1152, 896)} <= set(make_buckets(Bucket(1024, 1024), 64))


def test_same_aspect_loses_nothing() -> None:
    assert assign(768, 1024, make_buckets(BASE, 32)) == (BASE, 0.0)


def test_crop_loss_is_the_share_of_area_cut_off() -> None:
    assert crop_loss(400, 256, Bucket(192, 256)) == pytest.approx(1 - 192 / 400)
    assert crop_loss(192, 512, Bucket(192, 256)) == pytest.approx(0.5)


def test_assignment_takes_the_bucket_with_least_loss() -> None:
    buckets = make_buckets(BASE, 32)
    for size in ((500, 500), (300, 900), (900, 300), (1000, 1100)):
        assert assign(*size, buckets).crop_loss == min(crop_loss(*size, b) for b in buckets)
