"""One picture with a denoiser that somebody else holds, as it is: the samples that training draws of itself."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from studio.generate.engine.decode import decode
from studio.generate.engine.denoise import Conditions, Networks, denoise
from studio.generate.engine.text import encode_all
from studio.generate.pictures import Watch
from studio.models.cache import ComponentKey, ModelCache
from studio.models.family import computed_in
from studio.records.generation import GenerationRequest


@torch.no_grad()
def sample(cache: ModelCache, denoiser: Any, request: GenerationRequest, *, device: str, dtype: str) -> Image.Image:
    """Draw a request without pose control, with whatever adapters are on the denoiser.

    The caller holds the denoiser; the other components come from the cache. No global random state is touched.

    Raises:
        FaultsError: a prompt that is longer than the base reads.
    """
    architecture = cache.registry.family(request.base).architecture

    def key(component: str) -> ComponentKey:
        return ComponentKey(request.base, component, computed_in(component, dtype), device)

    names = architecture.text_parts
    with cache.use_all(*map(key, names)) as parts:
        texts = encode_all(
            architecture, dict(zip(names, parts, strict=True)), (request.prompt, request.negative_prompt)
        )
    with cache.use_all(key("scheduler"), key("vae")) as (scheduler, vae):
        networks = Networks(architecture, denoiser, vae, scheduler)
        known = {(request.base, text): embedding for text, embedding in texts.items()}
        conditions = Conditions.of((request,), known, networks)
        return decode(architecture, vae, denoise(networks, conditions, (), (0,), Watch()))[0]
