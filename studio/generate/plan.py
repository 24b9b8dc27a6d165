"""The plan: which requests are drawn together. Requests of one batch share everything that cannot differ in a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from studio.records.generation import AdapterWeight, GenerationRequest

BATCH_SIZES: Mapping[tuple[str, str], int] = {
    ("cuda", "fp32"): 8,
    ("cuda", "bf16"): 8,
    ("cuda", "fp16"): 8,
    ("cpu", "fp32"): 2,
}
"""(device, dtype) -> pictures at once; 1 for the rest. bf16 on a CPU draws other pictures in a batch than alone (by up
to 8 levels of 255), and a CPU gains nothing from larger batches, which would only answer a cancel later."""

COMPILE_FROM: Mapping[str, int] = {"cuda": 80}
"""Device -> pictures of one shape from which compiling pays. An estimate until it is measured: about 67 s of compiling
a network whole against about 0.85 s saved on an SDXL picture of 2.5 s on an H100, as published for FLUX.1 (36 %)."""


@dataclass(frozen=True)
class Batch:
    """Requests drawn together; `indices` are their places in what was asked for."""

    indices: tuple[int, ...]
    requests: tuple[GenerationRequest, ...]

    def padded(self, size: int) -> Batch:
        """The batch with its last picture again and again, up to a size: a compiled graph knows one number of rows."""
        missing = max(0, size - len(self.indices))
        return Batch(self.indices + self.indices[-1:] * missing, self.requests + self.requests[-1:] * missing)

    def halves(self) -> tuple[Batch, Batch]:
        """The batch in two parts, for a device that has no room for the whole."""
        middle = (len(self.indices) + 1) // 2
        return (
            Batch(self.indices[:middle], self.requests[:middle]),
            Batch(self.indices[middle:], self.requests[middle:]),
        )


def batch_size_for(device: str, dtype: str) -> int:
    """Pictures at once on a device (`cpu`, `cuda`, `cuda:1`) in a dtype (`fp32`, `bf16`, `fp16`)."""
    return BATCH_SIZES.get((device.split(":")[0], dtype), 1)


def compile_from_for(device: str) -> int | None:
    """Pictures of one shape from which it pays to compile on a device; None where it never does."""
    return COMPILE_FROM.get(device.split(":")[0])


def many_alike(requests: Iterable[GenerationRequest], count: int | None) -> frozenset[tuple[object, ...]]:
    """The shapes of which so many pictures are asked for, whatever LoRAs are on them; none where `count` is None."""
    counts = Counter(shape_of(request) for request in requests)
    return frozenset(shape for shape, found in counts.items() if count is not None and found >= count)


def plan(requests: Sequence[GenerationRequest], batch_size: int, skip: Iterable[int] = ()) -> list[Batch]:
    """Batches in the order in which their first request was asked for; one LoRA stack after the other.

    Args:
        skip: indices of requests that are drawn already.
    """
    drawn = set(skip)
    stacks: dict[tuple[str, tuple[AdapterWeight, ...]], dict[tuple[object, ...], list[int]]] = {}
    for index, request in enumerate(requests):
        if index not in drawn:
            stack = stacks.setdefault((request.base, request.adapters), {})
            stack.setdefault(shape_of(request), []).append(index)
    groups = [indices for stack in stacks.values() for indices in stack.values()]
    parts = [group[at : at + batch_size] for group in groups for at in range(0, len(group), batch_size)]
    return [Batch(tuple(part), tuple(requests[i] for i in part)) for part in parts]


def shape_of(request: GenerationRequest) -> tuple[object, ...]:
    """Base, size, steps, and which networks run at all: with guidance the denoiser sees each picture twice."""
    framing, kinds = request.framing, tuple(control.kind for control in request.controls)
    return (
        request.base, framing.width_px, framing.height_px, request.num_inference_steps, request.guidance_scale > 1,
        request.pose is not None, kinds, request.reference is not None, request.speed,
        None if request.inpaint is None else request.inpaint.strength,
    )  # fmt: skip
