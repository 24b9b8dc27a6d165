"""References: pictures that are looked at beside the text, each encoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from studio.generate.engine.denoise import Conditions
from studio.generate.pictures import ReadPicture
from studio.models.architecture import REFERENCE
from studio.models.cache import ComponentKey, ModelCache
from studio.models.family import IMAGE_ENCODER
from studio.models.placement import device_of, dtype_of
from studio.records.generation import GenerationRequest

if TYPE_CHECKING:
    from studio.models.ip_adapter import IPAdapter

Tokens = Mapping[tuple[str, str], Tensor]
"""(base, sha256 of a picture) -> its tokens, (2, T, D): first those that go with the negative prompt."""


def encode_references(
    cache: ModelCache, requests: Sequence[GenerationRequest], read: ReadPicture,
    key: Callable[[str, str], ComponentKey], patience_s: float | None,
) -> dict[tuple[str, str], Tensor]:  # fmt: skip
    """The tokens of every reference picture of the requests; the image encoder is not needed again afterwards.

    Args:
        key: names a component of a base or add-on in the cache.

    Raises:
        CapabilityError: a base keeps to no reference, or has an IP-Adapter that does not fit its image encoder.
        NotFoundError, InputError: a picture cannot be read.
    """
    found: dict[tuple[str, str], Tensor] = {}
    for base in dict.fromkeys(r.base for r in requests if r.reference is not None):
        addon = cache.registry.reference(base)
        pictures = dict.fromkeys(r.reference.picture_sha256 for r in requests if r.reference and r.base == base)
        adapter, encoder = key(addon.name, addon.component), key(addon.name, IMAGE_ENCODER)
        digests = tuple(header.sha256 for header in cache.registry.weights(addon.name).values())

        def make(missing: Sequence[Any], adapter: Any = adapter, encoder: Any = encoder) -> list[Tensor]:
            with cache.use_all(adapter, encoder, patience_s=patience_s) as (network, reader):
                tokens: list[Tensor] = network.encode(reader, (read(sha256).convert("RGB") for *_, sha256 in missing))
            return tokens

        tokens = cache.encodings.get([(adapter, digests, sha256) for sha256 in pictures], make)
        found |= {(base, sha256): value for sha256, value in zip(pictures, tokens, strict=True)}
    return found


def looking(adapters: Sequence[IPAdapter], denoiser: Any) -> AbstractContextManager[None]:
    """The denoiser with an IP-Adapter's layers on it; as it is where there is none."""
    return adapters[0].on(denoiser) if adapters else nullcontext()


def with_references(conditions: Conditions, tokens: Tokens, denoiser: Any) -> Conditions:
    """The conditions with each picture's reference and scale; as they are where no picture has one."""
    asked = [(tokens[r.base, r.reference.picture_sha256], r.reference) for r in conditions.requests if r.reference]
    if not asked:
        return conditions
    guided, device, dtype = conditions.guidance_scale is not None, device_of(denoiser), dtype_of(denoiser)
    rows = [own[:1] for own, _ in asked] if guided else []
    rows += [own[1:] for own, _ in asked]
    scales = [reference.ip_adapter_scale for _, reference in asked] * (2 if guided else 1)
    reference = {
        "tokens": torch.cat(rows).to(device, dtype),
        "scale": torch.tensor(scales, device=device, dtype=dtype).view(-1, 1, 1),
    }
    return replace(conditions, inputs={**conditions.inputs, REFERENCE: reference})
