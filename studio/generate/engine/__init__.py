"""The engine: requests to pictures, with our own denoising loop over the cache's components.

Against a stock pipeline it encodes each distinct text once, draws a pose's control map once, runs the ControlNet only
inside its range, takes a scale for each picture, and stops at the next step. In fp32 its pictures equal the stock
pipeline's within 1e-4.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from studio.errors import CapabilityError, ResourceError
from studio.generate.engine.control import ControlPictures, controls_of, refuse_misfit
from studio.generate.engine.decode import decode
from studio.generate.engine.denoise import Conditions, Networks, denoise
from studio.generate.engine.inpaint import originals_of
from studio.generate.engine.reference import Tokens, encode_references, looking, with_references
from studio.generate.engine.text import encode_all
from studio.generate.pictures import Adapter, AdapterSource, DrawControl, Drawn, ReadPicture, Watch
from studio.generate.plan import Batch, batch_size_for, compile_from_for, many_alike, plan, shape_of
from studio.models.architecture import Architecture, Text
from studio.models.arrangement import Arrangement, arranged
from studio.models.cache import ComponentKey, ModelCache
from studio.models.compiled import compiled
from studio.models.family import AddOn, computed_in
from studio.models.few_step import FEW_STEP
from studio.models.lora_file import LoraFile
from studio.models.lora_slot import loras_applied
from studio.models.registry import Registry
from studio.records.generation import AdapterWeight, GenerationRequest

__all__ = ["Engine"]


Stack = tuple[AdapterWeight, ...]


@dataclass
class _Run:
    """What one run has read and encoded: LoRAs by brand model, texts by base, LoRAs on the encoders, and text.

    `compiles`: the shapes that are drawn by compiled networks, in batches of one size.
    `few_step`: with the few-step weights that the base brings, and their scheduler.
    """

    control: ControlPictures
    watch: Watch
    references: Tokens
    compiles: frozenset[tuple[object, ...]]
    few_step: bool
    adapters: dict[str, Adapter] = field(default_factory=dict)
    texts: dict[tuple[str, Stack], dict[tuple[str, str], Text]] = field(default_factory=dict)
    addons: dict[tuple[str, tuple[str, ...], bool], list[AddOn]] = field(default_factory=dict)

    def addons_of(self, request: GenerationRequest, registry: Registry) -> list[AddOn]:
        """What a request needs beside its base, looked up once: each look reads all presets."""
        key = request.base, request.control_kinds, request.reference is not None
        if key not in self.addons:
            self.addons[key] = registry.addons(*key)
        return self.addons[key]

    def loras(self, stack: Stack) -> list[tuple[LoraFile, float]]:
        """The LoRAs of a stack with their weights."""
        return [(self.adapters[adapter.brand_model].lora, adapter.adapter_weight) for adapter in stack]

    def on_text(self, stack: Stack) -> Stack:
        """Those that change a text encoder."""
        return tuple(adapter for adapter in stack if self.adapters[adapter.brand_model].lora.changes_text)


class Engine:
    """Draws pictures with the components of one cache on one device.

    Args:
        adapters: reads a brand model's LoRA.
        draw_control: draws the OpenPose map of a pose.
        read_picture: reads a picture that a request names by its sha256.
        batch_size: pictures at once; None takes what suits the device.
        arrangement: how the device's memory is used; None: everything lies on it, `batch_size` pictures at once.
        patience_s: how long to wait for components that somebody else uses; None: however long it takes.
        compile_from: pictures of one shape from which networks are compiled; None takes what suits the device.
        compile_backend: of torch.compile.
    """

    def __init__(
        self, cache: ModelCache, *, device: str, dtype: str, adapters: AdapterSource, draw_control: DrawControl,
        read_picture: ReadPicture, batch_size: int | None = None, arrangement: Arrangement | None = None,
        patience_s: float | None = None, compile_from: int | None = None, compile_backend: str = "inductor",
    ) -> None:  # fmt: skip
        self._compile_from = compile_from_for(device) if compile_from is None else compile_from
        self._compile_backend = compile_backend
        self._patience_s = patience_s
        self._cache, self._device, self._dtype = cache, device, dtype
        self._adapters, self._draw_control, self._read = adapters, draw_control, read_picture
        self._arrangement = arrangement or Arrangement(batch_size or batch_size_for(device, dtype))

    def run(
        self, requests: Sequence[GenerationRequest], *, watch: Watch | None = None, skip: Sequence[int] = (),
        few_step: bool = False,
    ) -> Iterator[Drawn]:  # fmt: skip
        """Draw the requests whose index is not in `skip`, as their batches are finished.

        Args:
            few_step: with the few-step weights that their bases bring, beside their brand models.

        Raises:
            FaultsError: prompts that are longer than the base reads; nothing is drawn.
            CapabilityError: a size or an adapter that the base cannot do.
            ResourceError: not even one picture fits on the device.
            Cancelled: raised by `watch.check`; pictures that were yielded before are whole.
        """
        batches = plan(requests, self._arrangement.batch_size, skip)
        asked = [request for batch in batches for request in batch.requests]
        references = encode_references(self._cache, asked, self._read, self._key, self._patience_s)
        compiles = frozenset() if self._arrangement.offloaded else many_alike(asked, self._compile_from)
        run = _Run(ControlPictures(self._draw_control, self._read), watch or Watch(), references, compiles, few_step)
        for name in dict.fromkeys(adapter.brand_model for request in asked for adapter in request.adapters):
            run.adapters[name] = self._adapters(name)
        self._encode(asked, run)
        for batch in batches:
            yield from self._draw_or_retry(batch, run)

    def _key(self, base: str, component: str) -> ComponentKey:
        return ComponentKey(base, component, computed_in(component, self._dtype), self._device)

    def _encode(self, requests: Sequence[GenerationRequest], run: _Run) -> None:
        """Every distinct text of the requests, once for each set of LoRAs that changes its encoders."""
        texts: dict[tuple[str, Stack], list[str]] = {}
        for request in requests:
            wanted = texts.setdefault((request.base, run.on_text(request.adapters)), [])
            wanted += [request.prompt, *([request.negative_prompt] if request.guidance_scale > 1 else [])]
        for (base, stack), wanted in texts.items():
            architecture = self._cache.registry.family(base).architecture
            names = architecture.text_parts
            keys = [self._key(base, name) for name in names]
            with self._cache.use_all(*keys, patience_s=self._patience_s) as found:
                parts = dict(zip(names, found, strict=True))
                with loras_applied(parts, run.loras(stack)):
                    encoded = encode_all(architecture, parts, wanted)
            run.texts[base, stack] = {(base, text): embedding for text, embedding in encoded.items()}

    def _draw_or_retry(self, batch: Batch, run: _Run) -> Iterator[Drawn]:
        """Draw a batch; where memory runs out, once more in two halves, or a single picture in a smaller arrangement.
        Never with another seed or size.
        """
        try:
            drawn = self._draw(batch, run, self._arrangement, compiles=shape_of(batch.requests[0]) in run.compiles)
        except torch.OutOfMemoryError as error:
            _free()
            if len(batch.indices) == 1 and self._arrangement.tiled:
                raise _no_room(batch) from error
        else:
            yield from drawn
            return
        smaller = replace(self._arrangement, tiled=True) if len(batch.indices) == 1 else self._arrangement
        for part in batch.halves() if len(batch.indices) > 1 else (batch,):
            try:
                drawn = self._draw(part, run, smaller)
            except torch.OutOfMemoryError as error:
                _free()
                raise _no_room(part) from error
            note = f"memory ran out with {len(batch.indices)} pictures at once; drawn with {len(part.indices)}"
            if part is batch:
                note = "memory ran out with one picture; drawn again and decoded in tiles"
            for picture in drawn:
                yield Drawn(picture.index, picture.image, picture.seconds, note)

    @torch.no_grad()
    def _draw(self, batch: Batch, run: _Run, arrangement: Arrangement, *, compiles: bool = False) -> list[Drawn]:
        began, count = time.perf_counter(), len(batch.indices)
        batch = batch.padded(arrangement.batch_size) if compiles else batch
        base, first = batch.requests[0].base, batch.requests[0]
        registry, kinds = self._cache.registry, first.control_kinds
        architecture = registry.family(base).architecture
        self._check_size(first, architecture)
        addons = run.addons_of(first, registry)
        tiny = registry.previewer(base) if run.watch.preview is not None else None
        scheduling = self._key(base, FEW_STEP if run.few_step else "scheduler")
        keys = [scheduling, arrangement.key(self._key(base, architecture.denoiser))]
        keys += [self._key(base, "vae"), *(self._key(addon.name, addon.component) for addon in addons)]
        keys += [self._key(tiny.name, tiny.component)] if tiny is not None else []
        with self._cache.use_all(*keys, patience_s=self._patience_s) as (found, denoiser, vae, *beside):
            few = [(found.lora, 1.0)] if run.few_step else []
            scheduler, loras = found.scheduler if run.few_step else found, run.loras(first.adapters) + few
            controlnets, ip_adapters = beside[: len(kinds)], beside[len(kinds) : len(addons)]
            for addon, controlnet in zip(addons, controlnets, strict=False):
                refuse_misfit(addon.name, controlnet, base, denoiser)
            networks = Networks(architecture, denoiser, vae, scheduler, beside[-1] if tiny is not None else None)
            originals = originals_of(batch.requests, self._read)
            maps = [run.control.asked(request) for request in batch.requests]
            with (
                loras_applied({architecture.denoiser: denoiser}, loras),
                looking(ip_adapters, denoiser),
                arranged(arrangement, denoiser, vae, self._device),  # last, so that it moves what was added, too
                controls_of(architecture, controlnets, kinds, maps, denoiser, vae) as controls,
                compiled((denoiser, *controlnets) if compiles else (), backend=self._compile_backend),
            ):
                texts = run.texts[base, run.on_text(first.adapters)]
                conditions = Conditions.of(batch.requests, texts, networks, originals)
                conditions = with_references(conditions, run.references, denoiser)
                latents = denoise(networks, conditions, controls, batch.indices, run.watch)
                images = decode(architecture, vae, latents[:count])
            if originals:
                images = [original.finished(image) for original, image in zip(originals[:count], images, strict=True)]
        seconds = (time.perf_counter() - began) / count
        return [Drawn(index, image, seconds) for index, image in zip(batch.indices[:count], images, strict=True)]

    def _check_size(self, request: GenerationRequest, architecture: Architecture) -> None:
        factor, width, height = architecture.multiple_px, request.framing.width_px, request.framing.height_px
        if width % factor or height % factor:
            raise CapabilityError(
                f"{request.base} draws sizes that are multiples of {factor}, not {width}x{height}.",
                "Choose the next multiple.",
            )


def _free() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _no_room(batch: Batch) -> ResourceError:
    framing = batch.requests[0].framing
    return ResourceError(
        f"The device has no room for {len(batch.indices)} pictures of {framing.width_px}x{framing.height_px}.",
        "Close other programs that use it, or choose a smaller size or dtype.",
    )
