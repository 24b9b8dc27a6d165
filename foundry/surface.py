"""What the camera sees of a dressed figure: layers of mesh, projected, rasterised and interpolated per pixel."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.body import BodyPack
from foundry.garments import SHOES, SKIN, BodyMap, Layer
from foundry.raster import rasterise, vertex_normals
from studio.records.pose import Framing

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Surface:
    """What the rasteriser saw at every covered pixel, N pixels in all.

    Attributes:
        rows, columns: (N,) where in the picture.
        material: (N,) one of the materials of `foundry.garments`.
        rest: (N, 3) the point's place in metres on the body in its rest pose, in which cloth is printed.
        normal: (N, 3) unit, in the figure's frame (y into the picture), turned towards the camera.
        arm_m, arm, leg, lips: (N,) as on the vertices; see `BodyMap` and `BodyPack`.
    """

    rows: Array
    columns: Array
    material: Array
    rest: Array
    normal: Array
    arm_m: Array
    arm: Array
    leg: Array
    lips: Array

    def subset(self, chosen: Array) -> Surface:
        """The pixels `chosen`, a (N,) bool or an (n,) array of indices."""
        return Surface(*(getattr(self, field.name)[chosen] for field in fields(self)))


def project(points: Array, framing: Framing) -> Array:
    """(V, 3) metres to (V, 3) float32: x px, y px, depth m (growing away from the camera)."""
    scale = framing.px_per_mm * 1000
    x, y = framing.origin_x_px + points[:, 0] * scale, framing.origin_y_px - points[:, 2] * scale
    return np.stack([x, y, points[:, 1]], 1).astype(np.float32)


def draw(pack: BodyPack, m: BodyMap, posed: Array, layers: list[Layer], framing: Framing) -> tuple[Surface, Array]:
    """Rasterises all layers over posed vertices (V, 3).

    Returns:
        the covered pixels, and (H, W) float32 depth in metres (1e9 where nothing is).
    """
    count = len(posed)
    skin_normals = vertex_normals(posed, pack.faces["body"])
    points, normals = [], []
    for layer in layers:
        on_skin = layer.material in (SKIN, SHOES)
        own = skin_normals if on_skin else vertex_normals(posed, layer.triangles)
        points.append(project(posed + own * layer.inflate_m[:, None], framing))
        normals.append(own)
    triangles = np.concatenate([layer.triangles + number * count for number, layer in enumerate(layers)])
    material = np.concatenate([np.full(len(layer.triangles), layer.material, np.int8) for layer in layers])
    keep = np.concatenate([layer.keep for layer in layers])
    index, weights, depth = rasterise(np.concatenate(points), triangles, keep, framing.width_px, framing.height_px)
    rows, columns = np.nonzero(index >= 0)
    hit = index[rows, columns]
    corners, bary = triangles[hit], weights[rows, columns]
    local = corners % count

    def at(values: Array) -> Array:
        interpolated: Array = np.einsum("nk,nk...->n...", bary, values[local])
        return interpolated

    normal = np.einsum("nk,nkd->nd", bary, np.concatenate(normals)[corners])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    normal = np.where(normal[:, 1:2] > 0, -normal, normal)  # the inside of a hem faces the camera too
    surface = Surface(
        rows=rows, columns=columns, material=material[hit], rest=at(m.rest.vertices), normal=normal,
        arm_m=at(m.arm_m), arm=at(m.arm), leg=at(m.leg), lips=at(pack.lips),
    )  # fmt: skip
    return surface, depth
