"""The gate for ONNX files: which ones a runtime may open, decided before a runtime sees them.

An ONNX file is a graph, not a program, but what it names is run by native code: operators from libraries beside it,
tensors in any file that it points to, compiled parts. So a file passes only by its sha256, and only when it holds all
of its numbers itself and uses nothing but the operators of the standard and those that onnxruntime ships.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import GateError
from studio.models.gate import open_plain

if TYPE_CHECKING:
    import onnx

MAX_ONNX_BYTES = 2**31 - 1
"""What a protobuf message can hold; larger models keep their numbers in other files and are refused for that."""
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operator domains that onnxruntime resolves by itself; the last are its own (fused and quantised operators)."""
REFUSED_OPERATORS = frozenset({"EPContext", "PythonOp", "PythonOpGrad", "ATen"})
"""Of com.microsoft: a compiled part in a file beside the model, and calls into Python or torch."""
PICKLES = frozenset({".pth", ".pt", ".ckpt", ".bin", ".pkl", ".pickle", ".t7"})
"""Suffixes under which annotators' weights are spread as pickles."""
CHUNK_BYTES = 4 * 2**20


@dataclass(frozen=True)
class OnnxHeader:
    """An ONNX file that passed.

    Attributes:
        opsets: operator domain -> version that the file asks for.
        inputs, outputs: names, in the file's order; weights are no inputs.
    """

    path: Path
    sha256: str
    size_bytes: int
    opsets: dict[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def check_onnx(path: Path, *, allow: Collection[str] | None) -> OnnxHeader:
    """Read an ONNX file once, in full, and say what it is.

    Args:
        path: the file; its suffix is compared without case.
        allow: the only sha256 digests that may pass; the file is not even parsed otherwise. None lets any digest
            pass and is for the pull, which records it.

    Raises:
        NotFoundError: there is no such file.
        GateError: a pickle, too large, not the file it should be, damaged, or a graph that reaches outside itself.
    """
    _check_name(path)
    data = _read(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if allow is not None and sha256 not in allow:
        raise GateError(
            f"{path.name} is not the file it should be: its sha256 is {sha256}.",
            "Put the original file back, or register this one under its own name.",
        )
    model = _parse(data, path.name)
    refused = sorted(set(_faults(model)))
    if refused:
        raise GateError(
            f"{path.name} was refused: {'; '.join(refused)}.",
            "Export it as one file with standard operators, or get it in that form.",
        )
    stored = {tensor.name for tensor in model.graph.initializer}
    return OnnxHeader(
        path, sha256, len(data), {entry.domain: entry.version for entry in model.opset_import},
        tuple(value.name for value in model.graph.input if value.name not in stored),
        tuple(value.name for value in model.graph.output),
    )  # fmt: skip


def _check_name(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise GateError(
            f"{path.name} is a pickle; such files can run code when they are opened.",
            "Get the model as .onnx or .safetensors.",
        )
    if suffix != ".onnx":
        raise GateError(f"{path.name} is not an .onnx file.", "Get the model in that format.")


def _read(path: Path) -> bytes:
    wanted, smaller = "Give the path of an .onnx file.", "Use a smaller model."
    with open_plain(path, MAX_ONNX_BYTES, wanted=wanted, smaller=smaller) as (stream, _):
        return stream.read(MAX_ONNX_BYTES)


def _parse(data: bytes, name: str) -> onnx.ModelProto:
    """The model's message. `onnx` reads no other file for this: external data is only loaded by path."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise GateError(f"{name} is damaged, or no ONNX file.", "Fetch it again.") from error
    if not model.graph.output or not model.graph.node:
        raise GateError(f"{name} holds no model: its graph computes nothing.", "Fetch it again.")
    return model


def _faults(model: onnx.ModelProto) -> Iterator[str]:
    """In words, everything by which the file reaches outside itself."""
    for entry in model.opset_import:
        if entry.domain not in DOMAINS:
            yield f"it asks for operators of {entry.domain[:80]!r}"
    for function in model.functions:
        yield f"it brings an operator of its own, {function.name[:80]!r}"
    if model.training_info:
        yield "it brings a training graph"
    yield from _graph_faults(model.graph)


def _graph_faults(graph: onnx.GraphProto) -> Iterator[str]:
    sparse = (part for tensor in graph.sparse_initializer for part in (tensor.values, tensor.indices))
    for tensor in (*graph.initializer, *sparse):
        yield from _tensor_faults(tensor)
    for node in graph.node:
        if node.domain not in DOMAINS:
            yield f"it uses {node.op_type[:80]!r} of {node.domain[:80]!r}"
        elif node.op_type in REFUSED_OPERATORS:
            yield f"it uses {node.op_type}, which runs what lies outside the file"
        for attribute in node.attribute:
            yield from _attribute_faults(attribute)


def _attribute_faults(attribute: onnx.AttributeProto) -> Iterator[str]:
    sparse = [*attribute.sparse_tensors, *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else [])]
    tensors = [*attribute.tensors, *([attribute.t] if attribute.HasField("t") else [])]
    for tensor in (*tensors, *(part for item in sparse for part in (item.values, item.indices))):
        yield from _tensor_faults(tensor)
    for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
        yield from _graph_faults(graph)


def _tensor_faults(tensor: onnx.TensorProto) -> Iterator[str]:
    if tensor.external_data or tensor.data_location == tensor.EXTERNAL:
        yield f"it keeps {tensor.name[:80]!r} in another file"
