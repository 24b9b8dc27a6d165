"""Text to embeddings, each distinct text once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from studio.errors import Fault, FaultsError


@torch.no_grad()
def encode_all(tokenizer: Any, encoder: Any, texts: Iterable[str]) -> dict[str, Tensor]:
    """Text -> embedding (1, T, C). Texts are encoded one by one, so that none depends on its neighbours.

    Raises:
        FaultsError: names every text of which the encoder would not read the end; words are never dropped silently.
    """
    distinct = list(dict.fromkeys(texts))
    limit = tokenizer.model_max_length
    faults = []
    for text in distinct:
        ids = tokenizer(text, truncation=False, verbose=False).input_ids
        if len(ids) > limit:
            unread = tokenizer.decode(ids[limit - 1 : -1], skip_special_tokens=True)
            what = f"has {len(ids)} tokens of at most {limit}; not read: {unread!r}."
            faults.append(Fault(f"{text[:60]!r}...", what))
    if faults:
        raise FaultsError("Prompts", faults, "Shorten them.")
    return {text: _encode(tokenizer, encoder, text) for text in distinct}


def _encode(tokenizer: Any, encoder: Any, text: str) -> Tensor:
    """As the stock Stable Diffusion pipelines: padded to full length, no mask unless the encoder's config asks."""
    tokens = tokenizer(text, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
    mask = tokens.attention_mask.to(encoder.device) if getattr(encoder.config, "use_attention_mask", None) else None
    embedding: Tensor = encoder(tokens.input_ids.to(encoder.device), attention_mask=mask)[0]
    return embedding
