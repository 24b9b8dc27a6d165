"""The held-out split: stable when photos come, twins on one side, never empty."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from studio.errors import InputError
from studio.label import LabelService
from studio.label.split import split
from studio.measure.pictures import RGB
from studio.records.photo import Photo
from tests.measure.painting import encoded


def photo(number: int) -> Photo:
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return Photo(id=f"p{number}", dataset_id="d", sha256=sha256, file_name="a.png", width_px=1, height_px=1)


PHOTOS = [photo(number) for number in range(400)]


def test_about_the_asked_share_is_held_out() -> None:
    sides = split(PHOTOS, [], 0.2)
    assert 0.15 < list(sides.values()).count("held-out") / len(PHOTOS) < 0.25


def test_the_split_stays_when_photos_are_added() -> None:
    for start in range(0, 300, 7):
        few = split(PHOTOS[start : start + 12], [], 0.1)
        many = split(PHOTOS[start : start + 60], [], 0.1)
        assert few.items() <= many.items()


@pytest.mark.parametrize("start", range(0, 380, 5))
def test_there_is_always_something_to_judge_by_and_something_to_train_on(start: int) -> None:
    sides = list(split(PHOTOS[start : start + 20], [], 0.1).values())
    assert 1 <= sides.count("held-out") < 20


def test_twins_stay_on_one_side() -> None:
    groups = [[f"p{n}", f"p{n + 50}", f"p{n + 100}"] for n in range(50)]
    sides = split(PHOTOS[:150], groups, 0.2)
    assert "held-out" in sides.values()
    for group in groups:
        assert len({sides[key] for key in group}) == 1


def test_a_later_twin_follows_the_older_photo() -> None:
    before = split(PHOTOS[:100], [], 0.2)
    for number in range(20):
        after = split(PHOTOS[:101], [[f"p{number}", "p100"]], 0.2)
        assert before.items() <= after.items()
        assert after["p100"] == before[f"p{number}"]


def test_nothing_or_too_much() -> None:
    assert set(split(PHOTOS, [], 0.0).values()) == {"train"}
    assert split([], [], 0.1) == {}
    assert split(PHOTOS[:1], [], 0.1) == {"p0": "train"}
    for share in (-0.1, 0.6, float("nan")):
        with pytest.raises(InputError, match="share"):
            split(PHOTOS, [], share)


def test_the_service_keeps_twins_together(label: LabelService, photo_folder: Path, shots: tuple[RGB, ...]) -> None:
    for index in range(4):
        (photo_folder / f"z_twin_{index}.jpg").write_bytes(encoded(shots[index], "JPEG", quality=70))
    dataset = label.ingest([photo_folder], dataset="summer").dataset
    photos = {photo.file_name: photo.split for photo in label.split(dataset.id, held_out=0.3)}
    for index in range(4):
        assert photos[f"shot_{index}.png"] == photos[f"z_twin_{index}.jpg"]
    assert set(photos.values()) == {"train", "held-out"}
    assert {photo.file_name: photo.split for photo in label.photos(dataset.id)} == photos
    numbers = label.statistics(dataset.id)
    assert len(numbers.near_duplicate_groups) == 4
    assert numbers.findings["near-duplicate"] == 4
