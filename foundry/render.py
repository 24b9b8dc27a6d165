"""Renders a scene to a picture with its whole truth: joints, masks, depth, normals, attributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from foundry import backdrop
from foundry.body import BodyPack, pose_body, rotation
from foundry.garments import LOWER, UPPER, BodyMap, hair_layer, map_body, outfit_layers
from foundry.scene import Scene
from foundry.shade import RIGHT_EYE, shade
from foundry.surface import Surface, draw, project
from studio.records.attributes import FigureAttributes
from studio.records.pose import Framing, Joint, Pose

Array = npt.NDArray[Any]
SUPERSAMPLING = 2
OCCLUSION_M = np.array([90, 110, 110, 80, 70, 110, 80, 70, 170, 110, 80, 170, 110, 80, 45, 45, 90, 90]) / 1000
"""How far under the surface a visible joint may lie (a hip lies deep, an eye does not)."""
FACE_JOINTS = (0, 14, 15, 16, 17)
STOOL = (96.0, 74.0, 56.0)
Paint = Callable[[Scene, BodyMap, Surface, Array], Array]
"""Colours every covered pixel; see `foundry.shade.shade`."""


@dataclass(frozen=True)
class Render:
    """A picture and its truth.

    Attributes:
        image: (H, W, 3) uint8 sRGB.
        joints_mm: (18, 2) x and y in the picture plane; see `studio.records.pose.Joint`.
        joints_px: (18, 2).
        visible: (18,) bool, unoccluded in the picture.
        figure_mask, garment_mask: (H, W) uint8, 0..255; the garment is top, trousers, skirt or dress.
        upper_mask: (H, W) uint8, the top or dress alone.
        depth_mm: (H, W) float32 from the figure's axis towards the camera; NaN on the background.
        normals: (H, W, 3) float32 unit, camera frame (x right, y down, z into the picture).
    """

    image: Array
    joints_mm: Array
    joints_px: Array
    visible: Array
    figure_mask: Array
    garment_mask: Array
    upper_mask: Array
    depth_mm: Array
    normals: Array
    attributes: FigureAttributes
    framing: Framing

    def pose(self, name: str = "render") -> Pose:
        """The picture's pose as a record; face joints that the camera cannot see are left out of the map."""
        seen = [bool(self.visible[i] or i not in FACE_JOINTS) for i in range(len(self.visible))]
        joints = tuple(
            Joint(x_mm=round(float(x), 1), y_mm=round(float(y), 1), present=present)
            for (x, y), present in zip(self.joints_mm, seen, strict=True)
        )
        height, a = float(self.joints_mm[:, 1].max()), self.attributes
        return Pose(name=name, joints=joints, figure_height_mm=max(height, 600.0), view=a.view, action=a.action)


def render(pack: BodyPack, scene: Scene, framing: Framing | None = None, paint: Paint = shade) -> Render:
    """Draws a scene at any resolution. Twofold supersampled.

    Args:
        paint: a person with marks of her own is painted by more than `shade`.
    """
    framing = framing or Framing()
    fine = framing.scaled(SUPERSAMPLING)
    rest = pack.body(scene.body_index, scene.height_m)
    body_map = map_body(pack, rest)
    posed = pose_body(pack, rest, scene.pose) @ rotation("z", scene.yaw_degrees).T.astype(np.float32)
    rest_joints = pack.joints(rest.vertices)
    layers = [
        *outfit_layers(pack, body_map, scene.attributes.garment, scene.lengths),
        hair_layer(pack, body_map, float(rest_joints[RIGHT_EYE, 2]), scene.attributes.hair == "long"),
    ]
    surface, depth = draw(pack, body_map, posed, layers, fine)
    colours = paint(scene, body_map, surface, rest_joints)
    return _compose(scene, framing, surface, depth, colours, pack.joints(posed))


def _compose(scene: Scene, framing: Framing, s: Surface, depth: Array, colours: Array, joints: Array) -> Render:
    """Puts the lit figure before its background, and gathers the truth; `joints` (18, 3) in metres."""
    mask = _paint(depth.shape, s, np.ones(len(s.rows), np.float32))
    figure_share = _shrink(mask)
    background = _background(scene, framing, figure_share, joints)
    figure = _paint((*depth.shape, 3), s, colours)
    image = _shrink(figure) + background * (1 - figure_share[..., None])
    cloth = np.isin(s.material, (UPPER, LOWER))
    normals = _paint((*depth.shape, 3), s, s.normal[:, [0, 2, 1]] * (1, -1, 1))
    depth_mm = np.where(depth < 1e8, -depth * 1000, np.nan).astype(np.float32)
    return Render(
        image=np.round(np.clip(image, 0, 255)).astype(np.uint8),
        joints_mm=np.stack([joints[:, 0], joints[:, 2]], 1) * 1000,
        joints_px=project(joints, framing)[:, :2],
        visible=_visible(joints, project(joints, framing.scaled(SUPERSAMPLING)), depth),
        figure_mask=np.round(figure_share * 255).astype(np.uint8),
        garment_mask=_mask_of(s, cloth, depth.shape),
        upper_mask=_mask_of(s, s.material == UPPER, depth.shape),
        depth_mm=depth_mm[::SUPERSAMPLING, ::SUPERSAMPLING],
        normals=normals[::SUPERSAMPLING, ::SUPERSAMPLING],
        attributes=scene.attributes,
        framing=framing,
    )


def _background(scene: Scene, framing: Framing, figure_share: Array, joints: Array) -> Array:
    """(H, W, 3) what stands behind the figure, with its shadow on it."""
    rng, floor_px = np.random.default_rng(scene.background_seed), framing.origin_y_px
    background = backdrop.paint(rng, scene.attributes.background, framing.width_px, framing.height_px, floor_px)
    if scene.attributes.action == "sitting":
        background = _stool(background, framing, joints)
    return backdrop.throw_shadow(background, figure_share, floor_px, scene.key_side)


def _paint(shape: tuple[int, ...], s: Surface, values: Array) -> Array:
    canvas = np.zeros(shape, np.float32)
    canvas[s.rows, s.columns] = values
    return canvas


def _mask_of(s: Surface, chosen: Array, shape: tuple[int, ...]) -> Array:
    return np.round(_shrink(_paint(shape, s, chosen * np.float32(255)))).astype(np.uint8)


def _shrink(image: Array) -> Array:
    """The mean of every block of fine pixels."""
    steps = range(SUPERSAMPLING)
    first, *others = (image[i::SUPERSAMPLING, j::SUPERSAMPLING] for i in steps for j in steps)
    mean: Array = sum(others, first) / SUPERSAMPLING**2
    return mean


def _visible(joints: Array, px: Array, depth: Array) -> Array:
    """(18,) bool: whether a joint lies inside the picture and not far under the nearest surface."""
    height, width = depth.shape
    columns, rows = px[:, 0].astype(int), px[:, 1].astype(int)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    surface = depth[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    visible: Array = inside & (joints[:, 1] - surface < OCCLUSION_M)
    return visible


def _stool(background: Array, framing: Framing, joints: Array) -> Array:
    """A round stool under a seated figure, painted behind it."""
    seat_m = float((joints[8, 2] + joints[11, 2]) / 2) - 0.10
    scale = framing.px_per_mm * 1000
    centre, top = framing.origin_x_px, framing.origin_y_px - seat_m * scale
    canvas = background.astype(np.float32).copy()
    half, thick, floor = round(0.19 * scale), max(1, round(0.028 * scale)), round(framing.origin_y_px - 0.012 * scale)
    for offset in (-0.8, 0.8):
        head, foot = round(centre + half * offset * 0.8), round(centre + half * offset * 1.15)
        cv2.line(canvas, (head, round(top)), (foot, floor), STOOL, thick, cv2.LINE_AA)
    corners = (round(centre - half), round(top)), (round(centre + half), round(top + 0.045 * scale))
    cv2.rectangle(canvas, *corners, STOOL, -1)
    return canvas
