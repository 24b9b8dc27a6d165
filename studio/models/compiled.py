"""Networks compiled for the time of a block: the graphs stay with the network, and nobody else runs through them.

A UNet or ControlNet is compiled whole, one graph a shape: its repeated blocks would leave the convolutions around them
as they are. A transformer is compiled by its repeated blocks, which takes a seventh of the time for nearly the whole
gain (diffusers' "regional compilation"). One graph serves every LoRA stack that fits into the slot, because a switch
copies into the same matrices. After torch's recompile limit (8 shapes) further shapes run as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

ATTRIBUTE = "_studio_compiled"
CALL = "_compiled_call_impl"
"""Where `nn.Module.compile` puts what `nn.Module.__call__` then runs; None: the module runs as it is."""


@contextmanager
def compiled(networks: Sequence[Any], *, backend: str = "inductor") -> Iterator[None]:
    """Run the body with these networks compiled, each at its first call of a shape; nothing is left on afterwards.

    Args:
        backend: of torch.compile; `eager` traces the graphs and runs them as they are.
    """
    parts = [part for network in networks for part in _parts(network, backend)]
    try:
        for part, call in parts:
            setattr(part, CALL, call)
        yield
    finally:
        for part, _ in parts:
            setattr(part, CALL, None)


def _parts(network: nn.Module, backend: str) -> list[tuple[nn.Module, Any]]:
    """The modules of a network that are compiled, with their compiled calls; made once a network and backend."""
    known: dict[str, list[tuple[nn.Module, Any]]] = network.__dict__.setdefault(ATTRIBUTE, {})
    if backend not in known:
        blocks = getattr(network, "_repeated_blocks", None)
        if blocks and not any(isinstance(module, nn.Conv2d) for module in network.modules()):
            network.compile_repeated_blocks(backend=backend)  # type: ignore[operator]
        else:
            network.compile(dynamic=False, backend=backend)
        made = [(part, getattr(part, CALL)) for part in network.modules() if getattr(part, CALL) is not None]
        for part, _ in made:
            setattr(part, CALL, None)
        known[backend] = made
    return known[backend]
