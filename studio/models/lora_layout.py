"""The modules of a model and those that carry adapters, found once: looking for them takes longer than a switch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

ATTRIBUTE = "_studio_lora_layout"


class Layout(NamedTuple):
    """What was found.

    Attributes:
        modules: every module but the model itself, by its full name.
        tuners: those that peft has wrapped.
        places: where each of these stands: its parent's modules, and its name there.
        noted: the adapters that peft had noted on the model then.
    """

    modules: Mapping[str, nn.Module]
    tuners: tuple[Any, ...]
    places: tuple[tuple[Mapping[str, Any], str], ...]
    noted: tuple[str, ...]

    def holds(self, model: nn.Module) -> bool:
        """Whether it still is the model's: peft notes what it wraps, and what was unwrapped is not in its place."""
        in_place = (parent.get(name) is tuner for (parent, name), tuner in zip(self.places, self.tuners, strict=True))
        return self.noted == _noted(model) and all(in_place)


def layout_of(model: nn.Module) -> Layout:
    """The layout of a model as it is now."""
    known: Layout | None = model.__dict__.get(ATTRIBUTE)
    if known is None or not known.holds(model):
        modules = {name: module for name, module in model.named_modules() if name}
        wrapped = {name: module for name, module in modules.items() if isinstance(module, BaseTunerLayer)}
        split = (name.rpartition(".") for name in wrapped)
        places = tuple((model.get_submodule(parent)._modules, child) for parent, _, child in split)
        known = model.__dict__[ATTRIBUTE] = Layout(modules, tuple(wrapped.values()), places, _noted(model))
    return known


def forget_layout(model: nn.Module) -> None:
    """To be called by whoever wraps or unwraps layers."""
    model.__dict__.pop(ATTRIBUTE, None)


def _noted(model: Any) -> tuple[str, ...]:
    return tuple(sorted(getattr(model, "peft_config", {})))


@contextmanager
def applying(layers: Collection[Any], names: list[str]) -> Iterator[None]:
    """Run the body with exactly these adapters applied by the layers; an empty list silences them."""
    before = [(layer, list(layer.active_adapters), layer.disable_adapters) for layer in layers]
    try:
        for layer in layers:
            apply(layer, names, disabled=False)
        yield
    finally:
        for layer, active, disabled in before:
            apply(layer, active, disabled=disabled)


def apply(layer: Any, names: list[str], *, disabled: bool) -> None:
    """Peft's own `set_adapter` would also change which adapters are trainable, under the feet of a training run.

    Written past nn.Module's own way to set attributes, which takes longer than the copy of a matrix.
    """
    layer.__dict__["_active_adapter"] = list(names)
    layer.__dict__["_disable_adapters"] = disabled
