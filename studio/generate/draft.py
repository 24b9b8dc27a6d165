"""Drafts: from what stands on the canvas to requests. Loads no model and no torch, so that a page can ask at once."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from studio.errors import FaultsError, InputError
from studio.generate.check import check_requests
from studio.generate.keep import keep_picture
from studio.generate.matrix import framing_for, matrix
from studio.generate.png import restore
from studio.generate.prompt_length import PromptLengths
from studio.generate.prompts import positive
from studio.generate.service import variant_id
from studio.records.base import field_faults
from studio.records.generation import AdapterWeight, GenerationRequest, Variant
from studio.records.look import Look
from studio.records.pose import Framing, Pose

if TYPE_CHECKING:
    from studio.models import Registry
    from studio.presets import Presets
    from studio.settings import Settings
    from studio.store import Store

_TIMED = 40
"""Newest pictures that the expected time of a grid is taken from."""
_FROM_MATRIX = {"prompt", "seed", "pose", "look"}


class DraftService:
    """The light half of the generate stage: prompts, requests, payloads, and where a batch's pictures stand."""

    def __init__(self, store: Store, settings: Settings, presets: Presets, registry: Registry) -> None:
        self._store, self._settings, self._presets, self._registry = store, settings, presets, registry
        self._lengths = PromptLengths(presets)

    def framing(self, base: str) -> Framing:
        """The usual framing of a base. Raises NotFoundError."""
        return framing_for(self._presets.base(base))

    def framings(self, base: str) -> list[Framing]:
        """The framings at every size that a base was made for, the usual one first. Raises NotFoundError."""
        card = self._presets.base(base)
        return list(dict.fromkeys([framing_for(card), *(framing_for(card, size) for size in card.resolutions)]))

    def keep_picture(self, path: Path) -> str:
        """Keep a picture for requests to name by the sha256 that this returns. Raises as `keep.keep_picture`."""
        return keep_picture(self._store, self._settings, path)

    def restore(self, picture: Path) -> GenerationRequest:
        """The request that a picture made here carries. Raises NotFoundError, InputError, FaultsError."""
        return restore(picture)

    def prompt(self, look: Look, pose: Pose | None, adapters: Sequence[AdapterWeight] = ()) -> str:
        """The words of a look in a pose, trigger tokens of known brand models included."""
        return positive(look, pose, self._triggers(adapters))

    def read(self, values: Any) -> GenerationRequest:
        """A request from JSON. Raises FaultsError that names every wrong field."""
        try:
            request = GenerationRequest.model_validate(values)
        except ValidationError as error:
            raise FaultsError("The settings of the picture", field_faults(error, "request")) from error
        if not request.prompt.strip():
            raise InputError("The prompt is empty.", "Choose a look, or write what the picture shows.")
        return request

    def variations(self, request: GenerationRequest, count: int) -> list[GenerationRequest]:
        """The same picture with this seed and those after it."""
        return [request.model_copy(update={"seed": (request.seed + step) % 2**63}) for step in range(count)]

    def grid(
        self, template: GenerationRequest, poses: Sequence[Pose | None], looks: Sequence[Look], seeds: Sequence[int]
    ) -> list[GenerationRequest]:
        """Every pose with every look with every seed, all other settings as in `template`.

        A prompt that was edited by hand belongs to the template's own look and stays with it in every pose; the other
        looks bring their own words.

        Raises:
            FaultsError: nothing, or too much, to draw.
        """
        triggers = self._triggers(template.adapters)
        settings = {name: value for name, value in template if name not in _FROM_MATRIX}
        made = matrix(poses, looks, seeds, card=self._presets.base(template.base), triggers=triggers, **settings)
        if template.look is None or template.prompt == positive(template.look, template.pose, triggers):
            return made
        own = {"prompt": template.prompt}
        return [request.model_copy(update=own) if request.look == template.look else request for request in made]

    def payload(self, requests: Sequence[GenerationRequest]) -> dict[str, Any]:
        """The payload of a job of kind `generate`, checked. Raises FaultsError."""
        limit = self._settings.max_image_pixels
        check_requests(requests, self._presets, self._registry, self._lengths, limit, self._store.files.path)
        return {"requests": [request.model_dump(mode="json") for request in requests]}

    def drawn(self, batch_id: str, count: int) -> dict[int, Variant]:
        """The pictures of a batch that are done, by their place in what was asked for."""
        places = {variant_id(batch_id, index): index for index in range(count)}
        found = self._store.variants.find(batch_id=batch_id)
        return {places[variant.id]: variant for variant in found if variant.id in places}

    def seconds_per_step(self, base: str) -> float | None:
        """What one step of one picture took lately; None before the first picture."""
        found = self._store.variants.find(newest=_TIMED)
        # What a tool made of a picture took no steps.
        lately = [variant for variant in found if variant.request.base == base and not variant.derived_from]
        if not lately:
            return None
        return statistics.median(variant.seconds / variant.request.num_inference_steps for variant in lately)

    def _triggers(self, adapters: Sequence[AdapterWeight]) -> list[str]:
        known = self._presets.brand_models() if adapters else {}
        return [known[a.brand_model].trigger_token for a in adapters if a.brand_model in known]
