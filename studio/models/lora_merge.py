"""LoRAs added to a model's own weights for the time of a batch, and the weights put back by copy, to the last bit.

With its layers beside the base's, a LoRA of rank 16 on convolutions costs a third of a step on a CPU. Added to the
weights it costs nothing in a step and one product of matrices before the first. Only for fp32: there the sum rounds
in the seventh digit; in bf16 it would round away much of a LoRA (see `lora_slot` for those).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from studio.models.lora_stack import Layers


def can_merge(modules: Mapping[str, nn.Module], layers: Layers) -> bool:
    """Whether every weight that the LoRAs change is kept in fp32."""
    return all(_weight(modules[name]).dtype == torch.float32 for name in layers)


@contextmanager
def merged(modules: Mapping[str, nn.Module], layers: Layers) -> Iterator[None]:
    """Run the body with the LoRAs in the weights.

    Args:
        modules: the model's layers by name, wrapped by peft or not.
        layers: a stack that is concatenated and fits the model.
    """
    kept: list[tuple[Tensor, Tensor]] = []
    try:
        with torch.no_grad():
            for name, layer in layers.items():
                weight = _weight(modules[name])
                kept.append((weight, weight.detach().clone()))
                product = layer.b.flatten(1).to(weight) @ layer.a.flatten(1).to(weight)
                weight += product.view_as(weight)
        yield
    finally:
        with torch.no_grad():
            for weight, before in kept:
                weight.copy_(before)


def _weight(module: nn.Module) -> Tensor:
    base: Any = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
    weight: Tensor = base.weight
    return weight
