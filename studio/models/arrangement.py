"""Arrangement: how a device's memory is used while pictures are drawn, and how that is put in place and undone.

Tiling, offloading in groups and fp8 storage are diffusers' own mechanisms; see `planner` for the choice among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from studio.models.cache import ComponentKey

FP8 = "fp8"
BLOCKS_AT_ONCE = 1
_HOOKS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")


@dataclass(frozen=True)
class Arrangement:
    """How pictures are drawn on a device.

    Attributes:
        batch_size: pictures at once.
        tiled: whether the autoencoder decodes in tiles.
        offloaded: whether the denoiser waits in the computer's memory, and one block of it after the other is fetched.
        fp8: whether the denoiser's weights are kept in fp8 and computed with in the device's dtype: other pictures.
    """

    batch_size: int
    tiled: bool = False
    offloaded: bool = False
    fp8: bool = False

    def key(self, denoiser: ComponentKey) -> ComponentKey:
        """The denoiser as the cache has to hold it."""
        dtype = FP8 if self.fp8 else denoiser.dtype
        return replace(denoiser, dtype=dtype, device="cpu" if self.offloaded else denoiser.device)


@contextmanager
def arranged(arrangement: Arrangement, denoiser: Any, vae: Any, device: str) -> Iterator[None]:
    """Run the body with the networks arranged so; they are as before afterwards."""
    was_tiled = bool(getattr(vae, "use_tiling", False))
    try:
        if arrangement.tiled:
            vae.enable_tiling()
        if arrangement.offloaded:
            _offload(denoiser, device)
        yield
    finally:
        if arrangement.offloaded:
            _bring_back(denoiser)
        if arrangement.tiled and not was_tiled:
            vae.disable_tiling()


def _offload(denoiser: Any, device: str) -> None:
    import torch
    from diffusers.hooks.group_offloading import apply_group_offloading

    apply_group_offloading(
        denoiser,
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=BLOCKS_AT_ONCE,
        use_stream=device.startswith("cuda"),
    )


def _bring_back(denoiser: Any) -> None:
    """Take the hooks off again; diffusers 0.42 has no call for it."""
    from diffusers.hooks.hooks import HookRegistry

    for module in denoiser.modules():
        if hasattr(module, "_diffusers_hook"):
            registry = HookRegistry.check_if_exists_or_initialize(module)
            for name in [name for name in registry.hooks if name in _HOOKS]:
                registry.remove_hook(name, recurse=False)
    denoiser.to("cpu")
