"""A z-buffer rasteriser in numba: orthographic, with per-pixel cuts: a hem ends at a millimetre, not at an edge."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@numba.njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def rasterise(points: Array, triangles: Array, keep: Array, width: int, height: int) -> tuple[Array, Array, Array]:
    """Nearest triangle per pixel.

    Args:
        points: (V, 3) float32: x and y in pixels (y down), depth growing away from the camera.
        triangles: (T, 3) int32.
        keep: (V, K) float32; a pixel is drawn only where all K interpolated values are positive.

    Returns:
        (H, W) int32 triangle index (-1 where empty), (H, W, 3) float32 barycentric weights, (H, W) float32 depth.
    """
    index = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), np.float32(1e9), np.float32)
    rules = keep.shape[1]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        left, right = max(0, int(np.floor(min(ax, bx, cx)))), min(width - 1, int(np.ceil(max(ax, bx, cx))))
        top, bottom = max(0, int(np.floor(min(ay, by, cy)))), min(height - 1, int(np.ceil(max(ay, by, cy))))
        for row in range(top, bottom + 1):
            y = row + 0.5
            for column in range(left, right + 1):
                x = column + 0.5
                u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                w = 1.0 - u - v
                if u < 0.0 or v < 0.0 or w < 0.0:
                    continue
                z = u * points[a, 2] + v * points[b, 2] + w * points[c, 2]
                if z >= depth[row, column]:
                    continue
                drawn = True
                for k in range(rules):
                    if u * keep[a, k] + v * keep[b, k] + w * keep[c, k] <= 0.0:
                        drawn = False
                        break
                if drawn:
                    depth[row, column] = z
                    index[row, column] = t
                    weights[row, column, 0] = u
                    weights[row, column, 1] = v
                    weights[row, column, 2] = w
    return index, weights, depth


def vertex_normals(vertices: Array, triangles: Array) -> Array:
    """(V, 3) unit normals, weighted by triangle area."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], face[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
