"""What the stock pipelines are asked: with and without a control, with a reference of one's own; and sheets."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from foundry.assemble import TARGET
from foundry.drawing import ADAPTER, ENCODER, Ask, Sampling, answers
from foundry.sheet import GAP_PX, sheet

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own remarks


@pytest.fixture(scope="module")
def sampling(tmp_path_factory: pytest.TempPathFactory) -> Sampling:
    """croquis with a random IP-Adapter that looks at pictures of 64 px."""
    base = tmp_path_factory.mktemp("bases") / "croquis"
    shutil.copytree(ROOT / TARGET, base, ignore=shutil.ignore_patterns(ADAPTER, ENCODER))
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=64, patch_size=16,
        projection_dim=48,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(base / ENCODER)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    width = unet.config.cross_attention_dim
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * width, 48), "image_proj.proj.bias": torch.zeros(4 * width),
        "image_proj.norm.weight": torch.ones(width), "image_proj.norm.bias": torch.zeros(width),
    }  # fmt: skip
    crossed = [name for name in unet.attn_processors if "attn2" in name]
    for number, name in enumerate(crossed):
        rows = unet.get_submodule(name.rpartition(".")[0]).to_k.weight.shape[0]
        for part in ("k", "v"):
            tensors[f"ip_adapter.{2 * number + 1}.to_{part}_ip.weight"] = torch.randn(rows, width) * 0.2
    (base / ADAPTER).mkdir()
    save_file(tensors, base / ADAPTER / "ip_adapter.safetensors")
    return Sampling(2, 2.0, base)


@pytest.fixture(scope="module")
def ask() -> Ask:
    rng = np.random.default_rng(0)
    return Ask(
        captions=["a woman in a red dress, white background", "a man in a blue top and grey trousers, in a park"],
        seeds=[3, 4],
        controls=rng.integers(0, 255, (2, 256, 192, 3)).astype(np.uint8),
        references=list(rng.integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)),
    )


def test_every_picture_follows_its_own_reference(sampling: Sampling, ask: Ask) -> None:
    """As the stock call draws it alone; a batch of references would be mixed there."""
    assert sampling.has_adapter
    drawn = answers(ask, sampling)
    alone = Ask(ask.captions[1:], ask.seeds[1:], ask.controls[1:], ask.references[1:])
    assert np.array_equal(answers(alone, sampling)[0], drawn[1])
    other = answers(Ask(ask.captions, ask.seeds, ask.controls, ask.references[::-1]), sampling)
    assert np.abs(other[1].astype(int) - drawn[1]).max() > 10


def test_without_a_control_the_map_is_not_needed_and_not_followed(sampling: Sampling, ask: Ask) -> None:
    free = answers(Ask(ask.captions, ask.seeds), sampling)
    held = answers(Ask(ask.captions, ask.seeds, ask.controls), sampling)
    assert free[0].shape == held[0].shape == (256, 192, 3)
    assert not np.array_equal(free[0], held[0])


def test_a_sheet_puts_groups_in_rows() -> None:
    pictures = [np.full((8, 6, 3), shade, np.uint8) for shade in (0, 50, 100)]
    laid = sheet([(picture, picture + 1) for picture in pictures], columns=2, scale=2.0)
    assert laid.shape == (2 * 16 + GAP_PX, 2 * 24 + GAP_PX, 3)
    assert laid[0, 0, 0] == 0
    assert laid[0, 12, 0] == 1
    assert laid[0, 24 + GAP_PX, 0] == 50
    assert laid[16 + GAP_PX, 0, 0] == 100
    assert (laid[16 + GAP_PX :, 24:] == 255).all()  # a place without a group stays empty
