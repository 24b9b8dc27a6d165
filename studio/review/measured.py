"""Takes the measures of one variant: pose, garment colour, nearest training photo, sharpness.

What cannot be measured gets no number: its value is None and its note says why. What does not apply is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.measure.colour import colour_difference
from studio.measure.copies import Fingerprint, nearest
from studio.measure.pictures import RGB, Mask
from studio.measure.sharpness import sharpness
from studio.measure.subject import subject_mask
from studio.records.generation import GenerationRequest
from studio.records.pose import Framing, Pose
from studio.records.review import Measure
from studio.review.rules import NOT_MEASURED

JOINT_CONFIDENCE = 0.3
"""Below this the judge does not see the joint; its place would be a guess."""
MIN_JOINTS = 6
"""With fewer joints read a median says nothing about a pose."""
MIN_GARMENT_SHARE = 0.01
"""Share of the picture that a garment must fill for its colour to be measured."""


class Reading(Protocol):
    """What a judge reads in one picture.

    Attributes:
        joints_px: (18, 2), x and y.
        joint_confidence: (18,), 0 to 1.
        figure_mask, garment_mask: (H, W), 0 to 1.
        in_domain: False for a picture unlike those that the judge has learned from; `note` says why.
    """

    @property
    def joints_px(self) -> NDArray[np.floating]: ...
    @property
    def joint_confidence(self) -> NDArray[np.floating]: ...
    @property
    def figure_mask(self) -> NDArray[np.floating]: ...
    @property
    def garment_mask(self) -> NDArray[np.floating]: ...
    @property
    def in_domain(self) -> bool: ...
    @property
    def note(self) -> str: ...


class PictureJudge(Protocol):
    """Reads pictures of shape (H, W, 3), uint8."""

    def read(self, images: Sequence[RGB]) -> Sequence[Reading]:
        """One reading per picture, in order."""
        ...


@dataclass(frozen=True, eq=False)
class GarmentReference:
    """The product photo that a garment's colour is held against, or why there is none.

    Attributes:
        rgb: (H, W, 3) or None.
        mask: (H, W), the garment in it, or None.
    """

    rgb: RGB | None = None
    mask: Mask | None = None
    missing: str = ""


@dataclass(frozen=True, eq=False)
class CopySources:
    """Fingerprints of the training photos behind a variant by content address, or why they are missing."""

    photos: Mapping[str, Fingerprint]
    missing: str = ""


def measure_picture(
    rgb: RGB,
    request: GenerationRequest,
    reading: Reading | None,
    reference: GarmentReference | None,
    sources: CopySources | None,
) -> tuple[Measure, ...]:
    """All measures of one picture, (H, W, 3).

    Args:
        reading: the judge's reading, or None without a judge.
        reference: None where no product is concerned: then colour does not apply.
        sources: None where no brand model was used: then there is nothing to copy.
    """
    unread = _unread(reading)
    measures: list[Measure] = []
    if request.pose is not None:
        measures += _pose(rgb, request.pose, request.framing, reading, unread)
    if reference is not None:
        measures += _colour(rgb, reading, unread, reference)
    if sources is not None:
        measures.append(_copy(rgb, sources))
    measures.append(_sharpness(rgb, reading, unread))
    return tuple(measures)


def garment_reference(rgb: RGB, reading: Reading | None) -> GarmentReference:
    """The garment in a product photo, where the judge can read the photo."""
    unread = _unread(reading)
    if reading is None or unread:
        return GarmentReference(missing=f"in the product photo: {unread}")
    mask = reading.garment_mask > 0.5
    if mask.mean() < MIN_GARMENT_SHARE:
        return GarmentReference(missing="the judge finds no garment in the product photo")
    return GarmentReference(rgb, mask)


def _unread(reading: Reading | None) -> str:
    """Why a reading says nothing; empty when it does."""
    if reading is None:
        return "there is no judge"
    return "" if reading.in_domain else reading.note or "the picture is outside the judge's domain"


def _pose(rgb: RGB, pose: Pose, framing: Framing, reading: Reading | None, unread: str) -> list[Measure]:
    """Distance of every joint that the request shows from where it was read, in the picture plane."""
    # A picture that was made larger since shows the same view at more pixels.
    larger = framing.scaled(rgb.shape[1] / framing.width_px)
    if rgb.shape[:2] == (larger.height_px, larger.width_px):
        framing = larger
    if not unread and rgb.shape[:2] != (framing.height_px, framing.width_px):
        unread = f"the picture is {rgb.shape[1]}x{rgb.shape[0]}, asked were {framing.width_px}x{framing.height_px}"
    shown = np.array([joint.present for joint in pose.joints])
    if not unread and shown.sum() < MIN_JOINTS:
        unread = f"the pose shows only {shown.sum()} joints"
    if reading is None or unread:
        return [
            _absent("pose_mm_median", "mm", unread),
            _absent("pose_mm_p95", "mm", unread),
            _absent("joints_read", "", unread),
        ]
    seen = np.isfinite(reading.joints_px).all(axis=1) & (np.asarray(reading.joint_confidence) >= JOINT_CONFIDENCE)
    read = shown & seen
    share = Measure(name="joints_read", value=float(read.sum() / shown.sum()), unit="")
    if read.sum() < MIN_JOINTS:
        few = f"the judge sees only {read.sum()} of {shown.sum()} joints"
        return [_absent("pose_mm_median", "mm", few), _absent("pose_mm_p95", "mm", few), share]
    asked_px = np.array([framing.to_px(joint) for joint in pose.joints])
    errors_mm = np.linalg.norm(np.asarray(reading.joints_px) - asked_px, axis=1)[read] / framing.px_per_mm
    note = f"{read.sum()} of {shown.sum()} joints read"
    return [
        Measure(name="pose_mm_median", value=float(np.median(errors_mm)), unit="mm", note=note),
        Measure(name="pose_mm_p95", value=float(np.percentile(errors_mm, 95)), unit="mm", note=note),
        share,
    ]


def _colour(rgb: RGB, reading: Reading | None, unread: str, reference: GarmentReference) -> list[Measure]:
    """Difference between the median garment colours, and between the palettes, which see a pattern."""
    names = ("garment_delta_e", "garment_palette_delta_e")
    if not unread and reading is not None and (reading.garment_mask > 0.5).mean() < MIN_GARMENT_SHARE:
        unread = "the judge finds no garment"
    why_not = unread or reference.missing
    if reading is None or reference.rgb is None or why_not:
        return [_absent(name, "CIEDE2000", why_not) for name in names]
    difference = colour_difference(rgb, reading.garment_mask > 0.5, reference.rgb, reference.mask)
    values = (difference.median, difference.distribution)
    return [Measure(name=name, value=value, unit="CIEDE2000") for name, value in zip(names, values, strict=True)]


def _copy(rgb: RGB, sources: CopySources) -> Measure:
    match = nearest(rgb, sources.photos)
    if sources.missing or match is None:
        return _absent("copy_similarity", "", sources.missing or "the brand model names no training photos")
    flag = "looks like a copy of" if match.is_copy else "nearest is"
    note = f"{flag} training photo {match.key[:12]} ({match.phash_distance} of 64 hash bits differ)"
    return Measure(name="copy_similarity", value=match.similarity, unit="", note=note)


def _sharpness(rgb: RGB, reading: Reading | None, unread: str) -> Measure:
    """On the figure alone: by the judge's mask, or by its difference from the background."""
    mask = subject_mask(rgb) if reading is None or unread else reading.figure_mask > 0.5
    value = None if mask is None else sharpness(rgb, mask)
    if value is None:
        return _absent("sharpness", "levels²", "no figure stands out from the background")
    return Measure(name="sharpness", value=value, unit="levels²")


def _absent(name: str, unit: str, why: str) -> Measure:
    return Measure(name=name, value=None, unit=unit, note=f"{NOT_MEASURED}{why}")
