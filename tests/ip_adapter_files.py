"""Tiny IP-Adapters with random weights, in the layouts in which they are published, each with an image encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from studio.models.installed import sha256_of
from studio.records.base import now
from studio.records.pullable import Manifest, PulledFile
from studio.shelf import MANIFEST

FEATURES, PATCH_WIDTH, TOKENS = 24, 32, 5
Layout = Literal["simple", "plus", "full"]


def write_image_encoder(folder: Path, *, seed: int = 1) -> None:
    """A CLIPVisionModelWithProjection for pictures of 30x30."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=PATCH_WIDTH, intermediate_size=37, num_hidden_layers=3, num_attention_heads=4, image_size=30,
        patch_size=10, projection_dim=FEATURES,
    )  # fmt: skip
    model = CLIPVisionModelWithProjection(config)
    with torch.no_grad():  # the library's initial weights are too faint for two pictures to differ
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.2)
    model.save_pretrained(folder)


def write_ip_adapter(path: Path, unet: Any, layout: Layout, *, seed: int = 2, width: int | None = None) -> None:
    """An adapter for a UNet.

    Args:
        width: of the tokens, where they are to be another family's.
    """
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    tokens = width or unet.config.cross_attention_dim
    projection = {"simple": _simple, "plus": _plus, "full": _full}[layout](tokens)
    tensors = {f"image_proj.{name}": value for name, value in projection.items()}
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(names):
        inner = unet.get_submodule(name.removesuffix(".processor")).inner_dim
        for letter in "kv":
            tensors[f"ip_adapter.{2 * number + 1}.to_{letter}_ip.weight"] = _random(inner, tokens)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


def mark_as_pulled(folder: Path, name: str, kind: Any) -> None:
    """Write the manifest by which a folder of the shelf counts as whole."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
    pulled = tuple(
        PulledFile(
            path=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size, sha256=sha256_of(path),
            repo="r", commit="c", source_path=path.name,
        )
        for path in files
    )  # fmt: skip
    manifest = Manifest(name=name, kind=kind, source="hub", pulled_at=now(), files=pulled)
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")


def _simple(width: int) -> dict[str, Tensor]:
    return {
        "proj.weight": _random(4 * width, FEATURES), "proj.bias": _random(4 * width),
        "norm.weight": 1 + _random(width), "norm.bias": _random(width),
    }  # fmt: skip


def _full(width: int) -> dict[str, Tensor]:
    return {
        "proj.0.weight": _random(PATCH_WIDTH, PATCH_WIDTH), "proj.0.bias": _random(PATCH_WIDTH),
        "proj.2.weight": _random(width, PATCH_WIDTH), "proj.2.bias": _random(width),
        "proj.3.weight": 1 + _random(width), "proj.3.bias": _random(width),
    }  # fmt: skip


def _plus(width: int) -> dict[str, Tensor]:
    hidden, inner = 48, 64
    found = {
        "latents": _random(1, TOKENS, hidden),
        "proj_in.weight": _random(hidden, PATCH_WIDTH), "proj_in.bias": _random(hidden),
        "proj_out.weight": _random(width, hidden), "proj_out.bias": _random(width),
        "norm_out.weight": 1 + _random(width), "norm_out.bias": _random(width),
    }  # fmt: skip
    for layer in range(4):
        attention, feed = f"layers.{layer}.0", f"layers.{layer}.1"
        for norm in (f"{attention}.norm1", f"{attention}.norm2", f"{feed}.0"):
            found |= {f"{norm}.weight": 1 + _random(hidden), f"{norm}.bias": _random(hidden)}
        found |= {
            f"{attention}.to_q.weight": _random(inner, hidden), f"{attention}.to_kv.weight": _random(2 * inner, hidden),
            f"{attention}.to_out.weight": _random(hidden, inner), f"{feed}.1.weight": _random(4 * hidden, hidden),
            f"{feed}.3.weight": _random(hidden, 4 * hidden),
        }  # fmt: skip
    return found


def _random(*shape: int) -> Tensor:
    return torch.randn(shape) * 0.3
