"""Builds a tiny Z-Image: real classes with the shapes of diffusers' own tests, small random weights, a fixed seed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from studio.records.pullable import Manifest, PulledFile
from studio.shelf import MANIFEST
from tests.tiny_base import CAPTIONS, SEED

REPOSITORY = Path(__file__).resolve().parent.parent
CONTROLNET = "z-image-controlnet-union"
DIM = 32
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")

CARD = """\
name: z-image
title: Z-Image (tiny, random weights)
family: z-image
licence: unknown
commercial_use: null
licence_source: built by the tests
width_px: 64
height_px: 96
num_inference_steps: 4
guidance_scale: 4.0
training_preset: brand-model
"""
MODEL_INDEX = {
    "_class_name": "ZImagePipeline",
    "_diffusers_version": "0.42.1",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "Qwen3Model"],
    "tokenizer": ["transformers", "Qwen2Tokenizer"],
    "transformer": ["diffusers", "ZImageTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
"""What Qwen3's template does with one message of a user."""


def z_image_presets(root: Path) -> Path:
    """A presets root with the tiny base as `z-image`, and the shipped names of its ControlNets. Returns it."""
    build_tiny_z_image(root / "bases" / "z-image")
    shutil.copytree(REPOSITORY / "presets" / "controlnets", root / "controlnets")
    return root


def build_tiny_z_image(folder: Path, *, seed: int = SEED) -> Path:
    """Write a whole base folder and return it. The same seed gives the same weights."""
    with _seeded(seed):
        tokenizer = _tokenizer()
        tokenizer.save_pretrained(folder / "tokenizer")
        _template_into_config(folder / "tokenizer")
        _text_encoder(len(tokenizer)).save_pretrained(folder / "text_encoder")
        _transformer().save_pretrained(folder / "transformer")
        _vae().save_pretrained(folder / "vae")
        _scheduler().save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX, indent=2), encoding="utf-8")
    (folder / "card.yaml").write_text(CARD, encoding="utf-8")
    return folder


def install_tiny_controlnet(models: Path, *, seed: int = SEED + 1) -> Path:
    """Put a ControlNet of the tiny base where a pull would put it, with the manifest. Returns its folder."""
    folder = models / "controlnet" / CONTROLNET
    with _seeded(seed):
        _controlnet().save_pretrained(folder)
    files = [
        PulledFile(
            path=path.name, size_bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            repo="made/here", commit="", source_path=path.name,
        )
        for path in sorted(folder.iterdir())
    ]  # fmt: skip
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest(name=CONTROLNET, kind="controlnet", source="made here", pulled_at=moment, files=tuple(files))
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return folder


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.random.set_rng_state(state)


def _tokenizer() -> Any:
    """Byte-level BPE trained on captions, with Qwen's own splitting and marks."""
    from tokenizers import Tokenizer, models, trainers
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    trained = Tokenizer(models.BPE())
    reference = Qwen2Tokenizer().backend_tokenizer
    trained.normalizer, trained.pre_tokenizer = reference.normalizer, reference.pre_tokenizer
    alphabet = sorted(ByteLevel.alphabet())
    options = trainers.BpeTrainer(vocab_size=800, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(CAPTIONS, options)
    model = json.loads(trained.to_str())["model"]
    made = Qwen2Tokenizer(
        vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], model_max_length=131072,
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )  # fmt: skip
    made.chat_template = CHAT_TEMPLATE
    return made


def _template_into_config(folder: Path) -> None:
    """Where Z-Image's own files have it; newer versions of transformers write a file of its own."""
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"chat_template": CHAT_TEMPLATE}
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")


def _text_encoder(vocab_size: int) -> Any:
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(
        hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2,
        head_dim=8, vocab_size=vocab_size, max_position_embeddings=1024,
    )  # fmt: skip
    model = Qwen3Model(config)
    _spread(model, 0.3)  # the library's initial embeddings (0.02) are too faint for a prompt to be seen
    return model


def _transformer() -> Any:
    from diffusers import ZImageTransformer2DModel

    model = ZImageTransformer2DModel(
        in_channels=16, dim=DIM, n_layers=3, n_refiner_layers=2, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
        axes_dims=[8, 4, 4], axes_lens=[1024, 64, 64],
    )  # fmt: skip
    with torch.no_grad():
        for token in (model.x_pad_token, model.cap_pad_token):
            token.normal_()
    return model


def _controlnet() -> Any:
    """As version 2.1: more channels than the autoencoder has, and blocks beside the noise refiner."""
    from diffusers import ZImageControlNetModel

    model = ZImageControlNetModel(
        control_layers_places=[0, 2], control_refiner_layers_places=[0, 1], control_in_dim=33,
        add_control_noise_refiner="control_noise_refiner", dim=DIM, n_refiner_layers=2, n_heads=2, n_kv_heads=2,
    )  # fmt: skip
    with torch.no_grad():  # its outer layers start at zero; a test needs a map that changes the picture
        for name, parameter in model.named_parameters():
            if "before_proj" in name or "after_proj" in name:
                parameter.normal_(0.0, 0.3)
    return model


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        latent_channels=16, block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4, sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        scaling_factor=0.3611, shift_factor=0.1159, mid_block_add_attention=False,
    )  # fmt: skip


def _scheduler() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0)


def _spread(model: Any, deviation: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0.0, deviation)
