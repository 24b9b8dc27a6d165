"""LoRA matrices on the shared, frozen denoiser for the time of a run, and the denoiser as it was afterwards.

The matrices are peft's, under an adapter name of their own. Whatever else lies on it is switched off meanwhile and
comes back with the same bits, flags and types. Generation's slot alone goes before and after: pictures that are
drawn between steps make one of their own, and so does the next picture after the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer

from studio.errors import InputError
from studio.models.lora_slot import remove_slot
from studio.records.training import TrainingConfig
from studio.train.sampler import derived_seed

ADAPTER = "sasage_training"
_NOTES = ("peft_config", "_hf_peft_config_loaded")

Parameters = dict[str, torch.nn.Parameter]
"""Name as a file holds it (`down_blocks.1...to_q.lora_A.weight`) -> matrix in fp32, sorted by name."""


@dataclass(frozen=True)
class _Before:
    """What attaching changes on a denoiser besides its layers."""

    training: tuple[tuple[torch.nn.Module, bool], ...]
    requires_grad: tuple[tuple[torch.nn.Parameter, bool], ...]
    wrapped: dict[str, tuple[list[str], bool]]
    """Layer that carried adapters already -> which of them were active, and whether all were switched off."""
    attributes: dict[str, Any]
    """What peft and diffusers had noted on it; hidden while attached, so that they see one adapter alone."""


@contextmanager
def lora_attached(unet: Any, config: TrainingConfig) -> Iterator[Parameters]:
    """Attach fresh matrices, yield them, and take them off again whatever happens.

    Raises:
        InputError: `target_modules` matches no layer of the denoiser.
    """
    remove_slot(unet)
    before = _remember(unet)
    try:
        unet.eval()  # no dropout: its random numbers would not come back after a resume
        _hide_notes(unet)
        _attach(unet, config)
        parameters = _parameters(unet)
        _initialise(parameters, config.seed)
        yield parameters
    finally:
        remove_slot(unet)
        _detach(unet, before)


def _attach(unet: Any, config: TrainingConfig) -> None:
    alpha: Any = config.lora_alpha  # peft divides it by the rank and does not mind a fraction
    lora = LoraConfig(r=config.lora_rank, lora_alpha=alpha, target_modules=list(config.target_modules))
    try:
        unet.add_adapter(lora, ADAPTER)
    except ValueError as error:
        raise InputError(
            f"target_modules {', '.join(config.target_modules)} cannot be trained: {error}",
            "Name layers of the base's denoiser, such as to_q, to_k, to_v and to_out.0.",
        ) from error


def _parameters(unet: Any) -> Parameters:
    marker = f".{ADAPTER}."
    found = {name.replace(marker, "."): p for name, p in unet.named_parameters() if marker in name}
    for parameter in found.values():
        parameter.data = parameter.data.float()  # AdamW on half-precision weights would lose small steps
    return dict(sorted(found.items()))


def _initialise(parameters: Parameters, seed: int) -> None:
    """peft's own initialisation (A Kaiming-uniform with a = sqrt(5), B zero), drawn from the run's seed on the CPU."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "lora", 0))
    for name, parameter in parameters.items():
        value = torch.zeros(parameter.shape)
        if ".lora_A." in name:
            torch.nn.init.kaiming_uniform_(value, a=math.sqrt(5), generator=generator)
        with torch.no_grad():
            parameter.copy_(value)


def _remember(unet: Any) -> _Before:
    return _Before(
        training=tuple((module, module.training) for module in unet.modules()),
        requires_grad=tuple((p, p.requires_grad) for p in unet.parameters()),
        wrapped={name: (list(layer.active_adapters), layer.disable_adapters) for name, layer in _tuner_layers(unet)},
        attributes={key: unet.__dict__[key] for key in _NOTES if key in unet.__dict__},
    )


def _detach(unet: Any, before: _Before) -> None:
    for name, layer in _tuner_layers(unet):
        if name in before.wrapped:
            # Set directly: peft's own `set_adapter` would change which of the other adapters are trainable.
            layer._active_adapter, layer._disable_adapters = before.wrapped[name]
            if ADAPTER in layer.r:
                layer.delete_adapter(ADAPTER)
        else:
            parent, _, child = name.rpartition(".")
            setattr(unet.get_submodule(parent), child, layer.get_base_layer())
    _hide_notes(unet)
    unet.__dict__.update(before.attributes)
    for parameter, requires_grad in before.requires_grad:
        parameter.requires_grad_(requires_grad)
        parameter.grad = None
    for module, training in before.training:
        module.training = training


def _hide_notes(unet: Any) -> None:
    for key in _NOTES:
        unet.__dict__.pop(key, None)


def _tuner_layers(unet: Any) -> list[tuple[str, Any]]:
    return [(name, module) for name, module in unet.named_modules() if isinstance(module, BaseTunerLayer)]
