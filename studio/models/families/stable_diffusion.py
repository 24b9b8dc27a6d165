"""How UNets of the Stable Diffusion line are called; the order of operations is that of the stock pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from studio.models.architecture import ControlCall, Inputs, Residuals, Text, Unread

if TYPE_CHECKING:
    from torch import Tensor

    from studio.models.families.diffusion_objective import DiffusionObjective
    from studio.records.pose import Framing


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

    def unprompted(self, empty: Text) -> Text:
        """The empty text itself."""
        return empty

    def latent_shape(self, denoiser: Any, vae: Any, framing: Framing) -> tuple[int, int, int]:
        """As many channels as the autoencoder has: an inpainting UNet takes more."""
        factor = int(2 ** (len(vae.config.block_out_channels) - 1))
        return int(vae.config.latent_channels), framing.height_px // factor, framing.width_px // factor

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
        return {"encoder_hidden_states": hidden.to(denoiser.device, denoiser.dtype)}

    def pick(self, inputs: Inputs, rows: Tensor) -> Inputs:
        """Rows of every tensor, those in mappings too."""
        return {
            name: self.pick(dict(value), rows) if isinstance(value, Mapping) else value[rows]
            for name, value in inputs.items()
        }

    def predict(self, denoiser: Any, sample: Tensor, timestep: Tensor, inputs: Inputs, residuals: Residuals) -> Tensor:
        """The last residual belongs to the middle block, the others to the down blocks."""
        added: dict[str, Any] = {}
        if residuals:
            *down, mid = (residuals[place] for place in sorted(residuals))
            added = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        output: Tensor = denoiser(sample.to(denoiser.dtype), timestep, return_dict=False, **inputs, **added)[0]
        return output.float()

    def guided(self, without: Tensor, given: Tensor, scale: Tensor) -> Tensor:
        """Classifier-free guidance (Ho and Salimans 2022)."""
        return without + scale * (given - without)

    @contextmanager
    def controlling(
        self, controlnet: Any, kind: str, pictures: Tensor, denoiser: Any, vae: Any
    ) -> Iterator[ControlCall]:
        """The maps pass the ControlNet's own embedding once, instead of at every step at full resolution."""
        from torch import nn

        embedding = controlnet.controlnet_cond_embedding
        embedded = embedding(pictures.to(controlnet.device, controlnet.dtype))

        def call(sample: Tensor, timestep: Tensor, inputs: Inputs, pictures: Tensor, scale: Tensor) -> Residuals:
            down, mid = controlnet(
                sample.to(controlnet.dtype),
                timestep,
                controlnet_cond=embedded[pictures],
                conditioning_scale=scale.to(controlnet.dtype).view(-1, 1, 1, 1),
                return_dict=False,
                **inputs,
            )
            return dict(enumerate((*down, mid)))

        try:
            controlnet.controlnet_cond_embedding = nn.Identity()
            yield call
        finally:
            controlnet.controlnet_cond_embedding = embedding

    def to_latents(self, vae: Any, encoded: Tensor) -> Tensor:
        """(encoded - shift) * factor, from the autoencoder's config."""
        scaled: Tensor = (encoded - _shift(vae)) * vae.config.scaling_factor
        return scaled

    def from_latents(self, vae: Any, latents: Tensor) -> Tensor:
        """The other way round."""
        unscaled: Tensor = latents / vae.config.scaling_factor + _shift(vae)
        return unscaled

    def objective(self, scheduler: Any, snr_gamma: float | None) -> DiffusionObjective:
        """Noise or velocity, as the scheduler's config says."""
        from studio.models.families.diffusion_objective import DiffusionObjective

        return DiffusionObjective(scheduler, snr_gamma)


def _shift(vae: Any) -> float:
    return float(getattr(vae.config, "shift_factor", None) or 0.0)
