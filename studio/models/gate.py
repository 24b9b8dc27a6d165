"""The gate: no weights file or model folder reaches a library before it has passed here.

Only safetensors comes in. Pickles are refused, not scanned: scanners have been bypassed, and `weights_only=True` is no
boundary (CVE-2026-24747, CVE-2025-32434). A folder is held against a list of what it may hold, not what it may not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from studio.errors import GateError, NotFoundError
from studio.models.header import Header, TensorEntry, read_header

MAX_WEIGHTS_BYTES = 32 * 2**30
MAX_CONFIG_BYTES = 64 * 2**20
"""Tokenizers are the largest JSON files: T5's has 2.4 MB, a multilingual one 17 MB."""
MAX_FILES = 2000
CHUNK_BYTES = 4 * 2**20
FOLDER_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".md", ".yaml", ".png", ".jpg", ".jpeg", ".webp", ""})
"""What a model folder may hold; the empty suffix is for LICENSE. `.txt` is merges.txt."""
CODE_KEYS = frozenset({"auto_map", "custom_pipeline", "custom_pipelines", "custom_generate", "trust_remote_code"})
"""JSON keys by which transformers and diffusers are told to import code from the folder or the hub."""
LIBRARIES = frozenset({"diffusers", "transformers"})
NOT_FINITE: dict[str, tuple[type[np.unsignedinteger[Any]], int]] = {
    "F64": (np.uint64, 0x7FF0_0000_0000_0000), "F32": (np.uint32, 0x7F80_0000), "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80), "F8_E5M2": (np.uint8, 0x7C), "F8_E4M3": (np.uint8, 0x7F),
}  # fmt: skip
"""dtype -> (integer of its width, bits that are all set exactly in NaN and Inf). E4M3 has no Inf."""


@dataclass(frozen=True)
class WeightsHeader:
    """A weights file that passed: its content address, its tensors, and its metadata."""

    path: Path
    sha256: str
    size_bytes: int
    tensors: tuple[TensorEntry, ...]
    metadata: dict[str, str]

    @property
    def elements(self) -> int:
        """Numbers in all tensors together; times the dtype's width, the memory that they take."""
        return sum(tensor.elements for tensor in self.tensors)


def check_weights(
    path: Path, *, max_bytes: int = MAX_WEIGHTS_BYTES, allow: Collection[str] | None = None
) -> WeightsHeader:
    """Read a weights file once, in full, and say what it is.

    Args:
        path: the file; its suffix is compared without case.
        max_bytes: the largest file that is read at all.
        allow: the only sha256 digests that may pass; None lets any pass, and records its digest.

    Raises:
        NotFoundError: there is no such file.
        GateError: it is not a whole, finite safetensors file, or not one of those allowed.
    """
    if path.suffix.lower() != ".safetensors":
        raise GateError(
            f"{path.name} is not a .safetensors file; such files can run code when they are opened.",
            "Convert it to safetensors where it was made, or get it in that format.",
        )
    wanted = "Give the path of a .safetensors file."
    smaller = "Use a smaller model, or raise the limit if you trust the file."
    with open_plain(path, max_bytes, wanted=wanted, smaller=smaller) as (stream, size):
        header = read_header(stream, size, path.name)
        sha256 = _digest_finite(stream, header, path.name)
    if allow is not None and sha256 not in allow:
        raise GateError(
            f"{path.name} is not the file it should be: its sha256 is {sha256}.",
            "Put the original file back, or register this one under its own name.",
        )
    return WeightsHeader(path, sha256, size, header.tensors, header.metadata)


@contextmanager
def open_plain(path: Path, max_bytes: int, *, wanted: str, smaller: str) -> Iterator[tuple[BinaryIO, int]]:
    """An open regular file and its size in bytes; a device, pipe or folder is refused.

    Args:
        wanted, smaller: the next step where it is no ordinary file, and where it is too large.
    """
    if not path.exists():
        raise NotFoundError(f"There is no file {path}.", "Check the path.")
    if not path.is_file():
        raise GateError(f"{path.name} is no ordinary file.", wanted)
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > max_bytes:
            raise GateError(f"{path.name} has {size} bytes; at most {max_bytes} are read.", smaller)
        yield stream, size


def _digest_finite(stream: BinaryIO, header: Header, file_name: str) -> str:
    """The sha256 of the whole file; looks for NaN and Inf on the way."""
    digest = hashlib.sha256()
    stream.seek(0)
    digest.update(stream.read(header.data_start))
    for tensor in header.tensors:
        for chunk in _chunks(stream, tensor.end - tensor.begin):
            digest.update(chunk)
            if not _finite(chunk, tensor.dtype):
                raise GateError(
                    f"{file_name} holds NaN or infinite numbers in {tensor.name[:80]!r}: it would only draw black.",
                    "Its training has diverged; use an earlier checkpoint.",
                )
    return digest.hexdigest()


def _chunks(stream: BinaryIO, remaining: int) -> Iterator[bytes]:
    while remaining:
        chunk = stream.read(min(CHUNK_BYTES, remaining))
        if not chunk:
            raise GateError("The weights file shrank while it was read.", "Wait until it is written, then try again.")
        remaining -= len(chunk)
        yield chunk


def _finite(chunk: bytes, dtype: str) -> bool:
    if dtype not in NOT_FINITE:
        return True
    kind, mask = NOT_FINITE[dtype]
    bits = np.frombuffer(chunk, kind)
    return not bool(np.any((bits & kind(mask)) == kind(mask)))


def check_model_folder(
    path: Path, *, allow: Collection[str] | None = None, passed: Collection[str] = ()
) -> dict[str, WeightsHeader]:
    """Check every file of a model folder in diffusers layout.

    Args:
        path: the folder.
        allow: the only sha256 digests that weights files may have; None lets any pass.
        passed: relative paths of files of another kind that have passed their own gate.

    Returns:
        Relative path of each weights file -> its header.

    Raises:
        NotFoundError: there is no such folder.
        GateError: names every file that was refused and why.
    """
    if not path.is_dir():
        raise NotFoundError(f"There is no model folder {path}.", "Check the path.")
    headers: dict[str, WeightsHeader] = {}
    refused: list[str] = []
    for number, file in enumerate(_walk(path)):
        name = file.relative_to(path).as_posix()
        if number >= MAX_FILES:
            refused.append(f"more than {MAX_FILES} files")
            break
        try:
            _check_place(file, path, name, any_kind=name in passed)
            if file.suffix.lower() == ".safetensors":
                headers[name] = check_weights(file, allow=allow)
            elif file.suffix.lower() == ".json":
                _check_json(file, name)
        except GateError as error:
            refused.append(error.message)
    if refused:
        raise GateError(
            f"The model folder {path.name} was refused:\n" + "\n".join(f"  {reason}" for reason in refused),
            "Remove these files, or get the model in safetensors format without code of its own.",
        )
    return headers


def _walk(root: Path) -> Iterator[Path]:
    """Every file and every link below a folder, in a fixed order; links to folders are not followed."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        yield from (Path(folder) / name for name in folders if (Path(folder) / name).is_symlink())
        yield from (Path(folder) / name for name in sorted(files))


def _check_place(file: Path, root: Path, name: str, *, any_kind: bool) -> None:
    if file.is_symlink() and not file.resolve().is_relative_to(root.resolve()):
        raise GateError(f"{name} is a link out of the folder.")
    if file.is_symlink() and not file.is_file():
        raise GateError(f"{name} is a link to a folder, or to nothing.")
    if not stat.S_ISREG(file.stat().st_mode):
        raise GateError(f"{name} is no ordinary file.")
    if not any_kind and file.suffix.lower() not in FOLDER_SUFFIXES:
        raise GateError(f"{name} is of a kind that a model folder may not hold ({file.suffix.lower()}).")


def _check_json(file: Path, name: str) -> None:
    if file.stat().st_size > MAX_CONFIG_BYTES:
        raise GateError(f"{name} has more than {MAX_CONFIG_BYTES} bytes.")
    try:
        values = json.loads(file.read_bytes())
        found = sorted(CODE_KEYS & set(_keys(values)))
    except (ValueError, RecursionError) as error:
        raise GateError(f"{name} is no readable JSON ({type(error).__name__}).") from error
    if found:
        raise GateError(f"{name} asks for code of its own ({', '.join(found)}).")
    if not isinstance(values, dict):
        return
    _check_class_name(values, name)
    if file.name == "model_index.json":
        _check_model_index(values, name)
    if file.name.endswith(".index.json"):
        _check_shards(values, file, name)


def _keys(value: object) -> Iterator[str]:
    """Every key of every object inside."""
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict | list):
                yield from _keys(inner)


def _check_class_name(values: dict[str, Any], name: str) -> None:
    class_name = values.get("_class_name", "")
    if not isinstance(class_name, str) or not re.fullmatch(r"\w*", class_name, re.ASCII):
        raise GateError(f"{name} names a class of its own ({class_name!r:.80}).")


def _check_model_index(values: dict[str, Any], name: str) -> None:
    """A component is [library, class]; any other library is a module in the folder or on the machine."""
    for component, value in values.items():
        if isinstance(value, list) and value != [None, None]:
            known = len(value) == 2 and value[0] in LIBRARIES and isinstance(value[1], str)
            if not known or not re.fullmatch(r"\w+", value[1], re.ASCII):
                raise GateError(f"{name} takes {component} from {value!r:.80}, not from diffusers or transformers.")


def _check_shards(values: dict[str, Any], file: Path, name: str) -> None:
    """The parts of sharded weights lie beside their index, under plain names."""
    parts = values.get("weight_map")
    if not isinstance(parts, dict):
        raise GateError(f"{name} has no weight_map.")
    for part in sorted({str(part) for part in parts.values()}):
        if Path(part).name != part or not part.endswith(".safetensors") or not (file.parent / part).is_file():
            raise GateError(f"{name} points to {part!r:.80}, which is no .safetensors file beside it.")
