"""A tiny base of SDXL's shape, and a tiny Union ControlNet for it: real classes, small random weights, fixed seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.tiny_sd15 import TEXT_WIDTH, save_texts, seeded, shake, small_vae, write_index

POOLED_WIDTH = 24
TIME_WIDTH = 8
CHANNELS = (16, 32, 32)
SHAPE: dict[str, Any] = {
    "cross_attention_dim": 2 * TEXT_WIDTH,
    "layers_per_block": 1,
    "block_out_channels": CHANNELS,
    "norm_num_groups": 8,
    "attention_head_dim": (2, 4, 8),
    "transformer_layers_per_block": (1, 1, 2),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": TIME_WIDTH,
    "projection_class_embeddings_input_dim": 6 * TIME_WIDTH + POOLED_WIDTH,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
}
"""What UNet and ControlNets share: numbers that rise from level to level, as in SDXL."""


def build_tiny_sdxl(folder: Path, *, seed: int = 10, force_zeros: bool = True) -> Path:
    """A whole base folder."""
    from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    with seeded(seed):
        save_texts(folder, "", CLIPTextModel)
        save_texts(folder, "_2", CLIPTextModelWithProjection, projection_dim=POOLED_WIDTH, hidden_act="gelu")
        up = ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")
        UNet2DConditionModel(sample_size=16, up_block_types=up, **SHAPE).save_pretrained(folder / "unet")
        small_vae(0.13025).save_pretrained(folder / "vae")
    EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    ).save_pretrained(folder / "scheduler")
    write_index(folder, "StableDiffusionXLPipeline", "sdxl", force_zeros_for_empty_prompt=force_zeros)
    return folder


def union_controlnet(seed: int) -> Any:
    """A Union ControlNet of eight kinds, as ProMax has them, whose answer can be seen."""
    from diffusers import ControlNetUnionModel

    with seeded(seed):
        model = ControlNetUnionModel(
            conditioning_embedding_out_channels=(4, 8, 8, 16), num_control_type=8, num_trans_channel=CHANNELS[0],
            num_trans_head=2, num_proj_channel=CHANNELS[0], **SHAPE,
        )  # fmt: skip
        shake(model)
        with torch.no_grad():
            model.spatial_ch_projs.weight.normal_(0.0, 0.1)
    return model
