"""A dataset in numbers, and what to do about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from studio.label.checks import Bucket, crop_loss
from studio.label.report import DatasetStatistics
from studio.records.photo import Photo
from studio.wording import unknown_words

FEW, MANY = 20, 50
"""20-50 photos is what LoRA trainers advise; more mostly adds time and the risk of overfitting."""


def statistics(
    photos: Sequence[Photo],
    trigger: str,
    twins: tuple[tuple[str, ...], ...],
    today: date,
    buckets: Sequence[Bucket] = (),
) -> DatasetStatistics:
    """Count a dataset; `twins` are ids of near duplicates, group by group; `buckets` the sizes of the base."""
    warned = Counter(f.code for p in photos for f in p.findings if f.level == "warning" and f.code != "near-duplicate")
    if twins:
        warned["near-duplicate"] = sum(len(group) - 1 for group in twins)
    words = Counter(word for photo in photos for word in unknown_words(photo.caption, trigger))
    cleared = sum(not photo.rights.missing(today) for photo in photos)
    held_out = sum(photo.split == "held-out" for photo in photos)
    captioned = sum(bool(photo.caption.strip()) for photo in photos)
    return DatasetStatistics(
        photos=len(photos),
        train=len(photos) - held_out,
        held_out=held_out,
        captioned=captioned,
        rights_cleared=cleared,
        licences=dict(Counter(photo.rights.licence for photo in photos)),
        findings=dict(warned.most_common()),
        sizes=dict(Counter(f"{photo.width_px}x{photo.height_px}" for photo in photos).most_common()),
        buckets=dict(Counter(_bucket(photo, buckets) for photo in photos if buckets).most_common()),
        unknown_words=dict(words.most_common()),
        near_duplicate_groups=twins,
        advice=_advice(len(photos), held_out, cleared, captioned, warned),
    )


def _bucket(photo: Photo, buckets: Sequence[Bucket]) -> str:
    """The size that loses least of a photo, or of its crop."""
    left, top, right, bottom = photo.crop_px or (0, 0, photo.width_px, photo.height_px)
    best = min(buckets, key=lambda bucket: crop_loss(right - left, bottom - top, bucket))
    return f"{best.width_px}x{best.height_px}"


def _advice(photos: int, held_out: int, cleared: int, captioned: int, warned: Counter[str]) -> tuple[str, ...]:
    advice = []
    if photos < FEW:
        advice.append(f"{photos} photos are few: {FEW} to {MANY} work best.")
    if photos > MANY:
        advice.append(f"{photos} photos are many: past {MANY} a model mostly takes longer. Keep the best.")
    if photos and not held_out:
        advice.append("Nothing is held out: without a split nobody can say when training overfits.")
    if cleared < photos:
        advice.append(f"{photos - cleared} photos lack rights: training will refuse them.")
    if captioned < photos:
        advice.append(f"{photos - captioned} photos have no caption.")
    if warned["near-duplicate"]:
        advice.append(f"{warned['near-duplicate']} photos repeat another one: remove them or the model copies them.")
    return tuple(advice)
