"""Trains croquis's UNet, OpenPose ControlNet and IP-Adapter together: `python -m foundry.denoiser --minutes 60`.

All start from nothing and share every step, with the control left out for some pictures and the reference for most, so
that text alone works too; training them afterwards on a frozen UNet would cost the hours again. The text encoder is
finished before and stays frozen. v-prediction with zero terminal SNR: Lin et al. 2024 (arXiv 2305.08891); the loss is
weighted by min-SNR with gamma 5: Hang et al. 2023 (arXiv 2303.09556), over a floor, because view, pose and colours
are decided where noise is high and min-SNR counts least.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from diffusers import ControlNetModel, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from foundry.body import BodyPack
from foundry.fit import FitConfig, Losses, autocast, fit, pick_device, rank, run_workers
from foundry.image_encoder import FOLDER as IMAGE_ENCODER
from foundry.image_encoder import SIDE, build_encoder, pixels
from foundry.ip_adapter import build_adapter, save_adapter
from foundry.latents import Latents
from foundry.scene import FREE, sample_scene
from foundry.swatch import reference
from studio.models.ip_adapter import read_ip_adapter
from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes
from studio.wording import caption

Array = npt.NDArray[Any]
FOLDER = Path("artefacts/denoiser")
TEXT = Path("artefacts/text_encoder")
BASE = Path("presets/bases/croquis")
BATCH = 16
NO_TEXT, NO_CONTROL, JAPANESE, MIN_SNR_GAMMA, WEIGHT_FLOOR = 0.1, 0.15, 0.2, 5.0, 0.3
NAMED_REFERENCE = 0.35
"""Share of pictures that show their reference too where words could name the fabric; elsewhere all do."""
UNSAID = frozenset(ATTRIBUTE_VALUES) - {"fabric", "colour"}
"""What a caption may state where the reference alone shall tell the fabric."""


def build_unet(latent_channels: int) -> UNet2DConditionModel:
    """The UNet at its final shape, random weights."""
    return UNet2DConditionModel(
        sample_size=(32, 24),
        in_channels=latent_channels,
        out_channels=latent_channels,
        # the first level is thin and without attention: most of the work is done at 12x16
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 128, 160),
        layers_per_block=1,
        attention_head_dim=(2, 4, 4),  # diffusers reads this as the number of heads
        cross_attention_dim=192,
        norm_num_groups=16,
    )


def build_controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """A ControlNet of the UNet's shape; three stride-2 steps bring 192x256 to 24x32."""
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16, 32, 64))


def build_scheduler() -> DDIMScheduler:
    """The noise schedule that the weights are trained for and shipped with."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


class References(NamedTuple):
    """Reference pictures of a batch.

    Attributes:
        pixels: (B, 3, SIDE, SIDE), as the image encoder reads them.
        seen: (B,) 0 where the features are zeros, as beside a negative prompt.
        scale: (B,) 0 where there is no reference at all.
    """

    pixels: torch.Tensor
    seen: torch.Tensor
    scale: torch.Tensor


class Denoiser(nn.Module):
    """UNet, ControlNet, IP-Adapter and image encoder as one trainable module."""

    def __init__(self, latent_channels: int) -> None:
        super().__init__()
        self.unet = build_unet(latent_channels)
        self.controlnet = build_controlnet(self.unet)
        self.image_encoder = build_encoder()
        self.adapter = build_adapter(self.unet, self.image_encoder.config.projection_dim)

    def forward(
        self,
        x: torch.Tensor,
        t: torch.Tensor,
        text: torch.Tensor,
        control: torch.Tensor,
        scale: torch.Tensor,
        references: References,
    ) -> Any:
        """v of noisy latents `x` (B, C, h, w); `control` (B, 3, H, W) in [0, 1]; `scale` (B,) 0 or 1."""
        down, middle = self.controlnet(x, t, text, control, return_dict=False)
        factor = scale[:, None, None, None]
        down = [part * factor for part in down]
        features = self.image_encoder(references.pixels).image_embeds * references.seen[:, None]
        look = {"tokens": self.adapter.projection(features), "scale": references.scale[:, None, None]}
        with self.adapter.on(self.unet):
            return self.unet(
                x,
                t,
                (text, [look]),
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle * factor,
            ).sample


def captions(attributes: Array, silent: Array, rng: np.random.Generator) -> list[str]:
    """A fresh phrasing for every picture, some in Japanese, some empty (for guidance).

    Args:
        attributes: (B, A) indices.
        silent: (B,) whether fabric and colour stay unsaid.
    """
    texts = []
    for row, unsaid in zip(attributes, silent, strict=True):
        named = {name: values[int(i)] for (name, values), i in zip(ATTRIBUTE_VALUES.items(), row, strict=True)}
        language = "ja" if rng.random() < JAPANESE else "en"
        text = caption(
            FigureAttributes.model_validate(named), phrasing=int(rng.integers(100_000)), language=language,
            keep=UNSAID if unsaid else None,
        )  # type: ignore[arg-type]  # fmt: skip
        texts.append("" if rng.random() < NO_TEXT else text)
    return texts


class Step:
    """Makes the loss of a step: data, noise and captions all follow from the step number."""

    def __init__(self, model: Denoiser, data: Latents, device: torch.device, batch: int) -> None:
        self.model, self.data, self.device, self.batch = model, data, device, batch
        self.tokenizer = CLIPTokenizer.from_pretrained(TEXT / "tokenizer")
        self.text_encoder = CLIPTextModel.from_pretrained(TEXT / "text_encoder").to(device).eval()
        self.alphas = build_scheduler().alphas_cumprod.to(device)
        self.pack = BodyPack()

    @torch.no_grad()
    def encode(self, texts: list[str]) -> torch.Tensor:
        """(B, L, D) hidden states of captions, padded to the model's length as the stock pipelines do."""
        tokens = self.tokenizer(
            texts,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        return self.text_encoder(tokens.input_ids.to(self.device)).last_hidden_state

    def references(
        self, scenes: list[tuple[str, int]], shown: Array, seen: Array, rng: np.random.Generator
    ) -> References:
        """A picture of each scene's upper fabric where it is shown; black, and never looked at, elsewhere."""
        pictures = np.zeros((len(scenes), SIDE, SIDE, 3), np.uint8)
        for row in np.flatnonzero(shown & seen):
            split, seed = scenes[row]
            pictures[row] = reference(sample_scene(self.pack, seed, split).upper, rng)
        parts = pixels(pictures), torch.from_numpy(seen).float(), torch.from_numpy(shown).float()
        return References(*(part.to(self.device) for part in parts))

    def __call__(self, step: int) -> Losses:
        rng = np.random.default_rng([step, rank(), 11])
        generator = torch.Generator().manual_seed(step * 64 + rank())
        rows = rng.integers(0, len(self.data), self.batch)
        latents, control, attributes = self.data.batch(rows)
        scenes = [self.data.scene(int(row)) for row in rows]
        nameless = np.array([split == FREE for split, _ in scenes])
        looking = nameless | (rng.random(self.batch) < NAMED_REFERENCE)
        texts = captions(attributes, nameless | (looking & (rng.random(self.batch) < 0.5)), rng)
        seen = np.array([text != "" for text in texts]) | (rng.random(self.batch) < 0.5)
        x0 = torch.from_numpy(latents).float().to(self.device)
        noise = torch.randn(x0.shape, generator=generator).to(self.device)
        # one timestep in each of B equal strata: less variance than B independent draws
        strata = (torch.arange(self.batch) + torch.rand(self.batch, generator=generator)) / self.batch
        t = (strata * 1000).long().clamp(max=999).to(self.device)
        alpha = self.alphas[t][:, None, None, None]
        x = alpha.sqrt() * x0 + (1 - alpha).sqrt() * noise
        target = alpha.sqrt() * noise - (1 - alpha).sqrt() * x0
        maps = torch.from_numpy(control).permute(0, 3, 1, 2).float().to(self.device) / 255
        shown = (torch.rand(self.batch, generator=generator) >= NO_CONTROL).float().to(self.device)
        with autocast(self.device):
            references = self.references(scenes, looking, seen, rng)
            v = self.model(x, t, self.encode(texts), maps, shown, references)
        snr = alpha / (1 - alpha).clamp(min=1e-8)
        weight = snr.clamp(max=MIN_SNR_GAMMA) / (snr + 1) + WEIGHT_FLOOR
        return {"v": (weight * (v.float() - target).square()).mean()}


def start_warm(model: Denoiser, base: Path = BASE) -> None:
    """Takes over the shipped weights; a state of this stage's own run, if there is one, comes over them."""
    if (base / "unet").is_dir():
        model.unet.load_state_dict(UNet2DConditionModel.from_pretrained(base / "unet").state_dict())
        model.controlnet.load_state_dict(ControlNetModel.from_pretrained(base / "controlnet").state_dict())
        print(f"UNet and ControlNet start from {base}", flush=True)
    shipped = (base / "ip_adapter").is_dir()
    encoder = (base if shipped else IMAGE_ENCODER) / "image_encoder"
    model.image_encoder.load_state_dict(CLIPVisionModelWithProjection.from_pretrained(encoder).float().state_dict())
    model.adapter = build_adapter(model.unet, model.image_encoder.config.projection_dim)
    if shipped:
        adapter = read_ip_adapter(base / "ip_adapter", dtype=torch.float32, device="cpu")
        model.adapter.load_state_dict(adapter.state_dict())
    print(f"image encoder starts from {encoder}", flush=True)


def train(minutes: float, learning_rate: float, workers: int) -> None:
    """One worker's part of the stage."""
    device = pick_device()
    torch.manual_seed(0)
    data = Latents.open("croquis", FREE)
    model = Denoiser(data.latents[0].shape[1])
    start_warm(model)
    # channels last: 1.11 times as many steps on two AVX2 cores
    model.to(device, memory_format=torch.channels_last)
    sizes = ", ".join(f"{sum(p.numel() for p in part.parameters()) / 1e6:.2f} M" for part in model.children())
    print(f"UNet, ControlNet, image encoder and IP-Adapter {sizes}, {len(data)} renders, {device}", flush=True)
    step = Step(model, data, device, BATCH // workers)
    fit(model, step, FitConfig(FOLDER, minutes, learning_rate, ema_decay=0.998))
    if rank() == 0:
        model.unet.save_pretrained(FOLDER / "unet")
        model.controlnet.save_pretrained(FOLDER / "controlnet")
        model.image_encoder.save_pretrained(FOLDER / "image_encoder")
        save_adapter(model.adapter, FOLDER / "ip_adapter")
        build_scheduler().save_pretrained(FOLDER / "scheduler")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=1 if torch.cuda.is_available() else 2)
    arguments = parser.parse_args()
    run_workers(partial(train, arguments.minutes, arguments.learning_rate, arguments.workers), arguments.workers)


if __name__ == "__main__":
    main()
