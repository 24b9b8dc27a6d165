"""A tiny base of the shape of Stable Diffusion 1.5, and pulled ControlNets on a shelf: real classes, small random
weights from a fixed seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from studio.records.pullable import Manifest, PulledFile, PullKind
from studio.shelf import MANIFEST
from tests.tiny_base import MAX_TOKENS, build_tokenizer

WIDTH_PX, HEIGHT_PX = 64, 96
TEXT_WIDTH = 32

CARD = """\
name: {family}
title: {family} (tiny, random weights)
family: {family}
licence: Apache-2.0
commercial_use: true
licence_source: built by the tests
width_px: {width_px}
height_px: {height_px}
num_inference_steps: 4
guidance_scale: 5.0
training_preset: brand-model
"""


def build_tiny_sd15(folder: Path, *, seed: int = 15) -> Path:
    """A whole base folder: epsilon prediction, PNDM, 4 latent channels, one number of heads for all levels."""
    from diffusers import PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

    with seeded(seed):
        save_texts(folder, "", CLIPTextModel)
        unet = UNet2DConditionModel(
            sample_size=16, cross_attention_dim=TEXT_WIDTH, layers_per_block=1, block_out_channels=(16, 32, 32),
            norm_num_groups=8, attention_head_dim=8,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        )  # fmt: skip
        unet.save_pretrained(folder / "unet")
        small_vae(0.18215).save_pretrained(folder / "vae")
    PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    ).save_pretrained(folder / "scheduler")
    write_index(folder, "StableDiffusionPipeline", "sd15", safety_checker=[None, None], feature_extractor=[None, None])
    return folder


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random weights of a seed, and torch's own random state as it was afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def save_texts(folder: Path, suffix: str, kind: Any, **changes: Any) -> None:
    """`tokenizer<suffix>/` and `text_encoder<suffix>/`."""
    from transformers import CLIPTextConfig

    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder / f"tokenizer{suffix}")
    config = {
        "vocab_size": len(tokenizer), "hidden_size": TEXT_WIDTH, "intermediate_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, "max_position_embeddings": MAX_TOKENS, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    model = kind(CLIPTextConfig(**(config | changes)))
    with torch.no_grad():  # the library's initial embeddings (0.02) are too faint for a prompt to be seen
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0.0, 0.3)
    model.save_pretrained(folder / f"text_encoder{suffix}")


def small_vae(scaling_factor: float) -> Any:
    """8 pixels a latent cell, 4 channels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        latent_channels=4, block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4,
        scaling_factor=scaling_factor, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, mid_block_add_attention=False,
    )  # fmt: skip


def write_index(folder: Path, pipeline: str, family: str, **extra: Any) -> None:
    """model_index.json, so that the stock pipeline loads the same folder, and the card."""
    index: dict[str, Any] = {"_class_name": pipeline, "_diffusers_version": "0.42.1", **extra}
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        name = "scheduler_config.json" if part.name == "scheduler" else "config.json"
        if part.name.startswith("tokenizer"):
            index[part.name] = ["transformers", "CLIPTokenizer"]
            continue
        config = json.loads((part / name).read_text(encoding="utf-8"))
        kind = config.get("_class_name") or config["architectures"][0]
        index[part.name] = ["diffusers" if "_class_name" in config else "transformers", kind]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    card = CARD.format(family=family, width_px=WIDTH_PX, height_px=HEIGHT_PX)
    (folder / "card.yaml").write_text(card, encoding="utf-8")


def controlnet_for(unet: Any, seed: int) -> Any:
    """A ControlNet of the stock class whose answer can be seen; its output layers would start at zero."""
    from diffusers import ControlNetModel

    with seeded(seed):
        model = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 16))
        shake(model)
    return model


def shake(controlnet: Any) -> None:
    """Random weights where a ControlNet starts with zeros."""
    with torch.no_grad():
        for layer in controlnet.controlnet_cond_embedding.modules():
            if hasattr(layer, "weight"):
                layer.weight.normal_(0.0, 0.3)
        for layer in (controlnet.controlnet_mid_block, *controlnet.controlnet_down_blocks):
            layer.weight.normal_(0.0, 0.05)


def shelve(models: Path, name: str, model: Any, kind: PullKind = "controlnet") -> Path:
    """A ControlNet, or another add-on, as a pull leaves it."""
    folder = models / kind / name
    model.save_pretrained(folder)
    files = [
        PulledFile(
            path=path.name, size_bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            repo="tests/tiny", commit="", source_path=path.name,
        )
        for path in sorted(folder.iterdir())
    ]  # fmt: skip
    moment = datetime(2026, 11, 26, tzinfo=UTC)
    manifest = Manifest(name=name, kind=kind, source="tests", pulled_at=moment, files=tuple(files))
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return folder
