"""What can be known of requests before anything is loaded: every fault of every request, at once.

A prompt that is too long is told once, however many pictures have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from studio.errors import Fault, FaultsError, StudioError
from studio.generate.check_pictures import not_stored, unfollowed
from studio.records.brand_model import BrandModel
from studio.records.capabilities import Capabilities
from studio.records.generation import GenerationRequest

if TYPE_CHECKING:
    from pathlib import Path

    from studio.generate.prompt_length import PromptLengths
    from studio.models import Registry
    from studio.presets import Presets

UNREAD_SHOWN = 200
"""Letters of a prompt's unread end that are shown."""


def check_requests(
    requests: Sequence[GenerationRequest], presets: Presets, registry: Registry, lengths: PromptLengths,
    max_image_pixels: int, stored: Callable[[str], Path],
) -> None:  # fmt: skip
    """Raises FaultsError that names every request that cannot be drawn, and why.

    Args:
        stored: finds a picture in the file store by its sha256, or raises NotFoundError.
    """
    brand_models = presets.brand_models()
    capabilities: dict[str, Capabilities | StudioError] = {}
    for base in {request.base for request in requests}:
        try:
            capabilities[base] = registry.capabilities(base)
        except StudioError as error:
            capabilities[base] = error
    readable = {base for base, known in capabilities.items() if not isinstance(known, StudioError)}
    faults = [
        Fault(f"request {index}", what, next_step)
        for index, request in enumerate(requests)
        for what, next_step in _faults(request, capabilities[request.base], brand_models, max_image_pixels)
    ]
    numbered = [(index, r) for index, r in enumerate(requests) if r.base in readable]
    faults += [*unfollowed(numbered, registry), *not_stored(numbered, stored), *_too_long(numbered, lengths)]
    if not requests:
        faults.append(Fault("requests", "there are none.", "Choose at least one pose, look and seed."))
    if faults:
        raise FaultsError("Pictures that cannot be drawn", faults)


def _too_long(requests: Sequence[tuple[int, GenerationRequest]], lengths: PromptLengths) -> Iterator[Fault]:
    """A fault for every text that its base would not read to the end."""
    first: dict[tuple[str, str, str], int] = {}
    for index, request in requests:
        for name, text in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
            first.setdefault((request.base, name, text), index)
    for (base, name, text), index in first.items():
        if (found := lengths.too_long(base, text)) is not None:
            unread = found.text[:UNREAD_SHOWN] + ("..." if len(found.text) > UNREAD_SHOWN else "")
            what = f"its {name} has {found.tokens} tokens of at most {found.limit}; not read: {unread!r}."
            yield Fault(f"request {index}", what, "Shorten it.")


def _faults(
    request: GenerationRequest, capabilities: Capabilities | StudioError, brand_models: Mapping[str, BrandModel],
    max_image_pixels: int,
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """(what, next step) for everything that is wrong with one request."""
    framing = request.framing
    if isinstance(capabilities, StudioError):
        yield capabilities.message, capabilities.next_step
        return
    if not capabilities.text_to_image.supported:
        yield f"{request.base} cannot draw: {capabilities.text_to_image.reason}", "Choose another base."
    if framing.width_px < 64 or framing.height_px < 64:
        yield f"{framing.width_px}x{framing.height_px} px is too small to draw.", "Choose at least 64x64."
    if framing.width_px * framing.height_px > max_image_pixels:
        limit = f"STUDIO_MAX_IMAGE_PIXELS is {max_image_pixels}"
        yield f"{framing.width_px}x{framing.height_px} px is too large ({limit}).", "Choose a smaller size."
    if not (isfinite(framing.origin_x_px) and isfinite(framing.origin_y_px) and isfinite(framing.px_per_mm)):
        yield "its framing holds an infinite number.", "Choose the usual framing."
    if request.inpaint is not None and not capabilities.inpaint.supported:
        yield f"{request.base} cannot change a part: {capabilities.inpaint.reason}", "Choose another base, or no mask."
    elif request.inpaint is not None and int(request.num_inference_steps * request.inpaint.strength) < 1:
        what = f"a strength of {request.inpaint.strength:g} leaves none of its {request.num_inference_steps} steps."
        yield what, "Raise the strength or the steps."
    for adapter in request.adapters:
        card = brand_models.get(adapter.brand_model)
        if card is None:
            known = ", ".join(sorted(brand_models)) or "none"
            yield f"there is no brand model {adapter.brand_model!r}.", f"Known: {known}."
        elif card.base != request.base:
            yield f"{card.name} was trained on {card.base}, not on {request.base}.", f"Choose the base {card.base}."
        elif not capabilities.lora_load.supported:
            yield f"{request.base} takes no LoRA: {capabilities.lora_load.reason}", "Choose another base."
