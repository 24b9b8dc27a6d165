"""One picture with a UNet that somebody else holds, as it is: the samples that training draws of itself."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from studio.generate.engine.decode import decode, scale_factor
from studio.generate.engine.denoise import Conditions, denoise
from studio.generate.engine.text import encode_all
from studio.generate.pictures import Watch
from studio.models.cache import ComponentKey, ModelCache
from studio.records.generation import GenerationRequest


@torch.no_grad()
def sample(cache: ModelCache, unet: Any, request: GenerationRequest, *, device: str, dtype: str) -> Image.Image:
    """Draw a request without pose control, with whatever adapters are on the UNet.

    The caller holds the UNet; the other components come from the cache. No global random state is touched.

    Raises:
        FaultsError: a prompt that is longer than the base reads.
    """

    def key(component: str) -> ComponentKey:
        return ComponentKey(request.base, component, dtype, device)

    with cache.use_all(key("tokenizer"), key("text_encoder")) as (tokenizer, encoder):
        texts = encode_all(tokenizer, encoder, (request.prompt, request.negative_prompt))
    with cache.use_all(key("scheduler"), key("vae")) as (scheduler, vae):
        factor = scale_factor(vae)
        size = request.framing.height_px // factor, request.framing.width_px // factor
        known = {(request.base, text): embedding for text, embedding in texts.items()}
        conditions = Conditions.of((request,), known, None, size, unet)
        return decode(vae, denoise(unet, None, vae, scheduler, conditions, (0,), Watch()))[0]
