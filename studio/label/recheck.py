"""Checks a whole dataset again, e.g. for another base's sizes."""

from __future__ import annotations

from collections.abc import Sequence

from studio.label.checks import Bucket, check_picture, conversions, near_duplicate
from studio.label.duplicates import groups, sketch
from studio.label.faces import FaceCounter
from studio.label.ingest import Progress, open_stored
from studio.label.names import shown
from studio.measure.subject import subject_mask
from studio.records.photo import Finding, Photo
from studio.settings import Settings
from studio.store import Store


def findings_of(
    photos: Sequence[Photo], store: Store, settings: Settings, buckets: tuple[Bucket, ...], faces: FaceCounter,
    progress: Progress | None,
) -> dict[str, tuple[Finding, ...]]:  # fmt: skip
    """Photo id -> what is to be said of the photo, near duplicates of earlier ones included."""
    sketches, findings = [], {}
    for done, photo in enumerate(photos):
        if progress is not None:
            progress(done, len(photos), shown(photo.file_name))
        picture = open_stored(store, settings, photo)
        rgb = picture.rgb
        mask = subject_mask(rgb)
        findings[photo.id] = (*conversions(picture.notes), *check_picture(rgb, mask, buckets, faces))
        sketches.append(sketch(photo.id, rgb, mask))
    names = {photo.id: shown(photo.file_name) for photo in photos}
    for group in groups(sketches):
        for later in group[1:]:
            findings[later] = (*findings[later], near_duplicate(names[group[0]]))
    return findings
