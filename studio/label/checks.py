"""Plain findings about one photo: is it large, sharp and well lit enough to learn from, and what would be cropped?"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from studio.label.faces import FaceCounter
from studio.measure.pictures import RGB, Mask
from studio.measure.sharpness import BLURRED_BELOW, sharpness
from studio.records.photo import Finding

MAX_CROP_LOSS = 0.35
MAX_CLIPPED = 0.05
"""Both are what other tools start from."""
EDGE_SHARE = 0.006
"""Margin of the subject that exposure leaves out, as a share of the long side."""
MAX_ASPECT = 2.0
_STEP_PX = 32


class Bucket(NamedTuple):
    """A size that training crops photos to."""

    width_px: int
    height_px: int


def buckets_of(width_px: int, height_px: int) -> tuple[Bucket, ...]:
    """Sizes of about a base's pixel count, from tall to wide, in steps of 32 px; its own size is among them."""
    area = width_px * height_px
    found = {Bucket(width_px, height_px)}
    for width in range(_STEP_PX, int((area * MAX_ASPECT) ** 0.5) + _STEP_PX, _STEP_PX):
        height = area // width // _STEP_PX * _STEP_PX
        if height and max(width, height) <= MAX_ASPECT * min(width, height):
            found.add(Bucket(width, height))
    return tuple(sorted(found))


def crop_loss(width_px: int, height_px: int, bucket: Bucket) -> float:
    """Share of the photo's area, 0 to 1, that is lost when it is scaled to cover the bucket."""
    wide, tall = width_px * bucket.height_px, height_px * bucket.width_px
    return 1.0 - min(wide, tall) / max(wide, tall)


def check_picture(rgb: RGB, mask: Mask | None, buckets: tuple[Bucket, ...], faces: FaceCounter) -> tuple[Finding, ...]:
    """All findings about one upright picture (H, W, 3) with its subject (H, W), the good ones too."""
    height, width = rgb.shape[:2]
    return (*_size(width, height, buckets), _blur(rgb, mask), *_exposure(rgb, mask), faces.check(rgb))


def _size(width: int, height: int, buckets: tuple[Bucket, ...]) -> tuple[Finding, Finding]:
    best = min(buckets, key=lambda bucket: crop_loss(width, height, bucket))
    scale = min(width / best.width_px, height / best.height_px)
    target = f"{best.width_px}x{best.height_px}"
    if scale < 1.0:
        resolution = Finding(
            code="resolution", level="warning", value=round(scale, 3), limit=1.0,
            message=f"{width}x{height} px is smaller than the {target} px that training uses. Give a larger photo.",
        )  # fmt: skip
    else:
        message = f"{width}x{height} px is enough for {target}."
        resolution = Finding(code="resolution", level="ok", message=message, value=round(scale, 3), limit=1.0)
    loss = crop_loss(width, height, best)
    level, advice = ("warning", " Crop it by hand around the garment.") if loss > MAX_CROP_LOSS else ("ok", "")
    message = f"{loss:.0%} is cropped away at {target}.{advice}"
    crop = Finding.model_validate(
        {"code": "crop-loss", "level": level, "message": message, "value": round(loss, 3), "limit": MAX_CROP_LOSS}
    )
    return resolution, crop


def _blur(rgb: RGB, mask: Mask | None) -> Finding:
    if mask is None:
        message = "Sharpness was not checked: no subject stands out from the background. Look at it yourself."
        return Finding(code="blur", level="not-checked", message=message)
    value = sharpness(rgb, mask)
    if value is None:
        message = "Sharpness was not checked: the subject is too small in the picture. Crop closer."
        return Finding(code="blur", level="not-checked", message=message)
    if value < BLURRED_BELOW:
        message = "The subject is blurred. Use a sharper shot of it."
        return Finding(code="blur", level="warning", message=message, value=round(value, 1), limit=BLURRED_BELOW)
    return Finding(code="blur", level="ok", message="The subject is sharp.", value=round(value, 1), limit=BLURRED_BELOW)


def _exposure(rgb: RGB, mask: Mask | None) -> tuple[Finding, Finding]:
    """Clipped pixels on the subject; without one the whole picture would count its white backdrop, so: not checked."""
    if mask is None:
        message = "Exposure was not checked: no subject stands out from the background."
        return (
            Finding(code="highlights", level="not-checked", message=message),
            Finding(code="shadows", level="not-checked", message=message),
        )
    # The mask's edge is right to a pixel or so of a small copy: without it, a white backdrop would count as burnt.
    margin = max(1, round(EDGE_SHARE * max(mask.shape)))
    core = cv2.erode(mask.astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)).astype(bool)
    subject = rgb[core if core.any() else mask]
    burnt = float((subject >= 254).all(axis=1).mean())
    black = float((subject <= 2).all(axis=1).mean())
    return (
        _clipping("highlights", burnt, "pure white: the fabric's detail is gone. Expose less."),
        _clipping("shadows", black, "pure black: the fabric's detail is gone. Light it more."),
    )


def _clipping(code: str, share: float, what: str) -> Finding:
    clipped = share > MAX_CLIPPED
    message = f"{share:.0%} of the subject is {what}" if clipped else f"{share:.1%} of the subject is clipped."
    return Finding(
        code=code, level="warning" if clipped else "ok", message=message, value=round(share, 4), limit=MAX_CLIPPED
    )


def near_duplicate(other_name: str) -> Finding:
    """The finding for a photo that shows nearly the same as another one."""
    message = f"Nearly the same as {other_name}: twins teach a model to copy. Keep the better one."
    return Finding(code="near-duplicate", level="warning", message=message)


def conversions(notes: tuple[str, ...]) -> tuple[Finding, ...]:
    """What was converted when the picture was opened."""
    return (Finding(code="converted", level="ok", message=f"Converted: {', '.join(notes)}."),) if notes else ()
