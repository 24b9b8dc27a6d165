"""Files that are no IP-Adapter, or not a whole one, are told apart in words; what encoders made is kept for a while."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.errors import CapabilityError, GateError
from studio.models.encodings import Encodings
from studio.models.ip_adapter import read_ip_adapter
from tests.ip_adapter_files import write_ip_adapter

Tensors = dict[str, Tensor]


def without_a_layer(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if ".3.to_k" not in name}


def without_a_part_of_the_projection(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if "layers.2.1.1" not in name}


def of_two_adapters(tensors: Tensors) -> Tensors:
    return {name: value[:, :24].contiguous() if "_ip." in name else value for name, value in tensors.items()}


def of_something_else(tensors: Tensors) -> Tensors:
    return {"vision_model.post_layernorm.weight": torch.zeros(4)}


def for_faces(tensors: Tensors) -> Tensors:
    own = {name: value for name, value in tensors.items() if "_ip." in name}
    return own | {"image_proj.proj.0.weight": torch.zeros(4, 4), "image_proj.norm.weight": torch.zeros(4)}


BROKEN = [
    (without_a_layer, "is not whole: layers are missing"),
    (without_a_part_of_the_projection, "is not whole: its projection cannot be read"),
    (of_two_adapters, "does not fit together"),
    (of_something_else, "is no IP-Adapter: it holds 'vision_model"),
    (for_faces, "of a layout that is not read here; those for faces are not"),
]


@pytest.fixture
def file(tiny_base: Path, tmp_path: Path) -> Path:
    path = tmp_path / "some-adapter" / "ip_adapter.safetensors"
    write_ip_adapter(path, UNet2DConditionModel.from_pretrained(tiny_base / "unet"), "plus")
    return path


def test_a_whole_one_is_frozen_and_in_the_dtype_that_was_asked_for(file: Path) -> None:
    adapter = read_ip_adapter(file.parent, dtype=torch.bfloat16, device="cpu")
    assert {(p.dtype, p.requires_grad) for p in adapter.parameters()} == {(torch.bfloat16, False)}
    assert not any(p.is_meta for p in adapter.parameters())


@pytest.mark.parametrize(("spoil", "words"), BROKEN)
def test_a_broken_one_is_named(file: Path, spoil: Callable[[Tensors], Tensors], words: str) -> None:
    save_file(spoil(load_file(file)), file)
    with pytest.raises(CapabilityError, match=f"some-adapter/ip_adapter.safetensors.*{words}"):
        read_ip_adapter(file.parent, dtype=torch.float32, device="cpu")


def test_a_folder_holds_one(file: Path) -> None:
    file.with_name("another.safetensors").write_bytes(file.read_bytes())
    with pytest.raises(GateError, match="some-adapter/ holds 2 weights files"):
        read_ip_adapter(file.parent, dtype=torch.float32, device="cpu")


def test_encodings_are_made_once_and_the_oldest_are_forgotten() -> None:
    asked: list[list[object]] = []

    def make(keys: list[object]) -> list[object]:
        asked.append(keys)
        return [f"{key} encoded" for key in keys]

    kept = Encodings(limit=2)
    assert kept.get(["a", "b", "a"], make) == ["a encoded", "b encoded", "a encoded"]
    assert kept.get(["a"], make) == ["a encoded"]
    kept.get(["c"], make)  # b was used the longest time ago
    kept.get(["a", "b"], make)
    assert asked == [["a", "b"], ["c"], ["b"]]
