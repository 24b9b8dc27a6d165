"""A matte without a model: GrabCut for what is figure, and the mixture of colours for how much of it at the rim.

GrabCut (Rother et al. 2004) is begun from what is known: the judge's mask, or a difference from the backdrop, and what
a person has said. It gives a hard edge at a small size. In a narrow band along it, how much of a pixel is figure
follows from where its colour lies between the colours of figure and ground beside it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.errors import InputError
from studio.measure.pictures import RGB, Mask
from studio.records.tool import CutOutHints

Matte = NDArray[np.float32]
"""(H, W) in 0..1: how much of each pixel is figure."""

WORK_PX = 640
"""Longer side at which GrabCut runs; a second on one core."""
SURE_SHARE = 0.02
"""As a share of the longer side: how far from a found edge it is certain what is figure and what is ground."""
ROUNDS = 5
NOISE_LEVELS = 10.0
"""A mixture of colours that lie no further apart than this says little; the soft edge itself then counts more."""
CLEAR = 0.02
"""Less than this much of figure, or of ground, is none: shops ask for pure white."""

FIGURE, GROUND = cv2.GC_FGD, cv2.GC_BGD
MAYBE_FIGURE, MAYBE_GROUND = cv2.GC_PR_FGD, cv2.GC_PR_BGD


def grab_cut(rgb: RGB, figure: Mask | None, hints: CutOutHints, mask: Mask | None = None) -> Matte:
    """The matte of a picture, (H, W, 3).

    Args:
        figure: (H, W), where the figure was found, or None.
        mask: (H, W), where a person says the figure is, or None.

    Raises:
        InputError: nothing says where the figure is, or all of it would be figure or ground.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, WORK_PX / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    state = _known(small, mask if mask is not None else figure, hints)
    hard = _settled(small, state)
    smooth = cv2.resize(hard.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return soften(rgb, smooth > 0.5, band_px=max(2, round(1.5 / scale)))


def soften(rgb: RGB, hard: Mask, band_px: int) -> Matte:
    """The matte of a hard mask: within `band_px` of its edge by the colours there.

    Args:
        rgb, hard: (H, W, 3) and (H, W).
    """
    kernel = np.ones((2 * band_px + 1, 2 * band_px + 1), np.uint8)
    solid = hard.astype(np.uint8)
    inside, outside = cv2.erode(solid, kernel), cv2.erode(1 - solid, kernel)
    reach = 4 * band_px + 1
    picture = rgb.astype(np.float32)
    figure, figure_near = _nearby(picture, inside > 0, reach)
    ground, ground_near = _nearby(picture, outside > 0, reach)
    span = figure - ground
    edge = cv2.GaussianBlur(hard.astype(np.float32), (0, 0), max(0.6, band_px / 3))
    trust = NOISE_LEVELS**2
    mixed = ((picture - ground) * span).sum(axis=2) + trust * edge
    matte = np.where(figure_near & ground_near, mixed / ((span**2).sum(axis=2) + trust), edge)
    matte = np.where(inside > 0, 1.0, np.where(outside > 0, 0.0, matte))
    return cleared(matte)


def cleared(matte: NDArray[np.floating]) -> Matte:
    """The matte between 0 and 1, with next to nothing made nothing and next to all made all."""
    stretched = (np.asarray(matte, np.float32) - CLEAR) / (1 - 2 * CLEAR)
    return np.asarray(np.clip(stretched, 0, 1), np.float32)


def hint_mask(size: tuple[int, int], hints: CutOutHints) -> NDArray[np.uint8]:
    """What a person has drawn, (H, W): one of GrabCut's states, MAYBE_GROUND where nothing was said.

    Args:
        size: width and height.
    """
    width, height = size
    state = np.full((height, width), MAYBE_GROUND, np.uint8)
    if hints.rectangle is not None:
        left, top, right, bottom = hints.rectangle
        state[:] = GROUND
        state[_px(top, height) : _px(bottom, height), _px(left, width) : _px(right, width)] = MAYBE_FIGURE
    for stroke in hints.strokes:
        points = np.array([[round(x * width), round(y * height)] for x, y in stroke.points], np.int32)
        radius = max(1, round(stroke.radius * max(size)))
        value = FIGURE if stroke.figure else GROUND
        cv2.polylines(state, [points], False, value, 2 * radius)
        for x, y in points:
            cv2.circle(state, (int(x), int(y)), radius, value, -1)
    return state


def _known(small: RGB, figure: Mask | None, hints: CutOutHints) -> NDArray[np.uint8]:
    """GrabCut's state before it runs: what a person said wins over what was found."""
    size = small.shape[1], small.shape[0]
    said = hint_mask(size, hints)
    if figure is None:
        if not hints.given:
            raise InputError(
                "No figure stands out from the ground.", "Mark it with a rectangle or with strokes of the brush."
            )
        return said
    found = cv2.resize(figure.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    reach = max(2, round(SURE_SHARE * max(size)))
    state = np.where(found > 0, MAYBE_FIGURE, MAYBE_GROUND).astype(np.uint8)
    # Beyond the picture's edge the figure goes on: only an edge inside the picture makes its neighbourhood unsure.
    state[cv2.dilate(found, _disc(reach)) == 0] = GROUND
    # A found figure has its small gaps filled, under an arm say: what looks like the ground there is not sure.
    ground, near = _nearby(small.astype(np.float32), state == GROUND, 8 * reach + 1)
    apart = np.where(near, np.linalg.norm(small - ground, axis=2), np.inf)
    state[(cv2.erode(found, _disc(reach)) > 0) & (apart > NOISE_LEVELS)] = FIGURE
    state[cv2.erode(found, _disc(3 * reach)) > 0] = FIGURE
    backdrop = apart[(state == GROUND) & near]
    if backdrop.size and np.percentile(backdrop, 90) < NOISE_LEVELS:
        # Before a plain backdrop a clear difference is enough, however narrow the figure is there.
        state[(cv2.erode(found, _disc(1)) > 0) & (apart > 2 * NOISE_LEVELS)] = FIGURE
    spoken = (said == FIGURE) | (said == GROUND)
    return np.where(spoken, said, state).astype(np.uint8)


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _settled(small: RGB, state: NDArray[np.uint8]) -> Mask:
    """Figure or ground for every pixel. Raises InputError: one of the two is missing."""
    figure, ground = np.isin(state, (FIGURE, MAYBE_FIGURE)), np.isin(state, (GROUND, MAYBE_GROUND))
    if figure.any() and ground.any():
        cv2.setRNGSeed(0)
        settled = state.copy()
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small, settled, (0, 0, 1, 1), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
        figure = np.isin(settled, (FIGURE, MAYBE_FIGURE))
    if figure.all() or not figure.any():
        message = "All of the picture would be figure." if figure.any() else "Nothing in the picture would be figure."
        raise InputError(message, "Mark figure and ground with strokes of the brush.")
    return figure


def _nearby(picture: NDArray[np.float32], where: Mask, reach: int) -> tuple[NDArray[np.float32], Mask]:
    """The mean colour of the pixels `where` within a square of `reach`, and whether there are any."""
    weight = cv2.blur(where.astype(np.float32), (reach, reach))
    near = weight > 1e-4
    colour = cv2.blur(picture * where[:, :, None], (reach, reach)) / np.maximum(weight, 1e-4)[:, :, None]
    return np.asarray(colour, np.float32), np.asarray(near)


def _px(share: float, length: int) -> int:
    return min(length, max(0, round(share * length)))
