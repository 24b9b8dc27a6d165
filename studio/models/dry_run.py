"""How much memory a denoising step and a decoding take beside the weights, found by a run on tensors without numbers.

The real classes are built from their configs and called as the engine calls them, on fake tensors: every operation only
works out shapes. What is alive at once is counted on the way. So no formula has to be kept in step with the networks.
"""

from __future__ import annotations

import json
import warnings
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from studio.errors import GateError
from studio.models.architecture import Architecture
from studio.models.family import close_the_door, torch_dtype
from studio.records.pose import Framing


@dataclass(frozen=True)
class Working:
    """Greatest sum of bytes alive at once, weights not counted: in a denoising step, and in decoding one picture."""

    denoise_bytes: int
    decode_bytes: int
    tiled_decode_bytes: int


@dataclass(frozen=True)
class Network:
    """A network that is only thought of: its folder with a config.json."""

    folder: Path

    def built(self, dtype: str) -> Any:
        """The network with fake weights; call it inside a FakeTensorMode."""
        close_the_door()
        import diffusers

        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        kind: Any = getattr(diffusers, str(config.get("_class_name", "")), None)
        if not isinstance(kind, type) or not issubclass(kind, torch.nn.Module):
            raise GateError(f"{self.folder}/config.json names no model that is known here.", "Get the base again.")
        made: Any = kind
        return _cast(made.from_config(config).eval(), torch_dtype(dtype))


def _cast(model: Any, dtype: torch.dtype) -> Any:
    """As `model.to(dtype)`, which cannot exchange fake parameters in place."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.dtype != dtype:
                module._parameters[name] = torch.nn.Parameter(parameter.detach().to(dtype), requires_grad=False)
    return model


def working(
    architecture: Architecture, denoiser: Network, vae: Network, controls: Sequence[tuple[tuple[str, ...], Network]],
    framing: Framing, rows: int, dtype: str,
) -> Working:  # fmt: skip
    """The memory of one batch.

    Args:
        controls: every ControlNet that runs, with the kinds of the maps that it follows.
        rows: pictures at once, twice that with guidance.
    """
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn of what a fake tensor cannot do; nothing of it is kept
        autoencoder = vae.built(dtype)
        network = denoiser.built(dtype)
        shape = architecture.latent_shape(network, autoencoder, framing)
        step = _step(architecture, network, autoencoder, controls, shape, framing, rows, dtype)
        whole = _decode(autoencoder, shape, dtype)
        return Working(step, whole, min(whole, _tiled(autoencoder, shape, framing, dtype)))


def _step(
    architecture: Architecture, denoiser: Any, vae: Any, controls: Sequence[tuple[tuple[str, ...], Network]],
    shape: tuple[int, int, int], framing: Framing, rows: int, dtype: str,
) -> int:  # fmt: skip
    sample, time = torch.zeros(rows, *shape), torch.tensor(500)
    inputs = architecture.inputs(denoiser, [architecture.blank_text(denoiser)] * rows, [framing] * rows)
    with ExitStack() as stack:
        calls = []
        for kinds, network in controls:
            pictures = [torch.zeros(1, 3, framing.height_px, framing.width_px) for _ in kinds]
            call = architecture.controlling(network.built(dtype), kinds, pictures, denoiser, vae)
            calls.append((stack.enter_context(call), len(kinds)))
        with Live() as live:
            residuals: dict[int, Any] = {}  # summed up as copies, which stand for what kernels take beside tensors
            for control, maps in calls:
                found = control(sample, time, inputs, torch.zeros(rows, dtype=torch.long), [[1.0] * maps] * rows)
                residuals = {place: residuals.get(place, 0) + value for place, value in found.items()}
            architecture.predict(denoiser, sample, time, inputs, residuals)
    return int(live.peak)


def _tiled(vae: Any, shape: tuple[int, int, int], framing: Framing, dtype: str) -> int:
    """One tile at a time, beside all that are done and the picture that they are joined to."""
    side = int(vae.tile_latent_min_size)
    pixels = 3 * framing.width_px * framing.height_px * torch_dtype(dtype).itemsize
    return _decode(vae, (shape[0], min(side, shape[1]), min(side, shape[2])), dtype) + int(2 * pixels)


def _decode(vae: Any, shape: tuple[int, int, int], dtype: str) -> int:
    with Live() as live:
        vae.decode(torch.zeros(1, *shape, dtype=torch_dtype(dtype)), return_dict=False)
    return int(live.peak)


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages that operations make and that still live. Works on real tensors, too."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation's own result."""
        out = func(*args, **(kwargs or {}))
        given = {storage._cdata for storage in _storages((args, kwargs))}
        for storage in _storages(out):
            key = storage._cdata
            if key not in given and key not in self._alive:  # a view of what was there before is no new memory
                self._count(key, storage)
        return out

    def _count(self, key: int, storage: Any) -> None:
        size = storage.nbytes()

        def gone(_: Any) -> None:
            self.now -= size
            self._alive.pop(key, None)

        self._alive[key] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)


def _storages(values: Any) -> list[Any]:
    return [value.untyped_storage() for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
