"""Where a network computes and in which dtype, told by its first parameter.

diffusers' own `.device` and `.dtype` walk all modules at every call, which on SDXL with LoRA layers costs as much as a
good part of a training step.
"""

from __future__ import annotations

from typing import Any


def device_of(network: Any) -> Any:
    """The device that it computes on. With hooks that fetch weights from elsewhere only the library knows it."""
    return network.device if hasattr(network, "_diffusers_hook") else next(network.parameters()).device


def dtype_of(network: Any) -> Any:
    """The dtype that it computes in: bf16 where weights are kept in eight bits."""
    import torch

    kept = next(network.parameters()).dtype
    return kept if kept.itemsize > 1 else torch.bfloat16
