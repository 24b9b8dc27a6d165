"""Planner: before a job starts, whether it fits on the device, and how it is arranged there.

Arrangements are tried from the fastest on: all at once in full batches, smaller batches, tiled decoding, components one
after the other, and for transformers weights in fp8. Where memory runs out all the same, the next one is tried once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from studio.errors import ResourceError
from studio.models.arrangement import FP8, Arrangement
from studio.models.family import DTYPE_BYTES, AddOn, computed_in
from studio.models.registry import Registry
from studio.records.base import Record
from studio.records.generation import GenerationRequest

if TYPE_CHECKING:
    from studio.models.dry_run import Working

DryRuns = dict[tuple[object, ...], "Working"]
"""What dry runs have found, by base, shape, add-ons and rows."""
MARGIN = 1.3
"""What kernels take for themselves and allocators lose between blocks, on top of what tensors hold: up to a quarter, in
a CPU's convolutions."""
OFFLOADED_SHARE = 0.25
"""Share of the denoiser on the device at once when it is fetched block by block: the block, the next, and what lies
outside all blocks. The largest block of SDXL's UNet has a fifth of its weights."""
PLENTY = 20
"""Where there is room for the weights so many times over, nothing has to be worked out."""
GIGABYTE = 2**30


class MemoryPlan(Record):
    """An arrangement with what it needs and what there is, in bytes."""

    arrangement: Arrangement
    needed_bytes: int
    room_bytes: int
    dtype: str

    @property
    def fits(self) -> bool:
        """Whether there is room."""
        return self.needed_bytes <= self.room_bytes

    @property
    def words(self) -> str:
        """What will be done, in a sentence."""
        how, dtype = self.arrangement, self.dtype
        needed, room = f"{self.needed_bytes / GIGABYTE:.1f}", f"{self.room_bytes / GIGABYTE:.1f}"
        if how.offloaded:
            return f"one at a time in {dtype}, blocks fetched in turn, decoded in tiles: {needed} of {room} GB"
        if how.fp8:
            return f"one at a time in {dtype}, weights kept in fp8, decoded in tiles: {needed} of {room} GB"
        if how.tiled:
            return f"one at a time in {dtype}, decoded in tiles: {needed} of {room} GB"
        return f"{how.batch_size} at a time in {dtype}: {needed} of {room} GB"


class Planner:
    """Plans for one device.

    Args:
        room_bytes: memory of the device that pictures and weights may take.
        batch_size: pictures at once where memory does not matter.
        known: what dry runs have found before; kept by whoever plans more than once.
        loading: the model cache's lock of that name: a dry run makes libraries load classes too.
    """

    def __init__(
        self, registry: Registry, *, device: str, dtype: str, room_bytes: int, batch_size: int, known: DryRuns,
        loading: threading.Lock,
    ) -> None:  # fmt: skip
        self._registry, self._device, self._dtype = registry, device, dtype
        self._room, self._batch_size = room_bytes, batch_size
        self._known, self._loading = known, loading

    def plan(self, requests: Sequence[GenerationRequest]) -> MemoryPlan:
        """The fastest arrangement in which every request fits.

        Raises:
            ResourceError: not even one picture at a time does; says what is needed and what there is.
            CapabilityError, NotFoundError: a base or an add-on that is not here.
        """
        if (plain := self._plenty(requests)) is not None:
            return plain
        last: MemoryPlan | None = None
        for arrangement in self.arrangements(requests):
            last = self._planned(arrangement, requests)
            if last.fits:
                return last
        assert last is not None, "there is at least one arrangement"
        raise ResourceError(
            f"{requests[0].base} needs at least {last.needed_bytes / GIGABYTE:.1f} GB for this; there are "
            f"{last.room_bytes / GIGABYTE:.1f} GB.",
            "Choose a smaller size or base, or a device with more memory.",
        )

    def arrangements(self, requests: Sequence[GenerationRequest]) -> Iterator[Arrangement]:
        """From the fastest to the smallest."""
        size = min(self._batch_size, len(requests))
        while size > 1:
            yield Arrangement(size)
            size = (size + 1) // 2
        one = Arrangement(1)
        tiled = replace(one, tiled=True)
        yield from (one, tiled)
        drafts = all(request.speed == "draft" for request in requests)
        denoisers = {self._registry.family(r.base).architecture.denoiser for r in requests}
        if drafts and denoisers == {"transformer"} and self._dtype == "bf16":
            yield replace(tiled, fp8=True)  # other pictures than exact ones: only where that was asked for
        if self._device != "cpu":
            yield replace(tiled, offloaded=True)

    def _plenty(self, requests: Sequence[GenerationRequest]) -> MemoryPlan | None:
        """The plan of a small base on a large device, for which a dry run would take longer than a picture."""
        bases = {request.base for request in requests}
        weights = sum(h.elements for base in bases for h in self._registry.weights(base).values())
        needed = weights * DTYPE_BYTES[self._dtype] * PLENTY
        size = min(self._batch_size, len(requests))
        addons = any(request.controls or request.reference for request in requests)
        if addons or needed > self._room:
            return None
        return MemoryPlan(arrangement=Arrangement(size), needed_bytes=needed, room_bytes=self._room, dtype=self._dtype)

    def _planned(self, arrangement: Arrangement, requests: Sequence[GenerationRequest]) -> MemoryPlan:
        distinct = {_shape(request): request for request in requests}
        needed = max(self._needed(arrangement, request) for request in distinct.values())
        return MemoryPlan(
            arrangement=arrangement, needed_bytes=int(needed * MARGIN), room_bytes=self._room, dtype=self._dtype
        )

    def _needed(self, arrangement: Arrangement, request: GenerationRequest) -> int:
        base, registry = request.base, self._registry
        architecture = registry.family(base).architecture
        addons = [registry.control(base, kind) for kind in request.control_kinds]
        denoiser = self._weights(AddOn(base, architecture.denoiser), FP8 if arrangement.fp8 else self._dtype)
        if arrangement.offloaded:
            denoiser = int(denoiser * OFFLOADED_SHARE)
        vae = self._weights(AddOn(base, "vae"), computed_in("vae", self._dtype))
        control = sum(self._weights(addon, self._dtype) for addon in dict.fromkeys(addons))
        rows = arrangement.batch_size * (2 if request.guidance_scale > 1 else 1)
        work = self._working(request, tuple(addons), rows)
        decode = work.tiled_decode_bytes if arrangement.tiled else work.decode_bytes
        return denoiser + control + vae + max(work.denoise_bytes, decode)

    def _weights(self, addon: AddOn, dtype: str) -> int:
        headers = self._registry.component_weights(addon.name, addon.component)
        return sum(header.elements for header in headers) * DTYPE_BYTES[dtype]

    def _working(self, request: GenerationRequest, addons: tuple[AddOn, ...], rows: int) -> Working:
        from studio.models.dry_run import Network, working

        key = (request.base, _shape(request), addons, rows)
        registry, base = self._registry, request.base
        with self._loading:  # one dry run at a time too: a second of the same kind waits for the first
            if key not in self._known:
                architecture = registry.family(base).architecture
                kinds: dict[AddOn, tuple[str, ...]] = {}
                for kind, addon in zip(request.control_kinds, addons, strict=True):
                    kinds[addon] = (*kinds.get(addon, ()), kind)
                self._known[key] = working(
                    architecture,
                    Network(registry.component_folder(base, architecture.denoiser)),
                    Network(registry.component_folder(base, "vae")),
                    [(own, Network(registry.component_folder(a.name, a.component))) for a, own in kinds.items()],
                    request.framing,
                    rows,
                    self._dtype,
                )
            return self._known[key]


def _shape(request: GenerationRequest) -> tuple[object, ...]:
    framing = request.framing
    return framing.width_px, framing.height_px, request.control_kinds, request.guidance_scale > 1
