"""Lays the shipped croquis out as artefacts, so that any stage can go on from it: `python -m foundry.unpack`.

What lies in `artefacts/` already is left alone. Denoiser and judge start from the shipped weights by themselves.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel, CLIPTokenizer

from foundry.assemble import TARGET
from foundry.autoencoder import FOLDER as AUTOENCODER
from foundry.denoiser import TEXT


def unpack(base: Path = TARGET) -> list[Path]:
    """Writes autoencoder, text encoder and tokenizer of `base` in fp32; returns what was written."""
    parts = {
        AUTOENCODER / "vae": lambda: AutoencoderKL.from_pretrained(base / "vae", torch_dtype=torch.float32),
        TEXT / "text_encoder": lambda: CLIPTextModel.from_pretrained(base / "text_encoder", dtype=torch.float32),
        TEXT / "tokenizer": lambda: CLIPTokenizer.from_pretrained(base / "tokenizer"),
    }
    missing = [folder for folder in parts if not folder.is_dir()]
    for folder in missing:
        parts[folder]().save_pretrained(folder)
    return missing


if __name__ == "__main__":
    for written in unpack():
        print(written)
