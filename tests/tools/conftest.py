"""A studio with one drawn picture, and tiny models that lie where a pull would have put them."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from studio.models.esrgan import RRDBNet
from studio.presets import Presets
from studio.records.base import new_id, now
from studio.records.generation import GenerationRequest, Variant
from studio.records.product import Product
from studio.records.pullable import Manifest, PulledFile
from studio.settings import Settings
from studio.shelf import MANIFEST, Shelf
from studio.store import Store
from studio.studio import Studio
from tests.tools.drawn import GREEN, draw

REPOSITORY = Path(__file__).resolve().parents[2]
SKU = "DRESS-1"
SETTINGS = '{"version": 1}'
"""Stands for what the engine writes into its pictures."""

Install = Callable[[str], str]
"""Puts a tiny model where the pull of that name would; returns its sha256."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home on presets without a judge, so that the ground alone says where the figure is."""
    presets = tmp_path / "presets"
    for folder in ("tools", "channels", "review"):
        shutil.copytree(REPOSITORY / "presets" / folder, presets / folder)
    return Settings(home=tmp_path / "home", presets=presets, brand_models=tmp_path / "brand_models", device="cpu")


@pytest.fixture
def source(studio: Studio) -> Variant:
    """A generated picture of a product, on green."""
    studio.store.products.put(Product(sku=SKU, name="Striped dress"))
    return add(studio.store, draw(GREEN, (96, 128)).rgb)


def add(store: Store, rgb: NDArray[np.uint8]) -> Variant:
    """Puts a picture into the store as the engine would."""
    info = PngInfo()
    info.add_itxt("sasage-studio", SETTINGS)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", pnginfo=info)
    variant = Variant(
        id=new_id("var"), batch_id="b1", request=GenerationRequest(prompt="a dress", seed=7, sku=SKU), sku=SKU,
        image_sha256=store.files.put_bytes(buffer.getvalue(), ".png"), seconds=1.0, created_at=now(),
    )  # fmt: skip
    store.variants.put(variant)
    return variant


@pytest.fixture
def install(settings: Settings) -> Install:
    """Installs tiny models of the right kinds under the names of the real ones."""

    def put(name: str) -> str:
        item = Presets(settings.presets, settings.brand_models, settings.models_dir).pullables()[name]
        folder = Shelf(settings.models_dir).place(item)
        folder.mkdir(parents=True)
        file = item.sources[0].files[0]
        path = folder / (file.save_as or file.path)
        if item.family == "esrgan":
            torch.manual_seed(5)
            save_file(RRDBNet(1, 8, 4, 1).state_dict(), path)
        else:
            write_matting_model(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        pulled = PulledFile(
            path=path.name, size_bytes=path.stat().st_size, sha256=sha256, repo=item.sources[0].repo, commit="",
            source_path=file.path,
        )  # fmt: skip
        manifest = Manifest(name=name, kind="tool", source="here", pulled_at=now(), files=(pulled,))
        (folder / MANIFEST).write_text(manifest.model_dump_json())
        return sha256

    return put


def write_matting_model(path: Path) -> None:
    """A model of BiRefNet's shape: (1, 3, 64, 64) to logits that are high where red lies above green."""
    weight = helper.make_tensor("weight", TensorProto.FLOAT, (1, 3, 1, 1), [4.0, -4.0, 0.0])
    node = helper.make_node("Conv", ["input_image", "weight"], ["output_image"])
    taken = helper.make_tensor_value_info("input_image", TensorProto.FLOAT, (1, 3, 64, 64))
    given = helper.make_tensor_value_info("output_image", TensorProto.FLOAT, (1, 1, 64, 64))
    graph = helper.make_graph([node], "matting", [taken], [given], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
