"""ONNX models made by hand, with the inputs and outputs of real ones and answers that are known, and the way to install
them as a pull would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from studio.records.pullable import Manifest, PulledFile
from studio.settings import Settings
from studio.shelf import MANIFEST

Floats = NDArray[np.float32]


def save(path: Path, nodes: list[Any], ins: dict[str, Sequence[Any]], outs: dict[str, Sequence[Any]],
         stored: dict[str, Floats], **more: Any) -> Path:  # fmt: skip
    """A model of float32 tensors: name -> shape of inputs and outputs, name -> values of what is stored."""
    graph = helper.make_graph(
        nodes, "made-by-hand",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ins.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outs.items()],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )  # fmt: skip
    opsets = more.pop("opset_imports", [helper.make_opsetid("", 13)])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8, **more), str(path))
    return path


def constant(path: Path, shape: Sequence[Any], answers: dict[str, Floats]) -> Path:
    """A model that gives the same answers whatever picture it is given."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        *(helper.make_node("Add", [f"{name}_kept", "nothing"], [name]) for name in answers),
    ]
    kept = {f"{name}_kept": value for name, value in answers.items()} | {"zero": np.zeros((), np.float32)}
    return save(path, nodes, {"input": shape}, {name: value.shape for name, value in answers.items()}, kept)


def rtmpose(path: Path, places: Sequence[tuple[float, float]], scores: Sequence[float]) -> Path:
    """SimCC scores of a 256x192 model with a peak for each joint at its place (x, y) in px of the crop."""
    across, down = np.zeros((1, len(places), 384), np.float32), np.zeros((1, len(places), 512), np.float32)
    for joint, ((x, y), score) in enumerate(zip(places, scores, strict=True)):
        across[0, joint, round(x * 2)] = score
        down[0, joint, round(y * 2)] = score + 0.05
    return constant(path, [1, 3, 256, 192], {"simcc_x": across, "simcc_y": down})


def rtmpose_that_looks(path: Path) -> Path:
    """A model that truly looks: joints 0 to 5 are at the reddest place, 6 to 11 at the greenest, the rest at the
    bluest.
    """
    weights = np.zeros((17, 3, 1, 1), np.float32)
    for joint in range(17):
        weights[joint, :, 0, 0] = np.where(np.arange(3) == min(joint // 6, 2), 0.4, -0.2)
    nodes = [
        helper.make_node("Conv", ["input", "weights"], ["scores"]),
        helper.make_node("ReduceMax", ["scores"], ["simcc_x"], axes=[2], keepdims=0),
        helper.make_node("ReduceMax", ["scores"], ["simcc_y"], axes=[3], keepdims=0),
    ]
    outs = {"simcc_x": [1, 17, 192], "simcc_y": [1, 17, 256]}
    return save(path, nodes, {"input": [1, 3, 256, 192]}, outs, {"weights": weights})


def yolox(path: Path, people: Sequence[tuple[int, int, int, float]]) -> Path:
    """YOLOX's raw output with a person of 5 by 10 cells in the middle of (stride, row, column) with that score."""
    found = np.zeros((1, 8400, 85), np.float32)
    start = {8: 0, 16: 6400, 32: 8000}
    for stride, row, column, score in people:
        cell = start[stride] + row * (640 // stride) + column
        found[0, cell, :6] = [0.5, 0.5, np.log(5), np.log(10), 1.0, score]
    return constant(path, [1, 3, 640, 640], {"output": found})


FACE_KPS = (-0.5, -0.5, 0.5, -0.5, 0.0, 0.0, -0.4, 0.6, 0.4, 0.6)
"""Eyes, nose and corners of the mouth beside the middle of a face, in cells."""


def yunet(path: Path, cells: Sequence[tuple[int, int]]) -> Path:
    """YuNet's outputs with a face of 3 by 3 cells at each (row, column) of the grid of stride 16."""
    answers: dict[str, Floats] = {}
    for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            answers[f"{kind}_{stride}"] = np.zeros((1, (640 // stride) ** 2, width), np.float32)
    for row, column in cells:
        cell = row * 40 + column
        answers["cls_16"][0, cell] = answers["obj_16"][0, cell] = 0.95
        answers["bbox_16"][0, cell] = [0.0, 0.0, np.log(3), np.log(3)]
        answers["kps_16"][0, cell] = FACE_KPS
    return constant(path, [1, 3, 640, 640], answers)


def embedder(path: Path, length: int, name: str) -> Path:
    """A random linear map of a 112x112 face to a vector: alike for alike faces and nothing else."""
    weights = np.random.default_rng(0).normal(size=(length, 3, 14, 14)).astype(np.float32) * 0.01
    nodes = [
        helper.make_node("AveragePool", [name], ["small"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["small", "weights"], ["vector"]),
        helper.make_node("Flatten", ["vector"], ["fc1"]),
    ]
    return save(path, nodes, {name: [1, 3, 112, 112]}, {"fc1": [1, length]}, {"weights": weights})


def scrfd(path: Path, row: int, column: int) -> Path:
    """The outputs of insightface's detector with one face of 4 by 4 cells at (row, column) of the grid of stride 16."""
    answers: dict[str, Floats] = {}
    for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            answers[f"{kind}_{stride}"] = np.zeros(((640 // stride) ** 2 * 2, width), np.float32)
    cell = (row * 40 + column) * 2
    answers["score_16"][cell] = 0.9
    answers["bbox_16"][cell] = 2.0
    answers["kps_16"][cell] = FACE_KPS
    return constant(path, [1, 3, 640, 640], answers)


def install(settings: Settings, name: str, *files: Path) -> Path:
    """Puts files where a pull puts them, with the manifest that it writes. Returns the folder."""
    folder = settings.models_dir / "annotator" / name
    folder.mkdir(parents=True)
    pulled = []
    for file in files:
        data = file.read_bytes()
        (folder / file.name).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        pulled.append(
            PulledFile(
                path=file.name, size_bytes=len(data), sha256=sha256, repo="made/here", commit="", source_path=file.name
            )
        )
    manifest = Manifest(
        name=name, kind="annotator", source="made here", pulled_at=datetime(2026, 1, 1, tzinfo=UTC), files=tuple(pulled)
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return folder
