"""LoraSlot: LoRA layers that are allocated once on a model, into which a stack of adapters is copied and zeroed again.

Copying takes under 2 ms where loading and unloading takes up to 300, nothing is recompiled, and the base's own weights
are never touched (fusing and unfusing in bf16 changes them). The model is a UNet, a transformer or a text encoder: peft
puts its layers into any module. Several adapters stand side by side in the slot's rank (see `lora_stack`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from studio.errors import CapabilityError
from studio.models.lora_file import LoraFile
from studio.models.lora_layout import apply, applying, forget_layout, layout_of
from studio.models.lora_merge import can_merge, merged
from studio.models.lora_stack import Layers, Stack, concatenated, fitted, parts_of

SLOT = "studio_slot"
"""The slot's adapter name on the model; a training adapter beside it must be called something else."""
ATTRIBUTE = "_studio_lora_slot"


class LoraSlot:
    """The slot on one model.

    Args:
        model: any module; a network of diffusers or transformers.
        modules: full names of the layers that get a slot, e.g. `mid_block.attentions.0.proj_in`.
        rank: the largest sum of ranks that fits.
    """

    def __init__(self, model: Any, modules: Sequence[str], rank: int) -> None:
        self.rank = rank
        self.modules = frozenset(modules)
        before = [(layer, list(layer.active_adapters), layer.disable_adapters) for layer in layout_of(model).tuners]
        trainable = {id(p) for p in model.parameters() if p.requires_grad}
        with warnings.catch_warnings():  # peft points out that another adapter is there; it may well be
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=sorted(modules)), model, SLOT)
        self._layers: dict[str, Any] = {name: model.get_submodule(name) for name in modules}
        for layer in self._layers.values():
            # peft gives it the layer's own dtype, but fp8 is for storage: nothing multiplies in it
            if layer.lora_A[SLOT].weight.element_size() == 1:
                layer.lora_A[SLOT].to(torch.bfloat16)
                layer.lora_B[SLOT].to(torch.bfloat16)
        for parameter in model.parameters():  # peft makes the slot trainable and another adapter not
            parameter.requires_grad_(id(parameter) in trainable)
        forget_layout(model)
        for layer in layout_of(model).tuners:
            apply(layer, [], disabled=False)
        for layer, names, disabled in before:
            apply(layer, names, disabled=disabled)
        self._weights: dict[str, tuple[Tensor, Tensor]] = {
            name: (layer.lora_A[SLOT].weight, layer.lora_B[SLOT].weight) for name, layer in self._layers.items()
        }
        self._zero()

    @contextmanager
    def loaded(self, stack: Stack) -> Iterator[None]:
        """Run the body with this stack applied, and no other adapter; afterwards all is as before.

        Raises:
            CapabilityError: an adapter does not fit the slot.
        """
        with self.holding(concatenated(parts_of(stack))):
            yield

    @contextmanager
    def holding(self, layers: Layers) -> Iterator[None]:
        """As `loaded`, with a stack that is concatenated already."""
        if not self.fits(layers):
            raise CapabilityError("These LoRAs do not fit into the slot.", "Allocate a slot for this stack.")
        try:
            self._copy_in(layers)
            with applying(self._layers.values(), [SLOT]):
                yield
        finally:
            self._zero()

    def attached(self, modules: Mapping[str, nn.Module]) -> bool:
        """Whether the slot's layers still are the model's; a training run may have unwrapped them when it ended."""
        return all(SLOT in layer.lora_A and modules.get(name) is layer for name, layer in self._layers.items())

    def fits(self, layers: Layers) -> bool:
        """Whether rank and layers suffice."""
        return set(layers) <= self.modules and all(layer.a.shape[0] <= self.rank for layer in layers.values())

    @torch.no_grad()
    def _copy_in(self, layers: Layers) -> None:
        for name, layer in layers.items():
            a, b = self._weights[name]
            rank = layer.a.shape[0]
            a[:rank].copy_(layer.a)
            b[:, :rank].copy_(layer.b)

    @torch.no_grad()
    def _zero(self) -> None:
        for a, b in self._weights.values():
            a.zero_()
            b.zero_()


@contextmanager
def adapters_applied(model: Any, stack: Stack, *, merge: bool = True) -> Iterator[None]:
    """Run the body with exactly this stack on the model: an empty one silences any adapter that is on it.

    In fp32 the stack goes into the weights for that time. Otherwise into the slot, which stays on the model, and grows
    when a stack needs more rank or other layers.

    Args:
        merge: False: into the slot in any case.

    Raises:
        CapabilityError: an adapter was made for another base or holds what cannot be applied.
    """
    parts = parts_of(stack)
    modules, tuners = layout_of(model)[:2]
    if not parts:
        with applying(tuners, []):
            yield
        return
    layers = concatenated([(fitted(part, modules), weight) for part, weight in parts])
    if merge and can_merge(modules, layers):
        with applying(tuners, []), merged(modules, layers):
            yield
        return
    slot = _slot_for(model, modules, layers)
    with applying(layout_of(model).tuners, []), slot.holding(layers):
        yield


@contextmanager
def loras_applied(
    parts: Mapping[str, Any], loras: Sequence[tuple[LoraFile, float]], *, merge: bool = True
) -> Iterator[None]:
    """Run the body with exactly these LoRAs on every network among a base's parts.

    Args:
        parts: component by name, e.g. the UNet alone, or text encoders with their tokenizers, which are passed over.
        loras: files with their adapter weights.
        merge: as in `adapters_applied`.

    Raises:
        CapabilityError: as `adapters_applied`.
    """
    with ExitStack() as applied:
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                stack = [(lora.part(name), 0.0, adapter_weight) for lora, adapter_weight in loras]
                applied.enter_context(adapters_applied(part, stack, merge=merge))
        yield


def remove_slot(model: Any) -> None:
    """Take the slot off a model; its layers stay wrapped, without effect."""
    forget_layout(model)  # for a training run too, which wraps layers and unwraps them
    if not hasattr(model, ATTRIBUTE):
        return
    for layer in layout_of(model).tuners:
        if SLOT in layer.lora_A:
            layer.delete_adapter(SLOT)
    getattr(model, "peft_config", {}).pop(SLOT, None)
    delattr(model, ATTRIBUTE)
    forget_layout(model)


def _slot_for(model: Any, modules: Mapping[str, nn.Module], layers: Layers) -> LoraSlot:
    slot: LoraSlot | None = getattr(model, ATTRIBUTE, None)
    if slot is not None and slot.fits(layers) and slot.attached(modules):
        return slot
    names, rank = set(layers), max(layer.a.shape[0] for layer in layers.values())
    if slot is not None:
        names, rank = names | slot.modules, max(rank, slot.rank)
        remove_slot(model)
    slot = LoraSlot(model, sorted(names), rank)
    setattr(model, ATTRIBUTE, slot)
    return slot
