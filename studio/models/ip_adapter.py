"""IPAdapter: layers by which a denoiser of the Stable Diffusion line looks at a picture beside the text.

The weights stand apart from the denoiser and are put on it for the time of a batch. What they compute is diffusers' own
`IPAdapterAttnProcessor2_0`; against its `load_ip_adapter` the picture is projected once instead of at every step, and
each row of a batch has a scale of its own. T is the number of tokens that a picture becomes, D their width.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers.loaders.unet import UNet2DConditionLoadersMixin
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import ImageProjection
from torch import Tensor, nn

from studio.errors import CapabilityError, GateError

if TYPE_CHECKING:
    from PIL.Image import Image

LAYER_KEY = re.compile(r"(\d+)\.to_([kv])_ip\.weight")
LAYOUTS = ("proj.weight", "proj.3.weight", "latents")
"""What tells the layouts that are read apart: the simple one, "full", "plus" with its resampler. The others are made
for faces, and read what only insightface computes."""
GET_ANOTHER = "Pull the IP-Adapter of this base again, or put its original file back."


class _Keys(nn.Module):
    """Keys of a reference: (rows, T, D) -> (rows, T, width of the layer)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, reference: Mapping[str, Tensor]) -> Tensor:
        return nn.functional.linear(reference["tokens"], self.weight)


class _Values(_Keys):
    """Values of a reference. A row's scale is a factor of its values: attention is linear in them."""

    def forward(self, reference: Mapping[str, Tensor]) -> Tensor:
        return super().forward(reference) * reference["scale"]


class _Attention(IPAdapterAttnProcessor2_0):
    """One layer's attention to text and reference: `encoder_hidden_states` is (text, [reference])."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        with torch.device("meta"):  # its own random layers are replaced below
            super().__init__(keys.shape[0], keys.shape[1])  # type: ignore[no-untyped-call]
        self.to_k_ip, self.to_v_ip = nn.ModuleList([_Keys(keys)]), nn.ModuleList([_Values(values)])


class IPAdapter(nn.Module):
    """One adapter.

    Args:
        file_name: for messages.
        projection: features of an image encoder -> (1, T, D).
        layers: keys and values of each cross-attention, both (width, D), in the order of the denoiser's processors.
    """

    def __init__(self, file_name: str, projection: nn.Module, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.file_name = file_name
        self.projection = projection
        self._shapes = [(int(keys.shape[0]), int(keys.shape[1])) for keys, _ in layers]
        self.layers = nn.ModuleList(_Attention(keys, values) for keys, values in layers)

    @torch.no_grad()
    def encode(self, encoder: Any, pictures: Iterable[Image]) -> list[Tensor]:
        """The tokens of each picture, (2, T, D): first those of no picture, which go with the negative prompt.

        Args:
            encoder: a CLIPVisionModelWithProjection.

        Raises:
            CapabilityError: the adapter was made for another image encoder.
        """
        from transformers import CLIPImageProcessor

        self._check_encoder(encoder)
        side = encoder.config.image_size
        processor: Any = CLIPImageProcessor(size=side, crop_size=side)
        nothing: Tensor | None = None
        found = []
        for picture in pictures:
            pixels = processor(picture, return_tensors="pt").pixel_values.to(encoder.device, encoder.dtype)
            features = self._features(encoder, pixels)
            if nothing is None:  # as stock: no features at all, or those of a picture of zeros
                pooled = isinstance(self.projection, ImageProjection)
                empty = torch.zeros_like(features) if pooled else self._features(encoder, torch.zeros_like(pixels))
                nothing = self.projection(empty)
            found.append(torch.cat([nothing, self.projection(features)]))
        return found

    @contextmanager
    def on(self, denoiser: Any) -> Iterator[None]:
        """Run the body with the layers on a UNet. Its own are back afterwards, the very same ones.

        Raises:
            CapabilityError: the adapter was made for another family of bases; the UNet is untouched.
        """
        names = [name for name in denoiser.attn_processors if name.endswith("attn2.processor")]
        attentions = [denoiser.get_submodule(name.removesuffix(".processor")) for name in names]
        self._check_fit([(a.inner_dim, a.cross_attention_dim) for a in attentions])
        before = [attention.processor for attention in attentions]
        try:
            for attention, layer in zip(attentions, self.layers, strict=True):
                attention.set_processor(layer)
            yield
        finally:
            for attention, processor in zip(attentions, before, strict=True):
                attention.set_processor(processor)

    def _features(self, encoder: Any, pixels: Tensor) -> Tensor:
        if isinstance(self.projection, ImageProjection):
            pooled: Tensor = encoder(pixels).image_embeds
            return pooled
        patches: Tensor = encoder(pixels, output_hidden_states=True).hidden_states[-2]
        return patches

    def _check_encoder(self, encoder: Any) -> None:
        own, needed = encoder.config.hidden_size, _width_in(self.projection)
        if isinstance(self.projection, ImageProjection):
            own = encoder.config.projection_dim
        if own != needed:
            raise CapabilityError(
                f"{self.file_name} reads {needed} features of a picture, the image encoder beside it gives {own}.",
                "It was made for another image encoder; pull the IP-Adapter again with its own.",
            )

    def _check_fit(self, shapes: list[tuple[int, int]]) -> None:
        if self._shapes != shapes:
            own, theirs = _told(self._shapes), _told(shapes)
            raise CapabilityError(
                f"{self.file_name} was made for another family of bases: it has {own}, this base has {theirs}.",
                "Pull the IP-Adapter that is named for this base's family.",
            )


def read_ip_adapter(folder: Path, *, dtype: torch.dtype, device: str) -> IPAdapter:
    """The adapter in a folder that has passed the gate: one safetensors file as its authors publish it, with
    `image_proj.*` and `ip_adapter.*`.

    Raises:
        GateError: there is not exactly one file.
        CapabilityError: it holds no IP-Adapter, or one of a layout that is not read here.
    """
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise GateError(f"{folder.name}/ holds {len(files)} weights files; an IP-Adapter is one.", GET_ANOTHER)
    name = f"{folder.name}/{files[0].name}"
    parts: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, value in load_file(files[0]).items():
        part, _, rest = key.partition(".")
        if part not in parts:
            raise CapabilityError(f"{name} is no IP-Adapter: it holds {key[:80]!r}.", GET_ANOTHER)
        parts[part][rest] = value
    projection, layers = _projection(parts["image_proj"], name), _layers(parts["ip_adapter"], name)
    if any(keys.shape[1] != _width_out(projection) for keys, _ in layers):
        raise CapabilityError(f"{name} does not fit together: its layers read other tokens than it makes.", GET_ANOTHER)
    return IPAdapter(name, projection, layers).requires_grad_(False).eval().to(device, dtype)


def _projection(tensors: Mapping[str, Tensor], name: str) -> nn.Module:
    """Features to tokens; diffusers knows how the published layouts are called in its own classes."""
    if not any(key in tensors for key in LAYOUTS):
        raise CapabilityError(
            f"{name} is an IP-Adapter of a layout that is not read here; those for faces are not.",
            "Use a plain one, a plus one, or a full-face one.",
        )
    convert: Any = UNet2DConditionLoadersMixin()._convert_ip_adapter_image_proj_to_diffusers
    try:
        made: nn.Module = convert(dict(tensors), low_cpu_mem_usage=False)
    except (LookupError, ArithmeticError, RuntimeError) as error:
        what = f"{name} is not whole: its projection cannot be read ({error!s:.200})."
        raise CapabilityError(what, GET_ANOTHER) from error
    return made


def _layers(tensors: Mapping[str, Tensor], name: str) -> list[tuple[Tensor, Tensor]]:
    """Keys and values by their odd numbers: the even ones would be self-attention."""
    found: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        match = LAYER_KEY.fullmatch(key)
        if match is None or value.dim() != 2:
            raise CapabilityError(f"{name} is no IP-Adapter that is read here: it holds {key[:80]!r}.", GET_ANOTHER)
        found.setdefault(int(match[1]), {})[match[2]] = value
    numbers = sorted(found)
    whole = all(set(layer) == {"k", "v"} and layer["k"].shape == layer["v"].shape for layer in found.values())
    if not numbers or numbers != list(range(1, 2 * len(numbers), 2)) or not whole:
        raise CapabilityError(f"{name} is not whole: layers are missing.", GET_ANOTHER)
    return [(found[number]["k"], found[number]["v"]) for number in numbers]


def _width_in(projection: Any) -> int:
    match type(projection).__name__:
        case "ImageProjection":
            return int(projection.image_embeds.in_features)
        case "IPAdapterFullImageProjection":
            return int(projection.ff.net[0].proj.in_features)
        case _:
            return int(projection.proj_in.in_features)


def _width_out(projection: Any) -> int:
    norm = projection.norm_out if hasattr(projection, "norm_out") else projection.norm
    return int(norm.normalized_shape[0])


def _told(shapes: Sequence[tuple[int, int]]) -> str:
    widths = ", ".join(str(width) for width in sorted({shape[1] for shape in shapes}))
    return f"{len(shapes)} layers for tokens of {widths}"
