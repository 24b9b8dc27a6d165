"""How Z-Image's networks are called; the order of operations is that of the stock pipelines.

A single stream: picture tokens (patches of 2x2 latents) and text tokens pass the same layers, each part padded to a
multiple of 32 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from studio.models.architecture import ControlCall, Inputs, Residuals, Scales, Text, Unread, added
from studio.models.families.autoencoder import from_latents, latent_shape, to_latents
from studio.models.placement import device_of, dtype_of
from studio.models.prompt_frame import PromptFrame

if TYPE_CHECKING:
    from torch import Tensor

    from studio.models.families.flow_objective import FlowObjective
    from studio.records.pose import Framing

FRAME = PromptFrame("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", 512)
"""What Qwen3's chat template makes of a prompt, and max_sequence_length, as ZImagePipeline asks for them; the words
stand in ComfyUI too (comfy/text_encoders/z_image.py). Written here so that no template of a model's folder is run."""
PATCH = 2
PAD_TOKENS = 32
"""SEQ_MULTI_OF of diffusers/models/transformers/transformer_z_image.py."""
_LENT = (
    "t_scale", "t_embedder", "all_x_embedder", "cap_embedder", "rope_embedder", "noise_refiner", "context_refiner",
    "x_pad_token", "cap_pad_token",
)  # fmt: skip
"""What ZImageControlNetModel.from_transformer takes of the transformer."""


class ZImage:
    """A Qwen3 text encoder, a single-stream transformer, an AutoencoderKL. Text: `hidden` (1, T, D), T as it comes."""

    denoiser = "transformer"
    text_parts: tuple[str, ...] = ("tokenizer", "text_encoder")
    multiple_px = 16

    def unread(self, parts: Mapping[str, Any], text: str) -> Unread | None:
        """512 tokens with the chat's words around the prompt."""
        limit = FRAME.limit or 0
        found = parts["tokenizer"](FRAME.around(text), return_offsets_mapping=True, truncation=False, verbose=False)
        if len(found.input_ids) <= limit:
            return None
        return Unread(len(found.input_ids), limit, FRAME.unread(text, found.offset_mapping, limit))

    def encode(self, parts: Mapping[str, Any], text: str) -> Text:
        """The layer before the last. Stock pads to 512 and drops the padding again; a causal encoder never sees it."""
        tokens, encoder = parts["tokenizer"](FRAME.around(text), return_tensors="pt"), parts["text_encoder"]
        found = encoder(
            input_ids=tokens.input_ids.to(encoder.device),
            attention_mask=tokens.attention_mask.to(encoder.device),
            output_hidden_states=True,
            use_cache=False,
        )
        return {"hidden": found.hidden_states[-2]}

    def blank_text(self, denoiser: Any) -> Text:
        """Zeros of the greatest length that is read."""
        import torch

        return {"hidden": torch.zeros(1, FRAME.limit or 0, denoiser.config.cap_feat_dim)}

    def unprompted(self, empty: Text) -> Text:
        """The empty text itself."""
        return empty

    def latent_shape(self, denoiser: Any, vae: Any, framing: Framing) -> tuple[int, int, int]:
        """As the autoencoder makes them."""
        return latent_shape(vae, framing)

    def timesteps(self, scheduler: Any, steps: int, shape: tuple[int, int, int], device: Any) -> Tensor:
        """From 1 to 1/steps in equal parts, then shifted as the scheduler does."""
        from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas

        config, tokens = scheduler.config, shape[1] // PATCH * (shape[2] // PATCH)
        ends = config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift
        scheduler.set_timesteps(
            sigmas=get_default_z_image_sigmas(steps), mu=calculate_shift(tokens, *ends), device=device
        )
        timesteps: Tensor = scheduler.timesteps
        return timesteps

    def noised(self, scheduler: Any, latents: Tensor | None, noise: Tensor, timestep: Tensor) -> Tensor:
        """On the line between picture and noise; a run starts at noise itself."""
        if latents is None:
            return noise
        mixed: Tensor = scheduler.scale_noise(latents, timestep.reshape(1), noise)
        return mixed

    def model_input(self, scheduler: Any, latents: Tensor, timestep: Tensor) -> Tensor:
        """As they are."""
        return latents

    def inputs(self, denoiser: Any, texts: Sequence[Text], framings: Sequence[Framing]) -> Inputs:
        """The texts, each as long as it is, and the padded length of the longest."""
        hidden = [text["hidden"][0].to(device_of(denoiser), dtype_of(denoiser)) for text in texts]
        return {"cap_feats": hidden, "longest": max(_padded(len(text)) for text in hidden)}

    def pick(self, inputs: Inputs, rows: Tensor) -> Inputs:
        """The texts of some rows; the longest stays that of all, so that residuals keep one length."""
        return inputs | {"cap_feats": [inputs["cap_feats"][row] for row in rows.tolist()]}

    def predict(self, denoiser: Any, sample: Tensor, timestep: Tensor, inputs: Inputs, residuals: Residuals) -> Tensor:
        """Negated, because the network counts time from noise to picture."""
        import torch

        texts = inputs["cap_feats"]
        length = _picture_tokens(sample) + max(_padded(len(text)) for text in texts)
        output = denoiser(
            _as_list(sample, denoiser),
            _time(sample, timestep),
            texts,
            controlnet_block_samples={place: value[:, :length] for place, value in residuals.items()} or None,
            return_dict=False,
        )[0]
        return -torch.stack(output).float().squeeze(2)

    def guided(self, without: Tensor, given: Tensor, scale: Tensor) -> Tensor:
        """One more than the usual formula at the same scale: it counts from the prompt, not from the empty text."""
        return given + scale * (given - without)

    @contextmanager
    def controlling(
        self, controlnet: Any, kinds: Sequence[str], pictures: Sequence[Tensor], denoiser: Any, vae: Any
    ) -> Iterator[ControlCall]:
        """The maps pass the autoencoder once; the ControlNet borrows the transformer's first layers meanwhile."""
        import torch

        maps = [_encoded(picture, controlnet, vae) for picture in pictures]

        def call(sample: Tensor, timestep: Tensor, inputs: Inputs, pictures: Tensor, scales: Scales) -> Residuals:
            length = _picture_tokens(sample) + inputs["longest"]

            def of_map(place: int) -> Residuals:
                scale = torch.tensor([row[place] for row in scales], device=sample.device, dtype=dtype_of(controlnet))
                found = controlnet(
                    _as_list(sample, controlnet),
                    _time(sample, timestep),
                    inputs["cap_feats"],
                    list(maps[place][pictures].unbind()),
                    conditioning_scale=scale.view(-1, 1, 1),
                )
                return {layer: _lengthened(value, length) for layer, value in found.items()}

            return added(of_map(place) for place in range(len(maps)))

        with _lent(controlnet, denoiser):
            yield call

    def to_latents(self, vae: Any, encoded: Tensor) -> Tensor:
        """(encoded - shift) * factor, from the autoencoder's config."""
        return to_latents(vae, encoded)

    def from_latents(self, vae: Any, latents: Tensor) -> Tensor:
        """The other way round."""
        return from_latents(vae, latents)

    def objective(self, scheduler: Any, snr_gamma: float | None) -> FlowObjective:
        """Flow matching; `predict` is negated already, as in diffusers' own training script."""
        from studio.models.families.flow_objective import FlowObjective

        return FlowObjective(scheduler, snr_gamma, self.multiple_px**2)


@contextmanager
def _lent(controlnet: Any, denoiser: Any) -> Iterator[None]:
    """A ControlNet with the layers that it shares with the transformer; its weights file does not hold them."""
    before = {name: getattr(controlnet, name) for name in _LENT}
    try:
        type(controlnet).from_transformer(controlnet, denoiser)
        yield
    finally:
        for name, value in before.items():
            setattr(controlnet, name, value)


def _encoded(picture: Tensor, controlnet: Any, vae: Any) -> Tensor:
    """Maps (B, 3, H, W) in [0, 1] as the ControlNet takes them, (B, C, 1, h, w): channels that it has beyond the
    autoencoder's are for inpainting and stay zero.
    """
    import torch

    pixels = (picture * 2 - 1).to(vae.device, vae.dtype)
    latents = to_latents(vae, torch.cat([vae.encode(one[None]).latent_dist.mode() for one in pixels]))
    more = controlnet.config.control_in_dim - latents.shape[1]
    padded = torch.nn.functional.pad(latents, (0, 0, 0, 0, 0, more))
    return padded.unsqueeze(2).to(device_of(controlnet), dtype_of(controlnet))


def _as_list(sample: Tensor, network: Any) -> list[Tensor]:
    """(rows, C, h, w) -> each (C, 1, h, w): the network takes pictures as videos of one frame."""
    return list(sample.to(network.dtype).unsqueeze(2).unbind())


def _time(sample: Tensor, timestep: Tensor) -> Tensor:
    """0 at noise, 1 at the picture, for every row; 1000 is written in the stock pipelines too."""
    return ((1000 - timestep) / 1000).expand(len(sample))


def _picture_tokens(sample: Tensor) -> int:
    return _padded(sample.shape[-2] // PATCH * (sample.shape[-1] // PATCH))


def _padded(tokens: int) -> int:
    return -(-tokens // PAD_TOKENS) * PAD_TOKENS


def _lengthened(value: Tensor, length: int) -> Tensor:
    """(rows, L, D) with zeros behind, where the rows of a call have shorter texts than others of the batch."""
    import torch

    return torch.nn.functional.pad(value, (0, 0, 0, length - value.shape[1]))
