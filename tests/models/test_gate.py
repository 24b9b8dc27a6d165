"""The gate refuses what could run code or break a library, before a library sees it."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import GateError, NotFoundError
from studio.models import gate, header
from studio.models.gate import check_model_folder, check_weights
from studio.models.weights import load_weights


def safetensors(
    entries: dict[str, Any], data: bytes, *, raw_header: bytes | None = None, length: int | None = None
) -> bytes:
    """A file written by hand, so that it can be wrong in any way."""
    head = json.dumps(entries).encode() if raw_header is None else raw_header
    return (len(head) if length is None else length).to_bytes(8, "little") + head + data


def entry(begin: int, end: int, *, dtype: str = "F32", shape: list[Any] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


class Canary:
    """A pickle that creates a file when anything opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["w.bin", "w.ckpt", "w.pt", "w.PTH", "w.BIN", "w.safetensors", "w.SAFETENSORS", "w"])
def test_a_pickle_under_any_name_is_refused_unopened(tmp_path: Path, name: str) -> None:
    canary, file = tmp_path / "canary", tmp_path / name
    file.write_bytes(pickle.dumps(Canary(canary)))
    for read in (check_weights, load_weights):
        with pytest.raises(GateError, match=r"w"):
            read(file)
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(file, folder / ("model.pkl" if name == "w" else name))
    with pytest.raises(GateError):
        check_model_folder(folder)
    assert not canary.exists()
    pickle.loads(file.read_bytes())
    assert canary.exists(), "the canary itself must work, or the test shows nothing"


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "too short"),
    "header over its cap": (safetensors({}, b"", length=header.MAX_HEADER_BYTES + 1) + bytes(64), "over"),
    "header longer than the file": (safetensors({"a": entry(0, 4)}, b"", length=9000), "cut off"),
    "no JSON": (safetensors({}, b"", raw_header=b"{nonsense at all"), "cannot be read"),
    "a list": (safetensors({}, b"", raw_header=b"[1, 2, 3, 4, 5]"), "does not start"),
    "no UTF-8": (safetensors({}, b"", raw_header=b'{"\xff\xfe": 1}      '), "cannot be read"),
    "too deep": (safetensors({}, b"", raw_header=b'{"a":' + b"[" * 200_000), "cannot be read"),
    "a name twice": (safetensors({}, bytes(4), raw_header=b'{"a": {}, "a": {}}'), "twice"),
    "no tensors": (safetensors({"__metadata__": {}}, b""), "no tensors"),
    "metadata of numbers": (safetensors({"__metadata__": {"a": 1}, "a": entry(0, 4)}, bytes(4)), "metadata"),
    "overlap": (safetensors({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)), "overlap"),
    "out of bounds": (safetensors({"a": entry(0, 400)}, bytes(12)), "bounds"),
    "hole": (safetensors({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)), "belong to no tensor"),
    "something behind": (safetensors({"a": entry(0, 4)}, bytes(400)), "belong to no tensor"),
    "unknown dtype": (safetensors({"a": entry(0, 4, dtype="F31")}, bytes(4)), "unknown dtype"),
    "dtype of a list": (safetensors({"a": entry(0, 4) | {"dtype": ["F32"]}}, bytes(4)), "unknown dtype"),
    "negative shape": (safetensors({"a": entry(0, 4, shape=[-1, -1])}, bytes(4)), "impossible shape"),
    "boolean shape": (safetensors({"a": entry(0, 4, shape=[True])}, bytes(4)), "impossible shape"),
    "huge shape": (safetensors({"a": entry(0, 4, shape=[2**62, 2**62])}, bytes(4)), "do not fill"),
    "shape and bytes differ": (safetensors({"a": entry(0, 4, shape=[2])}, bytes(4)), "do not fill"),
    "offsets backwards": (safetensors({"a": entry(0, 4) | {"data_offsets": [4, 0]}}, bytes(4)), "impossible offsets"),
    "another field": (safetensors({"a": entry(0, 4) | {"code": "x"}}, bytes(4)), "something other"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_malformed_file_is_refused_in_words(tmp_path: Path, name: str) -> None:
    data, words = BAD_FILES[name]
    (tmp_path / "bad.safetensors").write_bytes(data)
    with pytest.raises(GateError, match=words) as caught:
        check_weights(tmp_path / "bad.safetensors")
    assert "bad.safetensors" in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("dtype", "bad", "good"),
    [
        ("F32", np.float32([1, np.nan]).tobytes(), np.float32([1, -3e38]).tobytes()),
        ("F32", np.float32([-np.inf, 1]).tobytes(), np.float32([1e-45, 0]).tobytes()),
        ("F64", np.float64([np.nan]).tobytes(), np.float64([1e300]).tobytes()),
        ("F16", np.float16([1, np.inf]).tobytes(), np.float16([65504, -1]).tobytes()),
        ("BF16", b"\x80\x7f\x80\x3f", b"\x7f\x7f\x80\x3f"),
        ("F8_E4M3", b"\xff\x00\x00\x00", b"\x7e\xfe\x00\x01"),
        ("F8_E5M2", b"\x7c\x00\x00\x00", b"\x7b\xfb\x00\x01"),
    ],
)
def test_nan_and_infinity_are_refused_in_every_float_type(tmp_path: Path, dtype: str, bad: bytes, good: bytes) -> None:
    shape = [len(bad) // header.DTYPE_BYTES[dtype]]
    file = tmp_path / "w.safetensors"
    file.write_bytes(safetensors({"w": entry(0, len(bad), dtype=dtype, shape=shape)}, bad))
    with pytest.raises(GateError, match="NaN or infinite"):
        check_weights(file)
    file.write_bytes(safetensors({"w": entry(0, len(good), dtype=dtype, shape=shape)}, good))
    assert check_weights(file).elements == shape[0]


def test_nan_is_found_beyond_the_first_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "CHUNK_BYTES", 8)
    data = np.float32([0] * 9 + [np.nan]).tobytes()
    (tmp_path / "w.safetensors").write_bytes(safetensors({"w": entry(0, 40)}, data))
    with pytest.raises(GateError, match="NaN"):
        check_weights(tmp_path / "w.safetensors")


def test_a_good_file_gives_its_digest_and_passes_only_a_list_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "lora.SafeTensors"
    file.write_bytes(safetensors({"__metadata__": {"rank": "4"}, "a": entry(0, 8), "empty": entry(8, 8)}, bytes(8)))
    found = check_weights(file)
    assert (found.metadata, found.elements, len(found.sha256)) == ({"rank": "4"}, 2, 64)
    assert check_weights(file, allow={found.sha256}) == found
    assert load_weights(file)[1]["a"].shape == (2,)
    with pytest.raises(GateError, match="not the file it should be"):
        check_weights(file, allow={"0" * 64})
    with pytest.raises(GateError, match="at most 10"):
        check_weights(file, max_bytes=10)
    with pytest.raises(NotFoundError):
        check_weights(tmp_path / "none.safetensors")


def test_the_base_passes(tiny_base: Path) -> None:
    headers = check_model_folder(tiny_base)
    assert set(headers) >= {"unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"}


def test_every_fault_of_a_folder_is_named_at_once(tmp_path: Path) -> None:
    folder, outside = tmp_path / "base", tmp_path / "outside.json"
    (folder / "unet").mkdir(parents=True)
    outside.write_text("{}")
    (folder / "pipeline.py").write_text("import os")
    (folder / "unet" / "diffusion_pytorch_model.BIN").write_bytes(b"x")
    (folder / "old.ckpt").write_bytes(b"x")
    (folder / "old.pt").write_bytes(b"x")
    (folder / "unet" / "config.json").write_text('{"deep": [{"auto_map": {"AutoModel": "x.Y"}}]}')
    (folder / "vae.json").write_text('{"_class_name": ["pipeline", "Mine"]}')
    (folder / "broken.json").write_text("{")
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline", "unet": ["mine", "UNet"]}')
    (folder / "a.safetensors.index.json").write_text('{"weight_map": {"w": "../../a.safetensors"}}')
    (folder / "link.json").symlink_to(outside)
    (folder / "links").symlink_to(tmp_path)
    with pytest.raises(GateError) as caught:
        check_model_folder(folder)
    for words in (
        "pipeline.py", "BIN", "old.ckpt", "old.pt", "auto_map", "vae.json names a class", "broken.json", "takes unet",
        "points to '../../a.safetensors'", "link.json is a link out", "links is a link out",
    ):  # fmt: skip
        assert words in caught.value.message


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no model folder"):
        check_model_folder(tmp_path / "runwayml" / "stable-diffusion")
