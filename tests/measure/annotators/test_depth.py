"""Depth maps by transformers' real classes at tiny random configs."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import GateError, NotFoundError
from studio.measure.annotators.depth import Depth
from tests.measure.painting import paint


@pytest.fixture(scope="module")
def depth_anything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Depth Anything of a few thousand random numbers, saved as the real one is."""
    import torch
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTImageProcessor,
    )

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16, neck_hidden_sizes=[4, 4, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8, reassemble_factors=[4, 2, 1, 0.5],
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("depth-anything")
    model = DepthAnythingForDepthEstimation(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    DPTImageProcessor(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14, do_pad=False
    ).save_pretrained(folder)
    return folder


def stock(folder: Path, rgb: np.ndarray) -> np.ndarray:
    """What transformers' own pipeline draws, (H, W)."""
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation, pipeline

    parts: dict[str, Any] = {
        "model": AutoModelForDepthEstimation.from_pretrained(folder),
        "image_processor": AutoImageProcessor.from_pretrained(folder),
    }
    return np.asarray(pipeline("depth-estimation", device="cpu", **parts)(Image.fromarray(rgb))["depth"])


@pytest.mark.parametrize("size", [(96, 128), (131, 77)])
def test_equals_the_stock_pipeline_and_keeps_the_size(depth_anything: Path, size: tuple[int, int]) -> None:
    rgb = paint(size=size, background="busy").rgb
    found = Depth(depth_anything).annotate(rgb)
    assert found.shape == rgb.shape
    assert (found.min(), found.max()) == (0, 255)
    assert np.array_equal(found[:, :, 0], found[:, :, 2])
    # The pipeline cuts the fraction off where this rounds.
    assert np.abs(found[:, :, 0].astype(int) - stock(depth_anything, rgb).astype(int)).max() <= 1


def test_dpt_is_read_too(tmp_path: Path) -> None:
    import torch
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=16,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[4, 4, 8, 8], fusion_hidden_size=8, is_hybrid=False,
    )  # fmt: skip
    model = DPTForDepthEstimation(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(tmp_path)
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    rgb = paint(size=(64, 96)).rgb
    assert np.abs(Depth(tmp_path).annotate(rgb)[:, :, 0].astype(int) - stock(tmp_path, rgb).astype(int)).max() <= 1


def test_what_is_no_such_model_is_refused(depth_anything: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Depth(tmp_path / "none")
    config = json.loads((depth_anything / "config.json").read_text())
    for number, (change, said) in enumerate(
        [
            ({"architectures": ["CLIPModel"]}, "no depth model"),
            ({"architectures": None}, "none is named"),
            ({"depth_estimation_type": "metric"}, "in metres"),
            ({"auto_map": {"AutoModel": "evil.Model"}}, "code of its own"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(GateError, match=said):
            Depth(folder)


def test_pickles_half_files_and_other_digests_are_refused(depth_anything: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in depth_anything.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    with pytest.raises(GateError, match="not the file it should be"):
        Depth(folder, allow={"0" * 64})
    (folder / "dpt_hybrid.pt").write_bytes(pickle.dumps({}))
    with pytest.raises(GateError, match=r"dpt_hybrid\.pt"):
        Depth(folder)
    (folder / "dpt_hybrid.pt").unlink()
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GateError, match=r"model\.safetensors"):
        Depth(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(GateError, match="cannot be loaded"):
        Depth(folder)
