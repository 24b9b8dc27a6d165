"""Tiny real pipelines of SD1.5's, SDXL's and Z-Image's classes, and LoRA files for them in every layout.

The files are written here from the models' own module names, not by the code under test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from studio.models.lora_file import LoraFile
from studio.models.lora_slot import loras_applied
from tests.tiny_base import build_tokenizer

Matrices = dict[str, tuple[Tensor, Tensor]]
"""Module -> down and up."""


class Made(NamedTuple):
    """Random LoRA matrices for one component of a pipeline, with the alpha of each layer."""

    matrices: Matrices
    alphas: dict[str, float]


def sd15() -> Any:
    """A StableDiffusionPipeline with SD1.5's block types, in 32 px."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(1)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16, 16), layers_per_block=2, cross_attention_dim=32,
        attention_head_dim=4, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    pipe = StableDiffusionPipeline(
        vae=_vae(), text_encoder=_text_encoder("CLIPTextModel"), tokenizer=build_tokenizer(), unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    return _quiet(pipe)


def sdxl() -> Any:
    """A StableDiffusionXLPipeline with SDXL's block types, both text encoders, in 32 px."""
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(2)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16, 16), layers_per_block=2, cross_attention_dim=64,
        attention_head_dim=(2, 4, 4), norm_num_groups=4, transformer_layers_per_block=(1, 1, 2),
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=80,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    pipe = StableDiffusionXLPipeline(
        vae=_vae(), text_encoder=_text_encoder("CLIPTextModel"), tokenizer=build_tokenizer(), unet=unet,
        text_encoder_2=_text_encoder("CLIPTextModelWithProjection"), tokenizer_2=build_tokenizer(),
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1), add_watermarker=False,
    )  # fmt: skip
    return _quiet(pipe)


def z_image() -> Any:
    """A ZImageTransformer2DModel of two layers."""
    from diffusers import ZImageTransformer2DModel

    torch.manual_seed(3)
    model = ZImageTransformer2DModel(
        in_channels=4, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
        axes_dims=[4, 4, 8], axes_lens=[64, 16, 16],
    )  # fmt: skip
    with torch.no_grad():  # the library leaves its padding tokens uninitialised
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.1)
    return model.requires_grad_(False).eval()


def ask(model: Any) -> Tensor:
    """What a Z-Image transformer answers."""
    rng = torch.Generator().manual_seed(5)
    latents, text = torch.randn(4, 1, 8, 8, generator=rng), torch.randn(7, 16, generator=rng)
    with torch.no_grad():
        return torch.stack(list(model([latents], torch.tensor([0.4]), [text], return_dict=False)[0]))


def draw(pipe: Any) -> Tensor:
    """A picture of the pipeline, (1, 32, 32, 3)."""
    generator = torch.Generator().manual_seed(7)
    picture = pipe(
        "a navy dress, standing", negative_prompt="blurred", num_inference_steps=2, height=16, width=16,
        generator=generator, output_type="np",
    ).images  # fmt: skip
    return torch.from_numpy(picture)


def random_lora(model: nn.Module, modules: Sequence[str], *, ranks: Sequence[int], alphas: Sequence[float]) -> Made:
    """Matrices for these modules; ranks and alphas are dealt out in turn."""
    rng = torch.Generator().manual_seed(len(modules))
    made = Made({}, {})
    for number, name in enumerate(modules):
        weight: Any = model.get_submodule(name).weight
        rank = ranks[number % len(ranks)]
        down = torch.randn(rank, *weight.shape[1:], generator=rng) * 0.3
        up = torch.randn(weight.shape[0], rank, *[1] * (weight.dim() - 2), generator=rng) * 0.3
        made.matrices[name] = down, up
        made.alphas[name] = alphas[number % len(alphas)]
    return made


def attention(model: nn.Module) -> list[str]:
    """The projections of all attentions, as LoRAs usually change them."""
    ends = (".to_q", ".to_k", ".to_v", ".to_out.0")
    return [name for name, _ in model.named_modules() if name.endswith(ends)]


def every_layer(model: nn.Module) -> list[str]:
    """All linear layers and convolutions inside blocks, as LoCon changes them."""
    kinds = nn.Linear, nn.Conv2d
    return [name for name, module in model.named_modules() if isinstance(module, kinds) and "block" in name]


def text_layers(encoder: nn.Module) -> list[str]:
    """The projections and the feed-forward layers of a text encoder."""
    return [name for name, m in encoder.named_modules() if isinstance(m, nn.Linear) and "layers" in name]


def kohya(prefix: str, made: Made, *, rename: Mapping[str, str] | None = None) -> dict[str, Tensor]:
    """Tensors as kohya's trainer names them."""
    tensors: dict[str, Tensor] = {}
    for name, (down, up) in made.matrices.items():
        key = f"{prefix}_{(rename or {}).get(name, name).replace('.', '_')}"
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up}
        tensors[f"{key}.alpha"] = torch.tensor(made.alphas[name])
    return tensors


def peft(prefix: str, made: Made) -> dict[str, Tensor]:
    """Tensors as peft and diffusers name them; alphas are not said."""
    tensors: dict[str, Tensor] = {}
    for name, (down, up) in made.matrices.items():
        tensors |= {f"{prefix}{name}.lora_A.weight": down, f"{prefix}{name}.lora_B.weight": up}
    return tensors


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str] | None = None) -> Path:
    """A safetensors file."""
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path, dict(header or {}) or None)
    return path


def in_our_slots(
    pipe: Any, stack: Sequence[tuple[LoraFile, float]], *, merge: bool = False
) -> AbstractContextManager[None]:
    """The pipeline with these LoRAs in the slots of all its components, or in their weights."""
    return loras_applied(pipe.components, stack, merge=merge)


@contextmanager
def merged(model: nn.Module, *loras: tuple[Made, float]) -> Iterator[None]:
    """The definition: weight + adapter_weight * alpha / r * up @ down, in the model's own weights for a while."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        with torch.no_grad():
            for made, adapter_weight in loras:
                for name, (down, up) in made.matrices.items():
                    weight: Any = model.get_submodule(name).weight
                    change = (up.flatten(1) @ down.flatten(1)).view_as(weight)
                    weight += adapter_weight * made.alphas[name] / down.shape[0] * change
        yield
    finally:
        model.load_state_dict(before)


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip


def _text_encoder(kind: str) -> Any:
    import transformers

    tokenizer = build_tokenizer()
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length, projection_dim=32, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = getattr(transformers, kind)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0.0, 0.2)
    return model


def _quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    for part in pipe.components.values():
        if isinstance(part, nn.Module):
            part.requires_grad_(False).eval()
    return pipe
