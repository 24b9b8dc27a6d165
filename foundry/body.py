"""Bodies from the pack: shape, pose by limb directions, linear blend skinning, joints.

Axes in the figure's own frame, in metres: x to the figure's left, y backwards, z up. The camera of the front view
looks along +y, so x grows to the viewer's right.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.body_pack import PACK_PATH

Array = npt.NDArray[Any]

COCO_TO_OPENPOSE = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip


@dataclass(frozen=True)
class RestBody:
    """One body in its rest pose.

    Attributes:
        vertices: (V, 3) metres.
        bone_heads: (B, 3) metres.
        kind: (gender, age group, body).
    """

    vertices: Array
    bone_heads: Array
    kind: tuple[str, str, str]
    index: int


class BodyPack:
    """The exported pack, read once; immutable afterwards."""

    def __init__(self, path: Path = PACK_PATH) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing. Make it with: make body-pack")
        with np.load(path) as pack:
            data = {name: pack[name] for name in pack.files}
        self.mean = (data["mean_um"] / 1e5).astype(np.float32)
        self.basis = data["basis"]
        self.coordinates = data["coordinates"]
        self.kinds = [tuple(map(str, kind)) for kind in data["kinds"]]
        self.skin_bones = data["skin_bones"].astype(np.int64)
        weights = data["skin_weights"].astype(np.float32)
        self.skin_weights = weights / weights.sum(1, keepdims=True)
        self.parents = data["bone_parents"].astype(int)
        self.bones = {str(label): i for i, label in enumerate(data["bone_labels"])}
        self.lips = data["lips"].astype(np.float32)
        self.faces = {name[6:]: data[name].astype(np.int32) for name in data if name.startswith("faces_")}
        self.skin_vertices = np.unique(self.faces["body"])
        regressors = dict(
            zip(map(str, data["keypoint_labels"]), data["keypoint_weights"].astype(np.float32), strict=True)
        )
        neck = (regressors["left_shoulder"] + regressors["right_shoulder"]) / 2
        rows = np.stack([neck if name == "neck" else regressors[name] for name in COCO_TO_OPENPOSE])
        self.joint_columns = np.flatnonzero(rows.any(0))
        self.joint_weights = rows[:, self.joint_columns]

    def body(self, index: int, height_m: float | None = None) -> RestBody:
        """Body number `index`; scaled to `height_m` when given. Its soles stand at z = 0."""
        points = self.mean + np.tensordot(self.coordinates[index], self.basis.astype(np.float32), 1)
        bone_count = len(self.parents)
        vertices, heads = points[:-bone_count], points[-bone_count:]
        floor = vertices[:, 2].min()
        vertices, heads = vertices - (0, 0, floor), heads - (0, 0, floor)
        if height_m is not None:
            scale = height_m / standing_height(vertices[self.skin_vertices])
            vertices, heads = vertices * scale, heads * scale
        gender, age, body = self.kinds[index]
        return RestBody(vertices.astype(np.float32), heads.astype(np.float32), (gender, age, body), index)

    def bone_weight(self, prefixes: tuple[str, ...]) -> Array:
        """(V,) share of every vertex's skin weight on bones whose name starts with one of `prefixes`."""
        chosen = np.array([name.startswith(prefixes) for name in self.bones])
        return (self.skin_weights * chosen[self.skin_bones]).sum(1)

    def joints(self, vertices: Array) -> Array:
        """(18, 3) OpenPose joints of posed vertices."""
        return self.joint_weights @ vertices[self.joint_columns]


def standing_height(skin: Array) -> float:
    """Height in metres from sole to crown of the skin's vertices (S, 3)."""
    return float(np.ptp(skin[:, 2]))


def rotation_between(a: Array, b: Array) -> Array:
    """The smallest rotation that takes direction `a` to direction `b` (Rodrigues)."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis, cosine = np.cross(a, b), float(a @ b)
    if cosine < -0.9999:
        axis = np.cross(a, (1.0, 0.0, 0.0))
        return 2 * np.outer(axis, axis) / (axis @ axis) - np.eye(3)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)


def rotation(axis: str, degrees: float) -> Array:
    """Rotation about a coordinate axis, right-handed."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


@dataclass(frozen=True)
class BodyPose:
    """Directions of the limbs in the figure's frame, turns of the trunk in degrees.

    `limbs` maps the first bone of a limb part to the direction in which that part points.
    """

    limbs: dict[str, Array]
    turns: dict[str, Array]


LIMB_ENDS = {
    "upperarm01": "lowerarm01", "lowerarm01": "wrist", "upperleg01": "lowerleg01", "lowerleg01": "foot",
}  # fmt: skip


def pose_body(pack: BodyPack, rest: RestBody, pose: BodyPose) -> Array:
    """Skinned vertices (V, 3) in metres, soles at z = 0, centred on the mean of the hips."""
    count = len(pack.parents)
    rotations = np.tile(np.eye(3), (count, 1, 1))
    heads = rest.bone_heads.astype(np.float64).copy()
    names = list(pack.bones)
    for bone in range(count):  # parents come before their children
        parent = pack.parents[bone]
        if parent >= 0:
            rotations[bone] = rotations[parent]
            heads[bone] = heads[parent] + rotations[parent] @ (rest.bone_heads[bone] - rest.bone_heads[parent])
        name = names[bone]
        if name in pose.turns:
            rotations[bone] = pose.turns[name] @ rotations[bone]
        if name in pose.limbs:
            stem, side = name.rsplit(".", 1)
            end = pack.bones[f"{LIMB_ENDS[stem]}.{side}"]
            rest_direction = rotations[bone] @ (rest.bone_heads[end] - rest.bone_heads[bone])
            rotations[bone] = rotation_between(rest_direction, pose.limbs[name]) @ rotations[bone]
        if name.startswith("foot."):  # soles stay level while the shin leans
            rotations[bone] = _level(rotations[bone])
    offsets = heads - np.einsum("bij,bj->bi", rotations, rest.bone_heads)
    blended = np.einsum("vk,vkij->vij", pack.skin_weights, rotations.astype(np.float32)[pack.skin_bones])
    moved = np.einsum("vij,vj->vi", blended, rest.vertices)
    moved += np.einsum("vk,vki->vi", pack.skin_weights, offsets.astype(np.float32)[pack.skin_bones])
    joints = pack.joints(moved)
    centre = (joints[8] + joints[11]) / 2
    moved[:, 0] -= centre[0]
    moved[:, 1] -= centre[1]
    moved[:, 2] -= moved[pack.skin_vertices, 2].min()
    return moved


def _level(matrix: Array) -> Array:
    """Half of the way from a foot's inherited rotation back to the floor: heading kept, pitch mostly removed."""
    forward = matrix @ np.array((0.0, -1.0, 0.0))
    flat = np.array((forward[0], forward[1], forward[2] * 0.15))
    return rotation_between(forward, flat) @ matrix
