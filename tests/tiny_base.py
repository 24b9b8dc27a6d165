"""Builds the tiny base of the tests: croquis' final shape with small random weights, from a fixed seed.

Real diffusers and transformers classes saved by their own `save_pretrained`, so a test that passes on this folder
exercises the path that loads the bundled base. The pictures it draws are noise that answers to prompt, pose and seed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SEED = 20240607
CAPTIONS = (
    "a full-body photo of a woman in her 30s with long black hair, wearing a knee-length navy dots dress with short "
    "sleeves and a crew neckline, standing, front view, white background",
    "a full-body photo of a man in his 50s with short grey hair, wearing a long-sleeved beige knit top with a high "
    "neckline and blue denim trousers, walking, three-quarter view, street background",
    "a photo of a woman in her 20s wearing a sleeveless red floral top and a midi white skirt, sitting, side view",
    "a photo of a man in his 60s wearing a black check jacquard top and brown trousers, arms crossed, back view, park",
    "紺色の水玉のワンピースを着た三十代の女性、正面、立ち姿、白い背景",
    "ベージュのニットと青いデニムのパンツを着た五十代の男性、斜め、歩く、街の背景",
)
MAX_TOKENS = 64
BOS, EOS = "<|startoftext|>", "<|endoftext|>"

CARD = """\
name: croquis
title: Croquis (tiny, random weights)
family: croquis
licence: Apache-2.0
commercial_use: true
licence_source: built by the tests
width_px: 192
height_px: 256
num_inference_steps: 8
guidance_scale: 4.0
training_preset: croquis
"""

MODEL_INDEX = {
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


def build_tiny_base(
    folder: Path, *, seed: int = SEED, latent_channels: int = 8, unet_channels: int | None = None
) -> Path:
    """Write a whole base folder (about 2 MB) and return it. The same seed gives the same weights.

    Args:
        unet_channels: of a UNet that takes more than the latents: one for inpainting takes 2 * latent_channels + 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        tokenizer = build_tokenizer()
        tokenizer.save_pretrained(folder / "tokenizer")
        _text_encoder(tokenizer).save_pretrained(folder / "text_encoder")
        _mark_float32(folder / "text_encoder" / "config.json")
        unet = _unet(unet_channels or latent_channels, latent_channels)
        unet.half().save_pretrained(folder / "unet")
        _controlnet(
            unet.float() if unet_channels is None else _unet(latent_channels, latent_channels)
        ).half().save_pretrained(folder / "controlnet")
        _vae(latent_channels).half().save_pretrained(folder / "vae")
        _scheduler().save_pretrained(folder / "scheduler")
    finally:
        torch.random.set_rng_state(state)
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX, indent=2), encoding="utf-8")
    (folder / "card.yaml").write_text(CARD, encoding="utf-8")
    return folder


def build_tokenizer(captions: tuple[str, ...] = CAPTIONS, *, vocab_size: int = 800) -> Any:
    """A CLIPTokenizer with byte-level BPE trained on captions: every byte, and every byte that ends a word, has an id,
    so that no word in any language is unknown.
    """
    from tokenizers import Tokenizer, models, trainers
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    reference = CLIPTokenizer().backend_tokenizer
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.normalizer, trained.pre_tokenizer = reference.normalizer, reference.pre_tokenizer
    alphabet = sorted(ByteLevel.alphabet())
    trained.train_from_iterator(
        captions,
        trainers.BpeTrainer(
            vocab_size=vocab_size, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False
        ),
    )
    merges = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]]
    words = [*alphabet, *(letter + "</w>" for letter in alphabet), *(left + right for left, right in merges), BOS, EOS]
    vocab = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_TOKENS)


def _text_encoder(tokenizer: Any) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = CLIPTextModel(config)
    with torch.no_grad():  # the library's initial embeddings (0.02) are too faint for a prompt to be seen in 2 layers
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0.0, 0.3)
    return model.half()


def _mark_float32(config: Path) -> None:
    """Without this the text encoder would load as half beside an fp32 UNet, and stock pipelines would crash."""
    values = json.loads(config.read_text(encoding="utf-8"))
    values["dtype"] = "float32"
    config.write_text(json.dumps(values, indent=2), encoding="utf-8")


def _unet(in_channels: int, out_channels: int) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=32, in_channels=in_channels, out_channels=out_channels, cross_attention_dim=32, layers_per_block=1,
        block_out_channels=(16, 32, 32), norm_num_groups=8, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def _controlnet(unet: Any) -> Any:
    from diffusers import ControlNetModel

    model = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 16))
    with torch.no_grad():  # its output layers start at zero; a test needs a pose that changes the picture
        for layer in model.controlnet_cond_embedding.modules():
            if hasattr(layer, "weight"):
                layer.weight.normal_(0.0, 0.3)
        for layer in (model.controlnet_mid_block, *model.controlnet_down_blocks):
            layer.weight.normal_(0.0, 0.05)
    return model


def _vae(latent_channels: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        latent_channels=latent_channels, block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4,
        scaling_factor=0.7,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, sample_size=256,
        mid_block_add_attention=False,
    )  # fmt: skip


def _scheduler() -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing", set_alpha_to_one=True,
        steps_offset=1,  # unused by trailing spacing; stock pipelines warn at any other value
    )  # fmt: skip
