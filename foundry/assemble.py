"""Puts the trained parts together as `presets/bases/croquis`: `python -m foundry.assemble`.

Weights in fp16 safetensors, sharded below 15 MB; an unmodified `StableDiffusionControlNetPipeline.from_pretrained`
loads the folder without arguments.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from foundry.autoencoder import FOLDER as AUTOENCODER
from foundry.denoiser import FOLDER as DENOISER
from foundry.denoiser import TEXT
from studio.models.few_step import FEW_STEP

TARGET = Path("presets/bases/croquis")
MAX_SHARD = "14MB"
BUDGET_BYTES = 40 * 1000 * 1000
INDEX = {
    "_class_name": "StableDiffusionControlNetPipeline",
    "_diffusers_version": "0.42.1",
    "controlnet": ["diffusers", "ControlNetModel"],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def assemble(target: Path = TARGET) -> int:
    """Writes every component; returns the bytes of all files.

    Raises:
        ValueError: more than the 40 MB that the base may weigh.
    """
    parts = {
        "unet": UNet2DConditionModel.from_pretrained(DENOISER / "unet"),
        "controlnet": ControlNetModel.from_pretrained(DENOISER / "controlnet"),
        "vae": AutoencoderKL.from_pretrained(AUTOENCODER / "vae"),
    }
    for name, model in parts.items():
        for old in (target / name).glob("*"):
            old.unlink()
        model.to(torch.float16).save_pretrained(target / name, max_shard_size=MAX_SHARD)
    _write_encoder(CLIPTextModel.from_pretrained(TEXT / "text_encoder"), target / "text_encoder")
    image_encoder = CLIPVisionModelWithProjection.from_pretrained(DENOISER / "image_encoder")
    _write_encoder(image_encoder, target / "image_encoder")
    shutil.copytree(DENOISER / "ip_adapter", target / "ip_adapter", dirs_exist_ok=True)
    shutil.rmtree(target / FEW_STEP, ignore_errors=True)  # it was distilled from another UNet
    CLIPTokenizer.from_pretrained(TEXT / "tokenizer").save_pretrained(target / "tokenizer")
    DDIMScheduler.from_pretrained(DENOISER / "scheduler").save_pretrained(target / "scheduler")
    (target / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    if size > BUDGET_BYTES:
        raise ValueError(f"{target} weighs {size / 1e6:.1f} MB, at most {BUDGET_BYTES / 1e6:.0f} MB are allowed")
    return size


def _write_encoder(encoder: CLIPTextModel | CLIPVisionModelWithProjection, folder: Path) -> None:
    """Writes it in fp16, with a config that asks for fp32: the stock pipelines would otherwise keep an encoder in half
    precision beside an fp32 UNet."""
    encoder.to(torch.float16).save_pretrained(folder)
    config = folder / "config.json"
    config.write_text(
        json.dumps(json.loads(config.read_text()) | {"dtype": "float32"}, indent=2, sort_keys=True) + "\n"
    )


if __name__ == "__main__":
    print(f"{assemble() / 1e6:.1f} MB in {TARGET}")
