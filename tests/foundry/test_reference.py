"""What teaches croquis to look at a reference: fabrics without a name, pictures of them, captions that keep silent, and
an IP-Adapter that stock diffusers reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from foundry.denoiser import UNSAID, captions
from foundry.fabrics import FABRICS
from foundry.free_fabrics import PREFIX, RESERVED, free_colours, pattern_of
from foundry.image_encoder import MEAN, STD, pixels
from foundry.ip_adapter import FILE_NAME, build_adapter, save_adapter
from foundry.scene import Cloth
from foundry.swatch import product_photo, swatch
from studio.records.attributes import ATTRIBUTE_VALUES
from studio.wording import parse

V, U = (axis.ravel() for axis in np.mgrid[0:600:120j, 0:600:120j])


@pytest.mark.parametrize("name", [*RESERVED, *(f"{PREFIX}{number}" for number in range(40))])
def test_a_fabric_without_a_name_is_the_same_every_time(name: str) -> None:
    share, bright = pattern_of(name)(U, V, 1.0)
    pattern_of.cache_clear()
    assert np.array_equal(share, pattern_of(name)(U, V, 1.0)[0])
    assert share.shape == bright.shape == U.shape
    assert share.min() >= 0
    assert share.max() <= 1


def test_most_numbers_are_fabrics_of_their_own() -> None:
    shares = [np.round(pattern_of(f"{PREFIX}{number}")(U, V, 1.0)[0], 2).tobytes() for number in range(40)]
    assert len(set(shares)) >= 30  # the plain ones are alike
    with pytest.raises(KeyError):
        pattern_of("velvet")


def test_a_swatch_has_the_cloths_two_colours_and_a_product_photo_a_light_ground() -> None:
    cloth = Cloth("houndstooth", np.array((200.0, 30, 40)), np.array((20.0, 40, 160)))
    flat = swatch(cloth, np.random.default_rng(1)).astype(float)
    away = [np.linalg.norm(flat - colour, axis=-1) for colour in (cloth.colour, cloth.second)]
    assert np.mean(np.minimum(*away) < 45) > 0.7
    assert all(np.mean(a < 45) > 0.2 for a in away)
    photo = product_photo(cloth, np.random.default_rng(1))
    assert photo[:3, :3].min() > 220
    assert np.linalg.norm(photo[28:36, 28:36].astype(float).mean((0, 1)) - 235) > 60


def test_colours_can_be_told_apart() -> None:
    pairs = [free_colours(np.random.default_rng(seed)) for seed in range(50)]
    assert min(np.linalg.norm(ground - second) for ground, second in pairs) > 90


def test_a_silent_caption_says_neither_fabric_nor_colour() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([[rng.integers(len(values)) for values in ATTRIBUTE_VALUES.values()] for _ in range(60)])
    texts = captions(rows, np.arange(60) % 2 == 0, rng)
    silent = [set(parse(text)) for text in texts[::2] if text]
    assert all(said <= UNSAID for said in silent)
    assert any("fabric" in parse(text) for text in texts[1::2])
    assert len(FABRICS) == len(ATTRIBUTE_VALUES["fabric"])


def test_the_encoder_is_given_what_clips_processor_makes() -> None:
    from PIL import Image
    from transformers import CLIPImageProcessor

    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    theirs = CLIPImageProcessor(size=64, crop_size=64)(Image.fromarray(picture), return_tensors="pt").pixel_values
    assert torch.allclose(pixels(picture[None]), theirs, atol=1e-5)
    assert len(MEAN) == len(STD) == 3


def test_stock_diffusers_reads_the_adapter_and_draws_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), block_out_channels=(16, 32), layers_per_block=1,
        attention_head_dim=2, cross_attention_dim=24, norm_num_groups=8,
    ).eval()  # fmt: skip
    adapter = build_adapter(unet, 20)
    x, t, text, features = torch.randn(2, 4, 8, 8), torch.tensor(400), torch.randn(2, 5, 24), torch.randn(2, 20)
    with torch.no_grad():
        plain = unet(x, t, text).sample
        look = {"tokens": adapter.projection(features), "scale": torch.ones(2, 1, 1)}
        with adapter.on(unet):
            assert torch.equal(unet(x, t, (text, [look])).sample, plain), "it starts without an effect"
        for layer in adapter.layers:
            layer.to_v_ip[0].weight.normal_(0, 0.3)  # type: ignore[index, union-attr, operator]
        for parameter in adapter.parameters():
            parameter.copy_(parameter.half())
        with adapter.on(unet):
            look["tokens"] = adapter.projection(features)
            ours = unet(x, t, (text, [look])).sample
        assert not torch.allclose(ours, plain, atol=1e-3)
        save_adapter(adapter, tmp_path)
        parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
        for name, value in load_file(tmp_path / FILE_NAME).items():
            part, rest = name.split(".", 1)
            parts[part][rest] = value.float()
        unet._load_ip_adapter_weights([parts])
        stock = unet(x, t, text, added_cond_kwargs={"image_embeds": [features[:, None]]}).sample
    assert torch.allclose(stock, ours, atol=1e-5)
