"""How UNets of the Stable Diffusion line are called; the order of operations is that of the stock pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from studio.models.architecture import REFERENCE, ControlCall, Inputs, Residuals, Scales, Text, Unread, added
from studio.models.families.autoencoder import from_latents, latent_shape, to_latents
from studio.models.family import Loader
from studio.models.few_step import FEW_STEP
from studio.models.loaders import (
    diffusers_model,
    few_step,
    ip_adapter,
    scheduler,
    transformers_model,
    transformers_processor,
)
from studio.models.placement import device_of, dtype_of

if TYPE_CHECKING:
    from torch import Tensor

    from studio.models.families.diffusion_objective import DiffusionObjective
    from studio.records.pose import Framing

CLIP_TOKENS = 77
COMPONENTS: Mapping[str, Loader] = MappingProxyType(
    {
        "unet": diffusers_model("UNet2DConditionModel"),
        "controlnet": diffusers_model("ControlNetModel"),
        "vae": diffusers_model("AutoencoderKL"),
        "text_encoder": transformers_model("CLIPTextModel"),
        "tokenizer": transformers_processor("CLIPTokenizer"),
        "image_encoder": transformers_model("CLIPVisionModelWithProjection"),
        "ip_adapter": ip_adapter,
        "tiny_autoencoder": diffusers_model("AutoencoderTiny"),
        "scheduler": scheduler,
        FEW_STEP: few_step,
    }
)
"""What all families of this line are made of."""
LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""The attention layers, as diffusers' own training scripts choose them."""


class StableDiffusion:
    """One CLIP text encoder, a UNet, ControlNets that add to its blocks, an AutoencoderKL. Text: `hidden` (1, T, D)."""

    denoiser = "unet"
    text_parts: tuple[str, ...] = ("tokenizer", "text_encoder")
    multiple_px = 8

    def unread(self, parts: Mapping[str, Any], text: str) -> Unread | None:
        """CLIP reads `model_max_length` tokens, begin and end included."""
        tokenizer = parts["tokenizer"]
        ids, limit = tokenizer(text, truncation=False, verbose=False).input_ids, tokenizer.model_max_length
        if len(ids) <= limit:
            return None
        return Unread(len(ids), limit, tokenizer.decode(ids[limit - 1 : -1], skip_special_tokens=True))

    def encode(self, parts: Mapping[str, Any], text: str) -> Text:
        """Padded to full length, no mask unless the encoder's config asks."""
        tokenizer, encoder = parts["tokenizer"], parts["text_encoder"]
        tokens = tokenizer(text, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
        mask = tokens.attention_mask.to(encoder.device) if getattr(encoder.config, "use_attention_mask", None) else None
        return {"hidden": encoder(tokens.input_ids.to(encoder.device), attention_mask=mask)[0]}

    def blank_text(self, denoiser: Any) -> Text:
        """Zeros, of the 77 tokens that CLIP reads."""
        import torch

        return {"hidden": torch.zeros(1, CLIP_TOKENS, denoiser.config.cross_attention_dim)}

    def unprompted(self, empty: Text) -> Text:
        """The empty text itself."""
        return empty

    def latent_shape(self, denoiser: Any, vae: Any, framing: Framing) -> tuple[int, int, int]:
        """As the autoencoder makes them."""
        return latent_shape(vae, framing)

    def timesteps(self, scheduler: Any, steps: int, shape: tuple[int, int, int], device: Any) -> Tensor:
        """The scheduler's own."""
        scheduler.set_timesteps(steps, device=device)
        timesteps: Tensor = scheduler.timesteps
        return timesteps

    def noised(self, scheduler: Any, latents: Tensor | None, noise: Tensor, timestep: Tensor) -> Tensor:
        """The scheduler's own mixture; a run's start is noise times its first sigma."""
        mixed: Tensor
        if latents is None:
            mixed = noise * scheduler.init_noise_sigma
        else:
            mixed = scheduler.add_noise(latents, noise, timestep.reshape(1))
        return mixed

    def model_input(self, scheduler: Any, latents: Tensor, timestep: Tensor) -> Tensor:
        """Scaled where the scheduler counts in sigmas."""
        scaled: Tensor = scheduler.scale_model_input(latents, timestep)
        return scaled

    def inputs(self, denoiser: Any, texts: Sequence[Text], framings: Sequence[Framing]) -> Inputs:
        """The texts."""
        import torch

        hidden = torch.cat([text["hidden"] for text in texts])
        return {"encoder_hidden_states": hidden.to(device_of(denoiser), dtype_of(denoiser))}

    def pick(self, inputs: Inputs, rows: Tensor) -> Inputs:
        """Rows of every tensor, those in mappings too."""
        return {
            name: self.pick(dict(value), rows) if isinstance(value, Mapping) else value[rows]
            for name, value in inputs.items()
        }

    def predict(self, denoiser: Any, sample: Tensor, timestep: Tensor, inputs: Inputs, residuals: Residuals) -> Tensor:
        """The last residual belongs to the middle block, the others to the down blocks."""
        control: dict[str, Any] = {}
        if residuals:
            *down, mid = (residuals[place] for place in sorted(residuals))
            control = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        given = _with_reference(inputs)
        output: Tensor = denoiser(sample.to(dtype_of(denoiser)), timestep, return_dict=False, **given, **control)[0]
        return output.float()

    def guided(self, without: Tensor, given: Tensor, scale: Tensor) -> Tensor:
        """Classifier-free guidance (Ho and Salimans 2022)."""
        return without + scale * (given - without)

    @contextmanager
    def controlling(
        self, controlnet: Any, kinds: Sequence[str], pictures: Sequence[Tensor], denoiser: Any, vae: Any
    ) -> Iterator[ControlCall]:
        """The maps pass the ControlNet's own embedding once, instead of at every step at full resolution."""
        import torch

        with embedded_once(controlnet, pictures) as maps:

            def call(sample: Tensor, timestep: Tensor, inputs: Inputs, pictures: Tensor, scales: Scales) -> Residuals:
                def of_map(place: int) -> Residuals:
                    own = [row[place] for row in scales]
                    if not any(own):
                        return {}
                    scale = torch.tensor(own, device=sample.device, dtype=dtype_of(controlnet))
                    down, mid = controlnet(
                        sample.to(dtype_of(controlnet)),
                        timestep,
                        controlnet_cond=maps[place][pictures],
                        conditioning_scale=scale.view(-1, 1, 1, 1),
                        return_dict=False,
                        **inputs,
                    )
                    return dict(enumerate((*down, mid)))

                return added(of_map(place) for place in range(len(maps)))

            yield call

    def to_latents(self, vae: Any, encoded: Tensor) -> Tensor:
        """(encoded - shift) * factor, from the autoencoder's config."""
        return to_latents(vae, encoded)

    def from_latents(self, vae: Any, latents: Tensor) -> Tensor:
        """The other way round."""
        return from_latents(vae, latents)

    def objective(self, scheduler: Any, snr_gamma: float | None) -> DiffusionObjective:
        """Noise or velocity, as the scheduler's config says."""
        from studio.models.families.diffusion_objective import DiffusionObjective

        return DiffusionObjective(scheduler, snr_gamma)


@contextmanager
def embedded_once(controlnet: Any, pictures: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Maps as the ControlNet embeds them, (B, C, h, w) each; inside it takes these instead of pictures."""
    from torch import nn

    embedding = controlnet.controlnet_cond_embedding
    embedded = [embedding(picture.to(device_of(controlnet), dtype_of(controlnet))) for picture in pictures]
    try:
        controlnet.controlnet_cond_embedding = nn.Identity()
        yield embedded
    finally:
        controlnet.controlnet_cond_embedding = embedding


def _with_reference(inputs: Inputs) -> Inputs:
    """Text and reference as the pair that the layers of an IP-Adapter take."""
    if REFERENCE not in inputs:
        return inputs
    others = {name: value for name, value in inputs.items() if name != REFERENCE}
    return others | {"encoder_hidden_states": (inputs["encoder_hidden_states"], [inputs[REFERENCE]])}
