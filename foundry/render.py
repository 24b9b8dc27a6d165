"""Renders a scene to a picture with its whole truth: joints, masks, depth, normals, attributes, caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from foundry import backdrop, garments
from foundry.body import BodyPack, pose_body, rotation
from foundry.fabrics import FABRICS, seigaiha
from foundry.garments import BodyMap, Layer, hair_layer, map_body, outfit_layers
from foundry.raster import rasterise, vertex_normals
from foundry.scene import GREYING, Cloth, Scene
from studio.records.attributes import FigureAttributes
from studio.records.pose import Framing, Joint, Pose

Array = npt.NDArray[Any]
SUPERSAMPLING = 2
OCCLUSION_M = np.array([90, 110, 110, 80, 70, 110, 80, 70, 170, 110, 80, 170, 110, 80, 45, 45, 90, 90]) / 1000
"""How far under the surface a visible joint may lie (a hip lies deep, an eye does not)."""
FACE_JOINTS = (0, 14, 15, 16, 17)


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
        joints = tuple(
            Joint(x_mm=round(float(x), 1), y_mm=round(float(y), 1), present=bool(self.visible[i] or i not in FACE_JOINTS))
            for i, (x, y) in enumerate(self.joints_mm)
        )
        height = float(self.joints_mm[:, 1].max())
        return Pose(name=name, joints=joints, figure_height_mm=max(height, 600.0), view=self.attributes.view, action=self.attributes.action)


@dataclass(frozen=True)
class _Surface:
    """What the rasteriser saw at every covered pixel, N pixels in all."""

    rows: Array
    columns: Array
    material: Array
    rest: Array
    normal: Array
    arm_m: Array
    arm: Array
    leg: Array
    lips: Array


def render(pack: BodyPack, scene: Scene, framing: Framing | None = None) -> Render:
    """Draws a scene at any resolution. Twofold supersampled."""
    framing = framing or Framing()
    fine = framing.scaled(SUPERSAMPLING)
    rest = pack.body(scene.body_index, scene.height_m)
    body_map = map_body(pack, rest)
    posed = pose_body(pack, rest, scene.pose) @ rotation("z", scene.yaw_degrees).T.astype(np.float32)
    joints = pack.joints(posed)
    eye_z = float(pack.joints(rest.vertices)[14, 2])
    layers = [
        *outfit_layers(pack, body_map, scene.attributes.garment, scene.lengths),
        hair_layer(pack, body_map, eye_z, scene.attributes.hair == "long"),
    ]
    surface, depth = _draw(pack, body_map, posed, layers, fine)
    colours = _shade(scene, body_map, surface, eye_z, joints, rest, pack)
    return _compose(scene, framing, fine, surface, depth, colours, joints)


def _project(points: Array, framing: Framing) -> Array:
    """(V, 3) metres to x px, y px, depth m (growing away from the camera)."""
    scale = framing.px_per_mm * 1000
    return np.stack(
        [framing.origin_x_px + points[:, 0] * scale, framing.origin_y_px - points[:, 2] * scale, points[:, 1]], 1
    ).astype(np.float32)


def _draw(pack: BodyPack, m: BodyMap, posed: Array, layers: list[Layer], fine: Framing) -> tuple[_Surface, Array]:
    count = len(posed)
    skin_normals = vertex_normals(posed, pack.faces["body"])
    points, triangles, keep, normals, material = [], [], [], [], []
    for number, layer in enumerate(layers):
        own = skin_normals if layer.material in (garments.SKIN, garments.SHOES) else vertex_normals(posed, layer.triangles)
        points.append(_project(posed + own * layer.inflate_m[:, None], fine))
        triangles.append(layer.triangles + number * count)
        keep.append(layer.keep)
        normals.append(own)
        material.append(np.full(len(layer.triangles), layer.material, np.int8))
    all_triangles = np.concatenate(triangles)
    index, weights, depth = rasterise(
        np.concatenate(points), all_triangles, np.concatenate(keep), fine.width_px, fine.height_px
    )
    rows, columns = np.nonzero(index >= 0)
    hit = index[rows, columns]
    corners, bary = all_triangles[hit], weights[rows, columns]
    local = corners % count

    def at(values: Array) -> Array:
        picked = values[local]
        return np.einsum("nk,nk...->n...", bary, picked)

    normal = np.einsum("nk,nkd->nd", bary, np.concatenate(normals)[corners])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    normal = np.where(normal[:, 1:2] > 0, -normal, normal)  # the inside of a hem faces the camera too
    surface = _Surface(
        rows, columns, np.concatenate(material)[hit], at(m.rest.vertices), normal, at(m.arm_m), at(m.arm), at(m.leg), at(pack.lips)
    )  # fmt: skip
    return surface, depth


def _cloth_colour(s: _Surface, m: BodyMap, cloth: Cloth, chosen: Array, skirt: bool) -> Array:
    """(n, 3) colour of the pixels `chosen`, printed along the trunk, the arms and the legs."""
    rest, arm = s.rest[chosen], s.arm[chosen] > 0.5
    u = np.arctan2(rest[:, 0], m.neck_y - rest[:, 1]) * (165 if skirt else 140)
    v = rest[:, 2] * 1000
    if not skirt:
        leg = (s.leg[chosen] > 0.5) & (rest[:, 2] < m.waist_z - 0.12)
        centre = np.sign(rest[:, 0]) * 0.115
        u = np.where(leg, np.arctan2(rest[:, 0] - centre, -rest[:, 1]) * 85, u)
    for side, sign in (("L", 1), ("R", -1)):
        mine = arm & (rest[:, 0] * sign > 0)
        axis = m.elbow[side] - m.shoulder[side]
        axis = axis / np.linalg.norm(axis)
        away = rest - m.shoulder[side]
        away = away - np.outer(away @ axis, axis)
        u = np.where(mine, np.arctan2(away[:, 1], away[:, 2]) * 55, u)
    v = np.where(arm, s.arm_m[chosen] * 1000 + 20, v)
    pattern = seigaiha if cloth.fabric == "seigaiha" else FABRICS[cloth.fabric]
    share, bright = pattern(u, v, cloth.scale)
    return (cloth.colour + (cloth.second - cloth.colour) * share[:, None]) * bright[:, None]


def _face(scene: Scene, s: _Surface, pack: BodyPack, rest_joints: Array, colour: Array) -> Array:
    """Brows, lips, cheeks and the lines of age, painted on the skin in rest coordinates."""
    a, p = scene.attributes, s.rest
    front = p[:, 1] < rest_joints[0, 1] + 0.075
    brow_tone = scene.hair * 0.55 + scene.skin * 0.12
    for eye in (rest_joints[14], rest_joints[15]):
        dx, dz = np.abs(p[:, 0] - eye[0]), p[:, 2] - eye[2]
        brow = front * np.exp(-((dx / 0.017) ** 4) - ((dz - 0.021) / 0.0055) ** 2)
        socket = front * np.exp(-((dx / 0.022) ** 4) - (dz / 0.012) ** 4)
        colour = colour * (1 - 0.22 * socket[:, None])
        colour += (brow_tone - colour) * (0.85 * brow)[:, None]
    lips = np.clip(s.lips, 0, 1) * front
    lip_tone = scene.skin * np.array((0.86, 0.58, 0.60)) if a.gender == "woman" else scene.skin * np.array((0.86, 0.68, 0.66))
    colour += (lip_tone - colour) * (0.85 * lips)[:, None]
    lines = {"20s": 0.0, "30s": 0.0, "40s": 0.10, "50s": 0.20, "60s": 0.32}[a.age_group]
    nose = rest_joints[0]
    crease = front * np.exp(-(((np.abs(p[:, 0]) - 0.027 - 0.35 * (nose[2] - p[:, 2])) / 0.006) ** 2)) * (p[:, 2] < nose[2]) * (
        p[:, 2] > nose[2] - 0.06
    )
    brow_lines = front * (p[:, 2] > rest_joints[14, 2] + 0.035) * (0.5 + 0.5 * np.cos((p[:, 2] - nose[2]) * 500))
    return colour * (1 - lines * np.clip(crease + 0.5 * brow_lines, 0, 1))[:, None]


def _eyes(s: _Surface, rest_joints: Array, chosen: Array) -> Array:
    """White with a dark iris."""
    p = s.rest[chosen]
    nearest = np.min([np.hypot(p[:, 0] - e[0], p[:, 2] - e[2]) for e in (rest_joints[14], rest_joints[15])], axis=0)
    iris = 1 / (1 + np.exp((nearest - 0.0068) * 1500))
    return np.array((232, 230, 226.0)) + (np.array((44, 30, 24.0)) - np.array((232, 230, 226.0))) * iris[:, None]


def _shade(scene: Scene, m: BodyMap, s: _Surface, eye_z: float, joints: Array, rest: Any, pack: BodyPack) -> Array:
    """(N, 3) lit colour of every covered pixel."""
    colour = np.tile(scene.skin, (len(s.rows), 1)).astype(np.float64)
    rest_joints = pack.joints(rest.vertices)
    skin = s.material == garments.SKIN
    colour[skin] = _face(scene, _subset(s, skin), pack, rest_joints, colour[skin])
    eyes = np.flatnonzero(s.material == garments.EYES)
    colour[eyes] = _eyes(s, rest_joints, eyes)
    colour[s.material == garments.SHOES] = scene.shoes
    hair = s.material == garments.HAIR
    top = 1 - np.clip((s.rest[hair][:, 2] - (eye_z - 0.05)) / 0.14, 0, 1)
    grey = np.clip(GREYING[scene.attributes.age_group] * 1.6 * top + 0.4 * GREYING[scene.attributes.age_group] - 0.15, 0, 0.9)
    strand = 1 + 0.10 * np.sin(np.arctan2(s.rest[hair][:, 0], s.rest[hair][:, 1] + 0.02) * 34)
    colour[hair] = (scene.hair + (np.array((186, 186, 188.0)) - scene.hair) * grey[:, None]) * strand[:, None]
    dress = scene.attributes.garment == "dress"
    for material, cloth in ((garments.UPPER, scene.upper), (garments.LOWER, scene.lower)):
        chosen = np.flatnonzero(s.material == material)
        if not len(chosen):
            continue
        below = s.rest[chosen][:, 2] < m.waist_z
        skirt = (dress & below) if material == garments.UPPER else np.full(len(chosen), scene.attributes.garment == "skirt")
        for part in (True, False):
            some = chosen[skirt == part]
            if len(some):
                colour[some] = _cloth_colour(s, m, cloth, some, part)
        if scene.contrast_band is not None and material == garments.UPPER:
            band = np.abs(s.rest[chosen][:, 2] - m.waist_z - 0.01) < 0.03
            colour[chosen[band & (s.arm[chosen] < 0.5)]] = scene.contrast_band
    return _light(scene, s, colour)


def _subset(s: _Surface, chosen: Array) -> _Surface:
    return _Surface(*(getattr(s, name)[chosen] for name in _Surface.__dataclass_fields__))


def _light(scene: Scene, s: _Surface, colour: Array) -> Array:
    """One key light from a side, a broad fill from the camera, a little from above."""
    key = np.array((scene.key_side, -0.72, 0.5))
    key /= np.linalg.norm(key)
    diffuse = np.clip(s.normal @ key, 0, 1) * 0.75 + 0.25 * np.clip(s.normal @ key * 0.5 + 0.5, 0, 1)
    fill = np.clip(-s.normal[:, 1], 0, 1)
    light = 0.46 + scene.key_strength * diffuse + 0.16 * fill + 0.05 * s.normal[:, 2]
    return np.clip(colour * light[:, None], 0, 255)


def _compose(scene: Scene, framing: Framing, fine: Framing, s: _Surface, depth: Array, colours: Array, joints: Array) -> Render:
    mask = np.zeros((fine.height_px, fine.width_px), np.float32)
    mask[s.rows, s.columns] = 1
    rng = np.random.default_rng(scene.background_seed)
    background = backdrop.paint(rng, scene.attributes.background, framing.width_px, framing.height_px, framing.origin_y_px)
    small = _shrink(mask)
    if scene.attributes.action == "sitting":
        background = _stool(background, framing, joints)
    background = backdrop.throw_shadow(background, small, framing.origin_y_px, scene.key_side)
    figure = np.zeros((*mask.shape, 3), np.float32)
    figure[s.rows, s.columns] = colours
    image = _shrink(figure) + background * (1 - small[..., None])
    cloth = np.isin(s.material, (garments.UPPER, garments.LOWER))
    px = _project(joints, framing)
    normals = np.zeros((*mask.shape, 3), np.float32)
    normals[s.rows, s.columns] = s.normal[:, [0, 2, 1]] * (1, -1, 1)
    depth_mm = np.where(depth < 1e8, -depth * 1000, np.nan).astype(np.float32)[::SUPERSAMPLING, ::SUPERSAMPLING]
    return Render(
        image=np.round(np.clip(image, 0, 255)).astype(np.uint8),
        joints_mm=np.stack([joints[:, 0], joints[:, 2]], 1) * 1000,
        joints_px=px[:, :2],
        visible=_visible(joints, _project(joints, fine), depth),
        figure_mask=np.round(small * 255).astype(np.uint8),
        garment_mask=_mask_of(s, cloth, mask.shape),
        upper_mask=_mask_of(s, s.material == garments.UPPER, mask.shape),
        depth_mm=depth_mm,
        normals=normals[::SUPERSAMPLING, ::SUPERSAMPLING],
        attributes=scene.attributes,
        framing=framing,
    )


def _shrink(image: Array) -> Array:
    parts = [image[i::SUPERSAMPLING, j::SUPERSAMPLING] for i in range(SUPERSAMPLING) for j in range(SUPERSAMPLING)]
    return sum(parts) / len(parts)


def _mask_of(s: _Surface, chosen: Array, shape: tuple[int, ...]) -> Array:
    mask = np.zeros(shape, np.float32)
    mask[s.rows[chosen], s.columns[chosen]] = 255
    return np.round(_shrink(mask)).astype(np.uint8)


def _visible(joints: Array, px: Array, depth: Array) -> Array:
    height, width = depth.shape
    columns, rows = px[:, 0].astype(int), px[:, 1].astype(int)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    surface = depth[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return inside & (joints[:, 1] - surface < OCCLUSION_M)


def _stool(background: Array, framing: Framing, joints: Array) -> Array:
    """A round stool under a seated figure, painted behind it."""
    seat_m = float((joints[8, 2] + joints[11, 2]) / 2) - 0.10
    scale = framing.px_per_mm * 1000
    centre, top = framing.origin_x_px, framing.origin_y_px - seat_m * scale
    canvas = background.astype(np.float32).copy()
    wood = (96.0, 74.0, 56.0)
    half = round(0.19 * scale)
    for offset in (-0.8, 0.8):
        foot = (round(centre + half * offset * 1.15), round(framing.origin_y_px - 0.012 * scale))
        cv2.line(canvas, (round(centre + half * offset * 0.8), round(top)), foot, wood, max(1, round(0.028 * scale)), cv2.LINE_AA)
    cv2.rectangle(canvas, (round(centre - half), round(top)), (round(centre + half), round(top + 0.045 * scale)), wood, -1)
    return canvas
