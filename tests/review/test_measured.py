"""Measures are numbers only where something was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studio.errors import NotFoundError
from studio.records.generation import Variant
from studio.records.review import Measurement
from studio.review import ReviewService
from studio.store import Store
from tests.review.conftest import POSE, SKU, PaintedJudge, figure, png

Add = Callable[..., Variant]
ReviewWith = Callable[[PaintedJudge | None], ReviewService]


def _value(measurement: Measurement, name: str) -> float | None:
    measure = measurement.measure(name)
    assert measure is not None, f"{name} is missing"
    return measure.value


def _note(measurement: Measurement, name: str) -> str:
    measure = measurement.measure(name)
    assert measure is not None
    return measure.note


def test_pose_error_is_the_distance_in_mm(review: ReviewService, add_variant: Add) -> None:
    (measurement,) = review.measure([add_variant().id])
    assert _value(measurement, "pose_mm_median") == pytest.approx(20.0)
    assert _value(measurement, "pose_mm_p95") == pytest.approx(20.0)
    assert _value(measurement, "joints_read") == 1.0
    pose = measurement.measure("pose_mm_median")
    assert pose is not None
    assert (pose.unit, pose.limit, pose.within) == ("mm", 60, True)
    assert measurement.judge == "painted-1"


def test_only_joints_that_the_request_shows_count(review: ReviewService, add_variant: Add) -> None:
    hidden = tuple(j.model_copy(update={"x_mm": 9999.0, "present": False}) for j in POSE.joints[:4])
    pose = POSE.model_copy(update={"joints": hidden + POSE.joints[4:]})
    (measurement,) = review.measure([add_variant(pose=pose).id])
    assert _value(measurement, "pose_mm_p95") == pytest.approx(20.0)
    assert _note(measurement, "pose_mm_median") == "14 of 14 joints read"


def test_without_a_judge_nothing_gets_a_number_that_needs_it(review_with: ReviewWith, add_variant: Add) -> None:
    (measurement,) = review_with(None).measure([add_variant().id])
    for name in ("pose_mm_median", "pose_mm_p95", "joints_read", "garment_delta_e", "garment_palette_delta_e"):
        assert _value(measurement, name) is None
        assert _note(measurement, name) == "not measured: there is no judge"
    assert measurement.judge == "none"
    assert _value(measurement, "sharpness") is not None


def test_outside_the_judges_domain_nothing_is_measured(review: ReviewService, add_variant: Add) -> None:
    (measurement,) = review.measure([add_variant(figure(size=(200, 264))).id])
    assert _value(measurement, "pose_mm_median") is None
    assert _note(measurement, "garment_delta_e") == "not measured: a picture of another kind"


def test_a_picture_that_was_made_larger_is_measured_in_the_same_millimetres(
    review: ReviewService, add_variant: Add
) -> None:
    same, larger = review.measure([add_variant().id, add_variant(figure(size=(384, 512))).id])
    for name in ("pose_mm_median", "pose_mm_p95"):
        assert _value(larger, name) == pytest.approx(_value(same, name), abs=1e-6)


def test_unseen_joints_are_no_guess(review_with: ReviewWith, add_variant: Add) -> None:
    (measurement,) = review_with(PaintedJudge(confidence=0.1)).measure([add_variant().id])
    assert _value(measurement, "pose_mm_median") is None
    assert "sees only 0 of 18 joints" in _note(measurement, "pose_mm_median")
    assert _value(measurement, "joints_read") == 0.0


def test_garment_colour_is_held_against_the_product(review: ReviewService, add_variant: Add, store: Store) -> None:
    same, other = review.measure([add_variant().id, add_variant(figure((200, 40, 40))).id])
    assert _value(same, "garment_delta_e") == pytest.approx(0.0, abs=1e-6)
    assert (_value(other, "garment_delta_e") or 0) > 30
    red = store.files.put_bytes(png(figure((200, 40, 40))), ".png")
    (against_red,) = review.measure([other.variant_id], product_photo=red)
    assert _value(against_red, "garment_delta_e") == pytest.approx(0.0, abs=1e-6)


def test_a_missing_product_photo_is_said(review: ReviewService, add_variant: Add, store: Store) -> None:
    store.products.put(store.products.get(SKU).model_copy(update={"photo_sha256": ()}))
    no_photo, no_product, no_sku = review.measure([add_variant(sku=sku).id for sku in (SKU, "GONE", "")])
    assert "has no photo" in _note(no_photo, "garment_delta_e")
    assert "no product GONE" in _note(no_product, "garment_delta_e")
    assert no_sku.measure("garment_delta_e") is None


def test_a_product_photo_that_the_judge_cannot_read_is_said(
    review: ReviewService, add_variant: Add, store: Store
) -> None:
    flat = store.files.put_bytes(png(figure(size=(300, 300))), ".png")
    (measurement,) = review.measure([add_variant().id], product_photo=flat)
    assert _note(measurement, "garment_delta_e").startswith("not measured: in the product photo")
    with pytest.raises(NotFoundError):
        review.measure([add_variant().id], product_photo="0" * 64)


def test_a_copy_of_a_training_photo_is_flagged(
    review: ReviewService, add_variant: Add, add_brand_model: Callable[[str, tuple[str, ...]], None], store: Store
) -> None:
    rng = np.random.default_rng(0)
    photo = figure()
    photo[40:200, 70:120] = rng.integers(0, 255, (160, 50, 3))
    sha256 = store.files.put_bytes(png(photo), ".png")
    add_brand_model("atelier", (sha256,))
    copied, own, plain = review.measure(
        [add_variant(photo, adapters=("atelier",)).id, add_variant(adapters=("atelier",)).id, add_variant().id]
    )
    flagged = copied.measure("copy_similarity")
    assert flagged is not None
    assert flagged.within is False
    assert f"looks like a copy of training photo {sha256[:12]}" in flagged.note
    assert (_value(own, "copy_similarity") or 1) < (flagged.value or 0)
    assert plain.measure("copy_similarity") is None


def test_missing_training_photos_are_said(
    review: ReviewService, add_variant: Add, add_brand_model: Callable[[str, tuple[str, ...]], None]
) -> None:
    add_brand_model("lost", ("a" * 64,))
    add_brand_model("nameless", ())
    notes = [
        _note(measurement, "copy_similarity")
        for measurement in review.measure([add_variant(adapters=(n,)).id for n in ("lost", "nameless", "gone")])
    ]
    assert "cannot be read" in notes[0]
    assert "names no training photos" in notes[1]
    assert "no brand model gone" in notes[2]


def test_soft_pictures_are_less_sharp(review: ReviewService, add_variant: Add) -> None:
    empty_picture = np.full((256, 192, 3), 200, np.uint8)
    crisp, soft, empty = review.measure([add_variant(rgb).id for rgb in (figure(), figure(soft=True), empty_picture)])
    assert (_value(crisp, "sharpness") or 0) > 8 > (_value(soft, "sharpness") or 0)
    assert _value(empty, "sharpness") is None


def test_many_are_measured_in_order_with_progress(review: ReviewService, add_variant: Add) -> None:
    ids = [add_variant().id for _ in range(18)]
    seen: list[tuple[int, int]] = []
    measured = review.measure(ids, progress=lambda done, total: seen.append((done, total)))
    assert [m.variant_id for m in measured] == ids
    assert seen == [(16, 18), (18, 18)]
    with pytest.raises(NotFoundError):
        review.measure([ids[0], "var_none"])
