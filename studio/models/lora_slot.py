"""LoraSlot: LoRA layers that are allocated once on a UNet, into which a stack of adapters is copied and zeroed again.

Copying takes under 2 ms where loading and unloading takes up to 300, nothing is recompiled, and the base's own weights
are never touched (fusing and unfusing in bf16 changes them). Several adapters stand side by side in the slot's rank:
with A_i (r_i, in), B_i (out, r_i) and s_i = weight_i * alpha_i / r_i, the sum of s_i B_i A_i is
[s_1 B_1 ... s_n B_n] [A_1; ...; A_n], which is what peft's `set_adapters` computes one by one.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from studio.errors import CapabilityError

SLOT = "studio_slot"
"""The slot's adapter name on the UNet; a training adapter beside it must be called something else."""
ATTRIBUTE = "_studio_lora_slot"
KEY = re.compile(r"(?:base_model\.model\.)?(?:unet\.)?(?P<module>.+?)\.(?P<part>lora_A|lora_B)(?:\.[\w-]+)?\.weight")
Stack = Sequence[tuple[Mapping[str, Tensor], float, float]]
"""(state dict in peft's naming, lora_alpha, adapter weight) of each adapter."""


class _Layer(NamedTuple):
    """A: (r, in) or (r, in, kh, kw); B: (out, r) or (out, r, 1, 1), already times weight * alpha / r."""

    a: Tensor
    b: Tensor


Layers = Mapping[str, _Layer]
"""Layer name -> its A and B."""


class LoraSlot:
    """The slot on one model.

    Args:
        model: a diffusers model with peft support (`add_adapter`).
        modules: full names of the layers that get a slot, e.g. `mid_block.attentions.0.proj_in`.
        rank: the largest sum of ranks that fits.
    """

    def __init__(self, model: Any, modules: Sequence[str], rank: int) -> None:
        self.rank = rank
        self.modules = frozenset(modules)
        before = {layer: _applied(layer) for layer in _tuner_layers(model)}
        trainable = {id(p) for p in model.parameters() if p.requires_grad}
        with warnings.catch_warnings():  # peft points out that another adapter is there; it may well be
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            model.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=sorted(modules)), SLOT)
        self._layers: dict[str, Any] = {name: model.get_submodule(name) for name in modules}
        for parameter in model.parameters():  # add_adapter makes the slot trainable and another adapter not
            parameter.requires_grad_(id(parameter) in trainable)
        for layer in _tuner_layers(model):
            _apply(layer, before.get(layer, _NOTHING))
        self._zero()

    @contextmanager
    def loaded(self, stack: Stack) -> Iterator[None]:
        """Run the body with this stack applied, and no other adapter; afterwards all is as before.

        Raises:
            CapabilityError: an adapter does not fit the model or the slot.
        """
        with self.holding(concatenated(stack)):
            yield

    @contextmanager
    def holding(self, layers: Layers) -> Iterator[None]:
        """As `loaded`, with a stack that is concatenated already."""
        if not self.fits(layers):
            raise CapabilityError("These LoRAs do not fit into the slot.", "Allocate a slot for this stack.")
        before = {layer: _applied(layer) for layer in self._layers.values()}
        try:
            self._copy_in(layers)
            for layer in before:
                _apply(layer, _Applied([SLOT], False))
            yield
        finally:
            for layer, state in before.items():
                _apply(layer, state)
            self._zero()

    def attached(self, model: Any) -> bool:
        """Whether the slot's layers still are the model's; a training run may have unwrapped them when it ended."""
        modules = dict(model.named_modules())
        return all(SLOT in layer.lora_A and modules.get(name) is layer for name, layer in self._layers.items())

    def fits(self, layers: Layers) -> bool:
        """Whether rank and layers suffice."""
        return set(layers) <= self.modules and all(layer.a.shape[0] <= self.rank for layer in layers.values())

    @torch.no_grad()
    def _copy_in(self, layers: Layers) -> None:
        for name, layer in layers.items():
            a, b = self._weights(name)
            rank = layer.a.shape[0]
            if a[:rank].shape != layer.a.shape or b[:, :rank].shape != layer.b.shape:
                raise CapabilityError(
                    f"The LoRA's {name} has shapes {tuple(layer.a.shape)} and {tuple(layer.b.shape)}, this base's are "
                    f"{tuple(a[:rank].shape)} and {tuple(b[:, :rank].shape)}.",
                    "It was trained on another base; choose that one.",
                )
            a[:rank].copy_(layer.a)
            b[:, :rank].copy_(layer.b)

    @torch.no_grad()
    def _zero(self) -> None:
        for name in self._layers:
            for weight in self._weights(name):
                weight.zero_()

    def _weights(self, name: str) -> tuple[Tensor, Tensor]:
        layer = self._layers[name]
        return layer.lora_A[SLOT].weight, layer.lora_B[SLOT].weight


@contextmanager
def adapters_applied(model: Any, stack: Stack) -> Iterator[None]:
    """Run the body with exactly this stack on the model: an empty one silences any adapter that is on it.

    The slot stays on the model, and grows when a stack needs more rank or other layers.

    Raises:
        CapabilityError: an adapter was made for another base or holds what cannot be applied.
    """
    if not stack:
        with _silenced(model):
            yield
        return
    layers = concatenated(stack)
    slot = _slot_for(model, layers)
    with _silenced(model), slot.holding(layers):
        yield


def remove_slot(model: Any) -> None:
    """Take the slot off a model; its layers stay wrapped, without effect."""
    if hasattr(model, ATTRIBUTE):
        model.delete_adapters(SLOT)
        delattr(model, ATTRIBUTE)


def _slot_for(model: Any, layers: Layers) -> LoraSlot:
    slot: LoraSlot | None = getattr(model, ATTRIBUTE, None)
    if slot is not None and slot.fits(layers) and slot.attached(model):
        return slot
    known = {name for name, _ in model.named_modules()}
    unknown = sorted(set(layers) - known)
    if unknown:
        raise CapabilityError(
            f"The LoRA changes layers that this base does not have ({unknown[0]} and {len(unknown) - 1} more).",
            "It was trained on another base; choose that one.",
        )
    modules, rank = set(layers), max(layer.a.shape[0] for layer in layers.values())
    if slot is not None:
        modules, rank = modules | slot.modules, max(rank, slot.rank)
        remove_slot(model)
    slot = LoraSlot(model, sorted(modules), rank)
    setattr(model, ATTRIBUTE, slot)
    return slot


def concatenated(stack: Stack) -> Layers:
    """The stack as one LoRA: A stacked by rows, scaled B by columns, in fp32. Raises CapabilityError."""
    parts: dict[str, list[_Layer]] = {}
    for state_dict, alpha, weight in stack:
        for name, layer in _split(state_dict).items():
            scale = weight * alpha / layer.a.shape[0]
            parts.setdefault(name, []).append(_Layer(layer.a.float(), layer.b.float() * scale))
    return {
        name: _Layer(torch.cat([layer.a for layer in layers]), torch.cat([layer.b for layer in layers], dim=1))
        for name, layers in parts.items()
    }


def _split(state_dict: Mapping[str, Tensor]) -> dict[str, _Layer]:
    """Layer name -> (A, B) as they lie in the file."""
    halves: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state_dict.items():
        match = KEY.fullmatch(key)
        if match is None or match["module"].startswith("text_encoder"):
            raise CapabilityError(
                f"The LoRA holds {key[:120]!r}, which cannot be applied here.",
                "Only LoRAs on the UNet in diffusers' layout (lora_A, lora_B) are; convert it first.",
            )
        halves.setdefault(match["module"], {})[match["part"]] = tensor
    lone = [name for name, parts in halves.items() if not _whole(parts)]
    if lone or not halves:
        raise CapabilityError(
            f"The LoRA's layer {lone[0] if lone else '(none)'} is not whole.", "Get the file again, or train it anew."
        )
    return {name: _Layer(parts["lora_A"], parts["lora_B"]) for name, parts in halves.items()}


def _whole(parts: Mapping[str, Tensor]) -> bool:
    return len(parts) == 2 and parts["lora_A"].shape[0] == parts["lora_B"].shape[1]


class _Applied(NamedTuple):
    """Which adapters a layer applies."""

    names: list[str]
    disabled: bool


_NOTHING = _Applied([], False)


def _tuner_layers(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]


def _applied(layer: Any) -> _Applied:
    return _Applied(list(layer.active_adapters), layer.disable_adapters)


def _apply(layer: Any, state: _Applied) -> None:
    """Peft's own `set_adapter` would also change which adapters are trainable, under the feet of a training run."""
    layer._active_adapter = list(state.names)
    layer._disable_adapters = state.disabled


@contextmanager
def _silenced(model: nn.Module) -> Iterator[None]:
    before = {layer: _applied(layer) for layer in _tuner_layers(model)}
    try:
        for layer in before:
            _apply(layer, _NOTHING)
        yield
    finally:
        for layer, state in before.items():
            _apply(layer, state)
