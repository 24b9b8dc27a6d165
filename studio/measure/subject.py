"""Where the subject is: a mask by difference from the backdrop, or by GrabCut where the background is busy.

Good enough to keep blur, exposure and colour checks off the background; it is no cut-out. Where nothing stands out
the answer is None, never a guess.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from studio.measure.pictures import RGB, Mask

WORK_PX = 256
"""Long side at which the mask is found; its edge is then right to about 1/256 of the picture."""
PLAIN_SPREAD = 9.0
"""Largest spread of the border (CIELAB distance, 90th percentile) that still counts as a plain backdrop."""
MIN_SHARE, MAX_SHARE = 0.01, 0.92
"""Share of the picture that a subject may fill."""
MAX_HOLE = 0.004
"""Share of the subject under which a hole in it counts as a fault of the mask."""

Lab = npt.NDArray[np.float32]


def subject_mask(rgb: RGB) -> Mask | None:
    """The subject of a picture.

    Args:
        rgb: (H, W, 3) uint8, sRGB.

    Returns:
        Mask of shape (H, W), or None where no subject stands out.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, WORK_PX / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), np.float32)
    border = _border(lab.shape[:2])
    distance = np.linalg.norm(lab - _backdrop(lab, border), axis=2)
    spread = float(np.percentile(distance[border], 90))
    found = distance > max(6.0, 2.0 * spread) if spread <= PLAIN_SPREAD else _grab_cut(small)
    tidy = _tidy(found)
    if not MIN_SHARE <= tidy.mean() <= MAX_SHARE:
        return None
    return cv2.resize(tidy.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def _border(shape: tuple[int, ...]) -> Mask:
    """Top, left and right margins. A figure may stand on, or be cut by, the lower edge."""
    height, width = shape
    mask = np.zeros((height, width), bool)
    mask[: max(2, height // 32)] = True
    side = max(2, width // 24)
    mask[:, :side] = mask[:, -side:] = True
    return mask


def _backdrop(lab: Lab, border: Mask) -> Lab:
    """The backdrop's colour at every pixel: a plane per channel through the border, twice freed from outliers."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    plane = np.stack([np.ones_like(x), x / width, y / height], axis=2)
    chosen = border.copy()
    fitted = np.empty_like(lab)
    for _ in range(3):
        coefficients = np.linalg.lstsq(plane[chosen], lab[chosen], rcond=None)[0]
        fitted = (plane @ coefficients).astype(np.float32)
        error = np.linalg.norm(lab - fitted, axis=2)
        chosen = border & (error <= max(3.0, float(np.percentile(error[border], 75))))
    return fitted


def _grab_cut(rgb: RGB) -> Mask:
    """GrabCut (Rother et al. 2004), begun from colours that are commoner in the middle than at the sides."""
    height, width = rgb.shape[:2]
    smooth = cv2.GaussianBlur(rgb, (0, 0), 1.5)
    state = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    outside = np.ones((height, width), bool)
    outside[height // 16 :, width // 6 : width - width // 6] = False
    middle = np.zeros((height, width), bool)
    middle[height // 8 :, width // 3 : width - width // 3] = True
    bins = (smooth.astype(np.int64) // 32 * np.array([64, 8, 1])).sum(axis=2)
    rarity = _share(bins, middle) / (_share(bins, outside) + 1e-4)
    state[(rarity[bins] > 1.5) & ~outside] = cv2.GC_PR_FGD
    state[_border((height, width))] = cv2.GC_BGD
    if not (state == cv2.GC_PR_FGD).any():
        return np.zeros((height, width), bool)
    cv2.setRNGSeed(0)
    cv2.grabCut(smooth, state, (0, 0, width, height), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    return np.isin(state, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _share(bins: npt.NDArray[np.int64], region: Mask) -> npt.NDArray[np.float64]:
    """Share of each colour bin (8 per channel) in a region, smoothed between neighbouring bins."""
    counts = np.bincount(bins[region], minlength=512).astype(np.float64).reshape(8, 8, 8)
    smooth: npt.NDArray[np.float64] = gaussian_filter(counts, sigma=0.6).ravel()
    return np.asarray(smooth / max(float(smooth.sum()), 1.0))


def _tidy(mask: Mask) -> Mask:
    """Specks away, small holes filled; parts smaller than a tenth of the largest one are dropped.

    Larger holes stay: between arm and waist one sees the backdrop.
    """
    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel, iterations=2)
    labels, areas = _parts(closed > 0)
    if not len(areas):
        return np.zeros_like(mask)
    kept = np.isin(labels, 1 + np.flatnonzero(areas >= 0.1 * areas.max()))
    gaps, sizes = _parts(~kept)
    outside = np.unique(np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]]))
    small = np.setdiff1d(1 + np.flatnonzero(sizes < MAX_HOLE * kept.sum()), outside)
    return np.asarray(kept | np.isin(gaps, small))


def _parts(mask: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Connected parts: a label per pixel (0 is outside) and the area of label 1, 2, ..."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return np.asarray(labels, np.int32), np.asarray(stats[1:, cv2.CC_STAT_AREA], np.int32)
