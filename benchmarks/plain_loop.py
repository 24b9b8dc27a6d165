"""A plain LoRA training loop: the inner loop of diffusers' examples/dreambooth/train_dreambooth_lora.py, in one
process, without accelerate, logging and checkpoints.

Every step encodes its photos with the autoencoder and its captions with the text encoder, as that script does unless
told otherwise. Where the script draws from torch's global generator, the random numbers are those that the studio's
trainer draws for the same step, and the LoRA starts from the same matrices: only so can the losses be held equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from studio.records.training import TrainingConfig
from studio.train.loop_adapter import lora_attached
from studio.train.sampler import BatchSampler, derived_seed

MAX_GRAD_NORM = 1.0
"""The script's default."""


class PlainLoop:
    """One optimiser step at a time.

    Args:
        base: a base's folder in diffusers layout.
        photos: (1, 3, H, W) in [-1, 1], all of one size.
        captions: one a photo.
    """

    def __init__(self, base: Path, config: TrainingConfig, photos: Sequence[Tensor], captions: Sequence[str]) -> None:
        self._config, self._photos = config, photos
        self._scheduler = _load(DDPMScheduler, base, "scheduler")
        self._vae = _load(AutoencoderKL, base, "vae").requires_grad_(False)
        self._encoder = _load(CLIPTextModel, base, "text_encoder").requires_grad_(False)
        self._unet = _load(UNet2DConditionModel, base, "unet").requires_grad_(False)
        self._input_ids = _tokenized(base, captions)
        self._parameters = _add_lora(self._unet, config)
        self._optimizer = torch.optim.AdamW(self._parameters, lr=config.learning_rate)
        self._sampler = BatchSampler(
            [photo.shape for photo in photos], batch_size=config.train_batch_size, repeats=1, seed=config.seed
        )

    def step(self, step: int) -> float:
        """Optimiser step number `step`, counted from 1. Returns its loss."""
        places = self._sampler.batch(step - 1)
        rng = torch.Generator().manual_seed(derived_seed(self._config.seed, "step", step - 1))
        timesteps = self._draw_timesteps(len(places), rng)
        pixel_values = torch.cat([self._photos[i] for i in places])
        self._unet.train()

        with torch.no_grad():  # the script builds no graph here either: both networks are frozen
            model_input = self._vae.encode(pixel_values).latent_dist.sample(rng) * self._vae.config.scaling_factor
            encoder_hidden_states = self._encoder(self._input_ids[list(places)])[0]
        noise = torch.randn(model_input.shape, generator=rng)
        noisy_model_input = self._scheduler.add_noise(model_input, noise, timesteps)
        model_pred = self._unet(noisy_model_input, timesteps, encoder_hidden_states, return_dict=False)[0]
        target = noise
        if self._scheduler.config.prediction_type == "v_prediction":
            target = self._scheduler.get_velocity(model_input, noise, timesteps)
        loss = F.mse_loss(model_pred.float(), target.float(), reduction="mean")
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, MAX_GRAD_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.item()

    def _draw_timesteps(self, count: int, rng: torch.Generator) -> Tensor:
        """As the studio's trainer draws them, after its draws for mirroring and caption dropout."""
        torch.rand(2, count, generator=rng)
        places = (torch.arange(count) + torch.rand(count, generator=rng)) / count
        return (places * int(self._scheduler.config.num_train_timesteps)).long()

    def matrices(self) -> dict[str, Tensor]:
        """The LoRA as it is now, by the names that a file holds."""
        named = self._unet.named_parameters()
        return {name.replace(".default.", "."): p.detach() for name, p in named if ".default." in name}


def _load(kind: Any, base: Path, part: str) -> Any:
    return kind.from_pretrained(base, subfolder=part, local_files_only=True)


def _tokenized(base: Path, captions: Sequence[str]) -> Tensor:
    """(N, T): the script's dataset does this in its worker; here it is done beforehand."""
    tokenizer = _load(CLIPTokenizer, base, "tokenizer")
    length = tokenizer.model_max_length
    options = {"padding": "max_length", "max_length": length, "truncation": True, "return_tensors": "pt"}
    input_ids: Tensor = tokenizer(list(captions), **options).input_ids
    return input_ids


def _add_lora(unet: Any, config: TrainingConfig) -> list[torch.nn.Parameter]:
    """peft's LoRA by its own public way, with the matrices that the studio's trainer starts from."""
    with lora_attached(unet, config) as parameters:
        start = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    alpha: Any = config.lora_alpha
    unet.add_adapter(LoraConfig(r=config.lora_rank, lora_alpha=alpha, target_modules=list(config.target_modules)))
    trained = {name: p for name, p in unet.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(start[name.replace(".default.", ".")])
    return list(trained.values())
