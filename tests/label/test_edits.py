"""What people change on photos: tags, crop, rights, words in captions, and photos taken out and put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import ConflictError, FaultsError, InputError, NotFoundError
from studio.label import LabelService
from studio.records.photo import Photo


@pytest.fixture
def photos(label: LabelService, photo_folder: Path) -> list[Photo]:
    """Four photos of one dataset."""
    return label.photos(label.ingest([photo_folder], dataset="edits").dataset.id)


def test_tags_are_kept_once_and_in_order(label: LabelService, photos: list[Photo]) -> None:
    changed = label.set_tags({photos[0].id: [" front ", "hero  shot", "front", ""], photos[1].id: []})
    assert [photo.tags for photo in changed] == [("front", "hero shot"), ()]


@pytest.mark.parametrize("tags", [["x" * 41], ["a\x1bb"], [str(n) for n in range(21)]])
def test_tags_that_cannot_be_change_nothing(label: LabelService, photos: list[Photo], tags: list[str]) -> None:
    with pytest.raises(InputError):
        label.set_tags({photos[0].id: ["fine"], photos[1].id: tags})
    assert [photo.tags for photo in label.photos(photos[0].dataset_id)] == [()] * 4


def test_a_crop_lies_inside_its_picture_and_can_be_taken_back(label: LabelService, photos: list[Photo]) -> None:
    photo = photos[0]
    assert label.set_crop(photo.id, [10, 20, photo.width_px, photo.height_px]).crop_px == (
        10, 20, photo.width_px, photo.height_px,
    )  # fmt: skip
    assert label.set_crop(photo.id, None).crop_px is None


@pytest.mark.parametrize("crop", [(-1, 0, 100, 100), (0, 0, 9999, 100), (50, 50, 60, 200), (100, 0, 40, 80), (0, 0, 9)])
def test_a_crop_that_cannot_be_is_refused(label: LabelService, photos: list[Photo], crop: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        label.set_crop(photos[0].id, crop)
    assert label.photos(photos[0].dataset_id)[0].crop_px is None


def test_rights_are_changed_field_by_field(label: LabelService, photos: list[Photo]) -> None:
    label.change_rights({photos[0].id: {"owner": "Mika"}})
    label.change_rights({p.id: {"licence": "own", "expires_on": "2030-01-31"} for p in photos[:2]})
    first, second, third, _ = (photo.rights for photo in label.photos(photos[0].dataset_id))
    assert (first.owner, first.licence, second.owner, second.licence) == ("Mika", "own", "", "own")
    assert first.expires_on is not None
    assert third.licence == ""
    with pytest.raises(FaultsError, match="expires_on"):
        label.change_rights({photos[0].id: {"expires_on": "soon"}})


def test_words_are_replaced_over_several_captions_and_come_back_with_one_undo(
    label: LabelService, photos: list[Photo]
) -> None:
    for photo, text in zip(photos, ("a red coat", "a blue coat", "a red, red hat", "a Red scarf"), strict=True):
        label.set_caption(photo.id, text)
    changed = label.replace_in_captions([photo.id for photo in photos], "red", "rust")
    assert [photo.caption for photo in changed] == ["a rust coat", "a rust, rust hat"]
    label.undo_captions([photo.id for photo in changed])
    captions = [photo.caption for photo in label.photos(photos[0].dataset_id)]
    assert captions == ["a red coat", "a blue coat", "a red, red hat", "a Red scarf"]
    with pytest.raises(InputError):
        label.replace_in_captions([photos[0].id], "", "x")


def test_removed_photos_come_back_as_they_were(label: LabelService, photos: list[Photo], photo_folder: Path) -> None:
    dataset_id = photos[0].dataset_id
    label.set_caption(photos[1].id, "kept")
    label.remove([photos[1].id, photos[2].id])
    assert [photo.id for photo in label.photos(dataset_id)] == [photos[0].id, photos[3].id]
    assert [dataset.name for dataset in label.datasets()] == ["edits"]
    label.restore([photos[1].id], dataset_id)
    assert "kept" in [photo.caption for photo in label.photos(dataset_id)]
    label.ingest([photo_folder], dataset="edits")  # the third comes in anew: the removed one would be its twin
    with pytest.raises(ConflictError, match="already"):
        label.restore([photos[2].id], dataset_id)


def test_statistics_count_the_sizes_that_training_crops_to(label: LabelService, photos: list[Photo]) -> None:
    dataset_id = photos[0].dataset_id
    found = label.statistics(dataset_id)
    assert (found.buckets, found.base) == ({"192x256": 4}, "croquis")
    with pytest.raises(NotFoundError, match="base model"):
        label.statistics(dataset_id, base="nowhere")
    label.set_crop(photos[0].id, [0, 0, 256, 256])
    assert sorted(label.statistics(dataset_id).buckets.values()) == [1, 3]
