"""Reads the header of a safetensors file with our own code, before any library sees the file.

Layout (huggingface/safetensors README, "Format"): 8 bytes little-endian length N of the header, N bytes of JSON
`{"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {str: str}}`, then the tensors' bytes.
Offsets count from the end of the header; the tensors fill the rest of the file without a hole or an overlap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

from studio.errors import GateError

MAX_HEADER_BYTES = 10 * 2**20
"""SDXL's UNet needs 0.2 MB and a LoRA with a trainer's whole tag statistics about 2 MB; the library allows 100 MB."""
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 8
DTYPE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: `begin` and `end` are byte offsets after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What the header says. `data_start` is the offset of the tensors' bytes in the file."""

    tensors: tuple[TensorEntry, ...]
    metadata: dict[str, str]
    data_start: int


def read_header(stream: BinaryIO, file_bytes: int, file_name: str) -> Header:
    """The header at the start of `stream`.

    Raises:
        GateError: no safetensors file, or one whose header is too long, malformed, or at odds with the file's size.
    """
    if file_bytes < 10:
        raise _refused(file_name, "is too short to be a safetensors file")
    length = int.from_bytes(stream.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise _refused(
            file_name, f"is no safetensors file, or its header is over {MAX_HEADER_BYTES} bytes (it claims {length})"
        )
    if length > file_bytes - 8:
        raise _refused(file_name, f"is cut off: its header claims {length} bytes and the file has {file_bytes}")
    values = _parse_json(stream.read(length), file_name)
    metadata = _metadata(values.pop("__metadata__", {}), file_name)
    if not values:
        raise _refused(file_name, "holds no tensors")
    if len(values) > MAX_TENSORS:
        raise _refused(file_name, f"names {len(values)} tensors; at most {MAX_TENSORS} are read")
    tensors = tuple(sorted((_entry(name, v, file_name) for name, v in values.items()), key=lambda t: (t.begin, t.end)))
    _check_layout(tensors, file_bytes - 8 - length, file_name)
    return Header(tensors, metadata, 8 + length)


def _parse_json(raw: bytes, file_name: str) -> dict[str, Any]:
    if not raw.startswith(b"{"):
        raise _refused(file_name, "is no safetensors file: its header does not start with {")
    try:
        values = json.loads(raw.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise _refused(file_name, f"has a header that cannot be read ({type(error).__name__}: {error})") from error
    if not isinstance(values, dict):
        raise _refused(file_name, "has a header that is no JSON object")
    return values


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the name {key[:80]!r} stands twice")
        values[key] = value
    return values


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _metadata(values: object, file_name: str) -> dict[str, str]:
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise _refused(file_name, "has metadata that is no map of text to text")
    return dict(values)


def _entry(name: str, value: object, file_name: str) -> TensorEntry:
    where = f"tensor {name[:80]!r}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _refused(file_name, f"describes {where} by something other than dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise _refused(file_name, f"gives {where} the unknown dtype {str(dtype)[:40]!r}")
    if not _whole_numbers(shape) or len(shape) > MAX_DIMENSIONS:
        raise _refused(file_name, f"gives {where} an impossible shape")
    if not _whole_numbers(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _refused(file_name, f"gives {where} impossible offsets")
    entry = TensorEntry(name, dtype, tuple(shape), offsets[0], offsets[1])
    if entry.elements * DTYPE_BYTES[dtype] != entry.end - entry.begin:
        raise _refused(file_name, f"gives {where} bytes that its shape and dtype do not fill")
    return entry


def _whole_numbers(values: object) -> bool:
    """Whether it is a list of whole numbers from 0; `True` is an int in Python and 2**63 does not fit a file."""
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**63 for v in values)


def _check_layout(tensors: tuple[TensorEntry, ...], data_bytes: int, file_name: str) -> None:
    """Every byte after the header belongs to exactly one tensor."""
    reached = 0
    for tensor in tensors:
        where = f"tensor {tensor.name[:80]!r}"
        if tensor.end > data_bytes:
            raise _refused(file_name, f"has {where} end at byte {tensor.end} of {data_bytes}: out of the file's bounds")
        if tensor.begin < reached:
            raise _refused(file_name, f"has {where} overlap the tensor before it")
        if tensor.begin > reached:
            raise _refused(file_name, f"has {tensor.begin - reached} bytes before {where} that belong to no tensor")
        reached = tensor.end
    if reached != data_bytes:
        raise _refused(file_name, f"has {data_bytes - reached} bytes at its end that belong to no tensor")


def _refused(file_name: str, what: str) -> GateError:
    return GateError(f"{file_name} {what}.", "Get the file again from its source, in safetensors format.")
