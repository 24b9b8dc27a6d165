"""Text to embeddings, each distinct text once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from studio.errors import Fault, FaultsError
from studio.models.architecture import Architecture, Text


@torch.no_grad()
def encode_all(architecture: Architecture, parts: Mapping[str, Any], texts: Iterable[str]) -> dict[str, Text]:
    """Text -> embeddings. Texts are encoded one by one, so that none depends on its neighbours.

    Args:
        parts: the components of `architecture.text_parts` by name.

    Raises:
        FaultsError: names every text of which the encoder would not read the end; words are never dropped silently.
    """
    distinct = list(dict.fromkeys(texts))
    faults = [
        Fault(f"{text[:60]!r}...", f"has {found.tokens} tokens of at most {found.limit}; not read: {found.text!r}.")
        for text in distinct
        if (found := architecture.unread(parts, text)) is not None
    ]
    if faults:
        raise FaultsError("Prompts", faults, "Shorten them.")
    return {text: architecture.encode(parts, text) for text in distinct}
