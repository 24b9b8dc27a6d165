"""The engine: requests to pictures, with our own denoising loop over the cache's components.

Against a stock pipeline it encodes each distinct text once, draws a pose's control map once, runs the ControlNet only
inside its range, takes a scale for each picture, and stops at the next step. In fp32 its pictures equal the stock
pipeline's within 1e-4.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from studio.errors import CapabilityError, ResourceError
from studio.generate.engine.control import ControlPictures, controls_of, kinds_of
from studio.generate.engine.decode import decode
from studio.generate.engine.denoise import Conditions, Networks, denoise
from studio.generate.engine.inpaint import originals_of
from studio.generate.engine.reference import Tokens, encode_references, looking, with_references
from studio.generate.engine.text import encode_all
from studio.generate.pictures import Adapter, AdapterSource, DrawControl, Drawn, ReadPicture, Watch
from studio.generate.plan import Batch, batch_size_for, plan
from studio.models.architecture import Architecture, Text
from studio.models.cache import ComponentKey, ModelCache
from studio.models.lora_slot import adapters_applied
from studio.records.generation import GenerationRequest

__all__ = ["Engine"]


class Engine:
    """Draws pictures with the components of one cache on one device.

    Args:
        adapters: reads a brand model's LoRA.
        draw_control: draws the OpenPose map of a pose.
        read_picture: reads a picture that a request names by its sha256.
        batch_size: pictures at once; None takes what suits the device.
        patience_s: how long to wait for components that somebody else uses; None: however long it takes.
    """

    def __init__(
        self, cache: ModelCache, *, device: str, dtype: str, adapters: AdapterSource, draw_control: DrawControl,
        read_picture: ReadPicture, batch_size: int | None = None, patience_s: float | None = None,
    ) -> None:  # fmt: skip
        self._patience_s = patience_s
        self._cache, self._device, self._dtype = cache, device, dtype
        self._adapters, self._draw_control, self._read = adapters, draw_control, read_picture
        self._batch_size = batch_size or batch_size_for(device, dtype)

    def run(
        self, requests: Sequence[GenerationRequest], *, watch: Watch | None = None, skip: Sequence[int] = ()
    ) -> Iterator[Drawn]:
        """Draw the requests whose index is not in `skip`, as their batches are finished.

        Raises:
            FaultsError: prompts that are longer than the base reads; nothing is drawn.
            CapabilityError: a size or an adapter that the base cannot do.
            ResourceError: not even one picture fits on the device.
            Cancelled: raised by `watch.check`; pictures that were yielded before are whole.
        """
        watch = watch or Watch()
        batches = plan(requests, self._batch_size, skip)
        asked = [request for batch in batches for request in batch.requests]
        texts = self._encode(asked)
        references = encode_references(self._cache, asked, self._read, self._key, self._patience_s)
        control = ControlPictures(self._draw_control, self._read)
        loaded: dict[str, Adapter] = {}
        for batch in batches:
            yield from self._draw_or_halve(batch, texts, references, control, loaded, watch)

    def _key(self, base: str, component: str) -> ComponentKey:
        # Autoencoders of this line overflow in fp16 (SDXL's says so itself: force_upcast) and draw black.
        dtype = "fp32" if component == "vae" and self._dtype == "fp16" else self._dtype
        return ComponentKey(base, component, dtype, self._device)

    def _encode(self, requests: Sequence[GenerationRequest]) -> dict[tuple[str, str], Text]:
        """(base, text) -> its embeddings, for every text of the requests."""
        embeddings: dict[tuple[str, str], Text] = {}
        for base in dict.fromkeys(request.base for request in requests):
            architecture = self._cache.registry.family(base).architecture
            texts = [text for r in requests if r.base == base for text in (r.prompt, r.negative_prompt)]
            names = architecture.text_parts
            keys = [self._key(base, name) for name in names]
            with self._cache.use_all(*keys, patience_s=self._patience_s) as found:
                parts = dict(zip(names, found, strict=True))
                for text, embedding in encode_all(architecture, parts, texts).items():
                    embeddings[base, text] = embedding
        return embeddings

    def _draw_or_halve(self, batch: Batch, *rest: Any) -> Iterator[Drawn]:
        """Draw a batch; where memory runs out, once more in two halves. Never with another seed or size."""
        try:
            drawn = self._draw(batch, *rest)
        except torch.OutOfMemoryError as error:
            _free()
            if len(batch.indices) == 1:
                raise _no_room(batch) from error
        else:
            yield from drawn
            return
        for half in batch.halves():
            try:
                drawn = self._draw(half, *rest)
            except torch.OutOfMemoryError as error:
                _free()
                raise _no_room(half) from error
            for picture in drawn:
                note = f"memory ran out with {len(batch.indices)} pictures at once; drawn with {len(half.indices)}"
                yield Drawn(picture.index, picture.image, picture.seconds, note)

    @torch.no_grad()
    def _draw(
        self, batch: Batch, texts: dict[tuple[str, str], Text], references: Tokens, control: ControlPictures,
        loaded: dict[str, Adapter], watch: Watch,
    ) -> list[Drawn]:  # fmt: skip
        began = time.perf_counter()
        base, first = batch.requests[0].base, batch.requests[0]
        architecture, kinds = self._cache.registry.family(base).architecture, kinds_of(first)
        self._check_size(first, architecture)
        stack = [self._adapter(a.brand_model, loaded, a.adapter_weight) for a in first.adapters]
        addons = [self._cache.registry.control(base, kind) for kind in kinds]
        keys = [self._key(base, name) for name in ("scheduler", architecture.denoiser, "vae")]
        if first.reference is not None:
            addons.append(self._cache.registry.reference(base))
        keys += [self._key(addon.name, addon.component) for addon in addons]
        with self._cache.use_all(*keys, patience_s=self._patience_s) as (scheduler, denoiser, vae, *beside):
            controlnets, ip_adapters = beside[: len(kinds)], beside[len(kinds) :]
            networks = Networks(architecture, denoiser, vae, scheduler)
            originals = originals_of(batch.requests, self._read)
            conditions = Conditions.of(batch.requests, texts, networks, originals)
            conditions = with_references(conditions, references, denoiser)
            maps = [control.asked(request) for request in batch.requests]
            with (
                adapters_applied(denoiser, stack),
                looking(ip_adapters, denoiser),
                controls_of(architecture, controlnets, kinds, maps, denoiser, vae) as controls,
            ):
                latents = denoise(networks, conditions, controls, batch.indices, watch)
            images = decode(architecture, vae, latents)
            if originals:
                images = [original.finished(image) for original, image in zip(originals, images, strict=True)]
        seconds = (time.perf_counter() - began) / len(images)
        return [Drawn(index, image, seconds) for index, image in zip(batch.indices, images, strict=True)]

    def _adapter(self, name: str, loaded: dict[str, Adapter], weight: float) -> tuple[Any, float, float]:
        if name not in loaded:
            loaded[name] = self._adapters(name)
        return loaded[name].state_dict, loaded[name].card.lora_alpha, weight

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
