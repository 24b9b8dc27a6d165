"""croquis's IP-Adapter: built at its final shape, and written in the layout in which others publish theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection
from safetensors.torch import save_file

from studio.models.ip_adapter import IPAdapter

TOKENS = 4
"""What a picture becomes; diffusers' simple layout has no other number."""
FILE_NAME = "ip-adapter.safetensors"


def build_adapter(unet: Any, features: int) -> IPAdapter:
    """A trainable IP-Adapter that changes nothing yet: its keys are the text's, its values zero.

    Args:
        features: width of what the image encoder gives.
    """
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    keys = [unet.get_submodule(name.removesuffix("processor") + "to_k").weight.detach().clone() for name in names]
    projection = ImageProjection(features, unet.config.cross_attention_dim, TOKENS)
    return IPAdapter("croquis", projection, [(key, torch.zeros_like(key)) for key in keys]).requires_grad_(True)


def save_adapter(adapter: IPAdapter, folder: Path) -> None:
    """Writes `image_proj.*` and `ip_adapter.*` in fp16; the layers have odd numbers, as published."""
    projection: Any = adapter.projection
    tensors = {f"image_proj.proj.{name}": value for name, value in projection.image_embeds.named_parameters()}
    tensors |= {f"image_proj.norm.{name}": value for name, value in projection.norm.named_parameters()}
    for number, layer in enumerate(adapter.layers):
        module: Any = layer
        tensors[f"ip_adapter.{2 * number + 1}.to_k_ip.weight"] = module.to_k_ip[0].weight
        tensors[f"ip_adapter.{2 * number + 1}.to_v_ip.weight"] = module.to_v_ip[0].weight
    folder.mkdir(parents=True, exist_ok=True)
    halves = {name: value.detach().cpu().half().contiguous() for name, value in tensors.items()}
    save_file(halves, folder / FILE_NAME, metadata={"format": "pt", "licence": "Apache-2.0"})
