"""The renderer: calibrated in millimetres, seeded, always adults, always dressed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from foundry.body import BodyPack, BodyPose, pose_body
from foundry.body_pack import sample_bodies
from foundry.garments import map_body, outfit_layers
from foundry.poses import SIDES, direction
from foundry.render import Render, render
from foundry.scene import FREE, SPLITS, Scene, body_for, sample_attributes, sample_scene
from foundry.surface import draw
from studio.records.attributes import Action, FigureAttributes, Garment, View
from studio.records.pose import Framing

FINE = Framing().scaled(3)
ATTRIBUTES = FigureAttributes(
    age_group="30s", gender="woman", body="average", skin="fair", hair="short", hair_colour="black", garment="dress",
    sleeve="short", neckline="crew", hem="knee", fabric="plain", colour="red", lower_colour="red", view="front",
    action="standing", background="grey",
)  # fmt: skip


def scene(pack: BodyPack, **changes: Any) -> Scene:
    return sample_scene(pack, 7, "croquis", ATTRIBUTES.model_copy(update=changes))


def straight(pack: BodyPack, *, arms_out: bool = False, **changes: Any) -> Scene:
    """A figure that stands upright and faces the camera, arms down or level."""
    limbs = {}
    for side in SIDES:
        arm = direction(side, 90 if arms_out else 15, 0)
        leg = direction(side, 2, 0)
        parts = {"upperarm01": arm, "lowerarm01": arm, "upperleg01": leg, "lowerleg01": leg}
        limbs |= {f"{part}.{side}": towards for part, towards in parts.items()}
    return replace(scene(pack, **changes), pose=BodyPose(limbs=limbs, turns={}), yaw_degrees=0.0, height_m=1.70)


def extent_mm(mask: np.ndarray, framing: Framing) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a mask in mm."""
    rows, columns = np.flatnonzero((mask > 127).any(axis=1)), np.flatnonzero((mask > 127).any(axis=0))
    x = (np.array([columns[0], columns[-1] + 1]) - framing.origin_x_px) / framing.px_per_mm
    y = (framing.origin_y_px - np.array([rows[0], rows[-1] + 1])) / framing.px_per_mm
    return float(x[0]), float(y[0]), float(x[1]), float(y[1])


@pytest.fixture(scope="module")
def many(pack: BodyPack) -> list[Render]:
    """Sixty random scenes of all splits."""
    return [render(pack, sample_scene(pack, seed, split)) for split in SPLITS for seed in range(60 // len(SPLITS))]


def arrays(picture: Render) -> Iterator[tuple[str, np.ndarray]]:
    return ((name, value) for name, value in vars(picture).items() if isinstance(value, np.ndarray))


def test_the_same_seed_gives_the_same_bytes(pack: BodyPack, pack_file: Path) -> None:
    for seed, split in ((3, "croquis"), (4, "judge")):
        first = render(pack, sample_scene(pack, seed, split))
        again = render(BodyPack(pack_file), sample_scene(pack, seed, split))
        for (name, a), (_, b) in zip(arrays(first), arrays(again), strict=True):
            assert a.tobytes() == b.tobytes(), name
    other = render(pack, sample_scene(pack, 3, "held-out"))
    assert not np.array_equal(other.image, first.image)


def test_the_pack_is_small_and_holds_adults_only(pack: BodyPack, pack_file: Path) -> None:
    assert pack_file.stat().st_size <= 5e6
    phenotypes, kinds = sample_bodies(np.random.default_rng(20))
    assert pack.kinds == kinds
    assert min(body["age"] for body in phenotypes) >= 2 / 3


def test_bodies_of_the_splits_are_disjoint(pack: BodyPack) -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_attributes(rng) for _ in range(400)]
    used = {split: {body_for(rng, pack, a, split) for a in drawn} for split in SPLITS}
    assert all(used.values())
    apart = [split for split in SPLITS if split != FREE]
    assert all(used[a].isdisjoint(used[b]) for a, b in combinations(apart, 2))
    assert SPLITS[FREE] == SPLITS["croquis"], "croquis learns from both"
    places = [place for split in apart for place in range(*SPLITS[split])]
    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    "changes",
    [{"garment": value} for value in get_args(Garment)]
    + [{"view": value} for value in get_args(View)]
    + [{"action": value, "view": "three-quarter"} for value in get_args(Action)],
    ids=lambda changes: "-".join(changes.values()),
)
def test_every_garment_view_and_action_draws_a_figure(pack: BodyPack, changes: dict[str, str]) -> None:
    picture = render(pack, scene(pack, **changes))
    assert picture.image.shape == (256, 192, 3)
    assert picture.image.dtype == np.uint8
    share = (picture.figure_mask > 127).mean()
    assert 0.04 < share < 0.4
    assert (picture.upper_mask <= picture.garment_mask).all()
    assert (picture.upper_mask > 127).any()


@pytest.mark.parametrize(
    ("garment", "short", "long"), [("dress", 500, 640), ("skirt", 500, 640), ("trousers", 600, 760)]
)
def test_a_hem_falls_where_its_millimetres_say(pack: BodyPack, garment: str, short: float, long: float) -> None:
    bottoms = []
    for hem_mm in (short, long):
        base = straight(pack, garment=garment)
        cut = replace(base, lengths=replace(base.lengths, hem_mm=hem_mm, flare=1.0))
        bottoms.append(extent_mm(render(pack, cut, FINE).garment_mask, FINE)[3])
    assert bottoms[0] - bottoms[1] == pytest.approx(long - short, abs=12)


def test_a_sleeve_ends_where_its_millimetres_say(pack: BodyPack) -> None:
    ends = []
    for sleeve_mm in (180.0, 420.0):
        base = straight(pack, arms_out=True)
        cut = replace(base, lengths=replace(base.lengths, sleeve_mm=sleeve_mm))
        left, _, right, _ = extent_mm(render(pack, cut, FINE).upper_mask, FINE)
        ends.append((-left, right))
    for before, after in zip(*ends, strict=True):
        assert after - before == pytest.approx(240, abs=12)


def test_a_figure_is_as_tall_in_the_picture_as_it_is(pack: BodyPack) -> None:
    chosen = straight(pack)
    body = map_body(pack, pack.body(chosen.body_index, chosen.height_m))
    layers = outfit_layers(pack, body, "dress", chosen.lengths)
    bald, _ = draw(pack, body, pose_body(pack, body.rest, chosen.pose), layers, FINE)
    rows = np.ptp(bald.rows) + 1
    assert rows / FINE.px_per_mm == pytest.approx(1700, abs=15)  # the soles of the shoes are 6 mm thick
    _, top, _, bottom = extent_mm(render(pack, chosen, FINE).figure_mask, FINE)
    assert 1700 < top - bottom < 1730  # with hair
    assert bottom == pytest.approx(0, abs=10)


def test_joints_lie_on_the_figure(many: list[Render]) -> None:
    for picture in many:
        outside = (picture.figure_mask < 128).astype(np.uint8)
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, 5)
        height, width = outside.shape
        columns, rows = picture.joints_px.astype(int).T
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        assert inside[picture.visible].all()
        assert distance[rows[inside], columns[inside]].max() <= 4


def test_figures_are_always_dressed(many: list[Render]) -> None:
    for picture in many:
        cloth, figure = picture.garment_mask > 127, picture.figure_mask > 127
        assert (cloth & figure).sum() >= 0.15 * figure.sum()
        assert not (cloth & ~figure).any()


def test_depth_and_normals_are_whole_on_the_figure(many: list[Render]) -> None:
    for picture in many:
        on = picture.figure_mask == 255
        assert np.isfinite(picture.depth_mm[on]).all()
        assert np.abs(picture.depth_mm[on]).max() < 1500
        assert np.isnan(picture.depth_mm[picture.figure_mask == 0]).all()
        assert np.linalg.norm(picture.normals[on], axis=1) == pytest.approx(1, abs=1e-3)
        assert picture.normals[on][:, 2].max() <= 1e-6  # towards the camera


def test_a_large_picture_shows_what_a_small_one_shows(pack: BodyPack) -> None:
    chosen = sample_scene(pack, 12, "croquis")
    small, large = render(pack, chosen), render(pack, chosen, Framing().scaled(4))
    assert large.image.shape == (1024, 768, 3)
    assert large.joints_mm == pytest.approx(small.joints_mm)
    shrunk = cv2.resize(large.image, (192, 256), interpolation=cv2.INTER_AREA)
    difference = np.abs(shrunk.astype(float) - small.image)
    assert difference.mean() < 2
    masks = [cv2.resize(large.figure_mask, (192, 256), interpolation=cv2.INTER_AREA) > 127, small.figure_mask > 127]
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.97
