"""GenerateService: the stage's face. Builds matrices, checks requests, draws them, and keeps each picture once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from studio.devices import room_bytes
from studio.errors import Fault, FaultsError, StudioError
from studio.generate.adapters import load_adapter
from studio.generate.check import check_requests
from studio.generate.keep import keep_picture
from studio.generate.keeper import Keeper
from studio.generate.matrix import framing_for, matrix
from studio.generate.pictures import DrawControl, Drawn, Preview, Watch
from studio.generate.plan import batch_size_for
from studio.generate.png import restore, to_png
from studio.generate.preview import quick
from studio.generate.prompt_length import PromptLengths
from studio.measure.pictures import open_picture
from studio.models.arrangement import FP8, Arrangement
from studio.models.planner import DryRuns, Planner
from studio.records.base import field_faults, new_id, now
from studio.records.generation import AdapterWeight, GenerationRequest, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from studio.devices import Device
    from studio.jobs import JobContext
    from studio.models import ModelCache
    from studio.presets import Presets
    from studio.settings import Settings
    from studio.store import Store

PREVIEW_PATIENCE_S = 2.0
"""A grid lets go of the model between its batches."""


class GenerateService:
    """Requests in, variants out.

    Args:
        draw_control: draws the control map of a pose: (pose, framing) -> np.uint8 (H, W, 3).
    """

    def __init__(
        self, store: Store, settings: Settings, presets: Presets, cache: ModelCache, device: Device,
        draw_control: DrawControl,
    ) -> None:  # fmt: skip
        self._store, self._settings, self._presets = store, settings, presets
        self._cache, self._device, self._draw_control = cache, device, draw_control
        self._lengths = PromptLengths(presets)
        self._dry_runs: DryRuns = {}

    def matrix(
        self, poses: Sequence[str | None], looks: Sequence[str], seeds: Sequence[int], *, base: str = "croquis",
        adapters: Sequence[AdapterWeight] = (), **settings: object,
    ) -> list[GenerationRequest]:  # fmt: skip
        """Every pose with every look with every seed, all by name; a pose of None is drawn without pose control.

        Raises:
            FaultsError: names every unknown name, and settings that a request does not take.
        """
        known_poses, known_looks = self._presets.poses(), self._presets.looks()
        brand_models, bases = self._presets.brand_models(), self._presets.bases()
        asked: list[tuple[str, Sequence[str], Any]] = [
            ("pose", [name for name in poses if name is not None], known_poses),
            ("look", looks, known_looks),
            ("brand model", [adapter.brand_model for adapter in adapters], brand_models),
            ("base", [base], bases),
        ]
        faults = [
            Fault(kind, f"there is none named {name!r}.", f"Known: {', '.join(sorted(known)) or 'none'}.")
            for kind, names, known in asked
            for name in names
            if name not in known
        ]
        if faults:
            raise FaultsError("The matrix", faults)
        return matrix(
            [None if name is None else known_poses[name] for name in poses],
            [known_looks[name] for name in looks],
            seeds,
            card=bases[base],
            triggers=[brand_models[adapter.brand_model].trigger_token for adapter in adapters],
            adapters=tuple(adapters),
            **settings,
        )

    def restore(self, picture: Path) -> GenerationRequest:
        """The request that a picture made here carries. Raises NotFoundError, InputError, FaultsError."""
        return restore(picture)

    def keep_picture(self, path: Path) -> str:
        """Keep a picture for requests to name by the sha256 that this returns. Raises as `keep.keep_picture`."""
        return keep_picture(self._store, self._settings, path)

    def check(self, requests: Sequence[GenerationRequest]) -> None:
        """Everything that can be known before the first step. Raises FaultsError."""
        limit = self._settings.max_image_pixels
        check_requests(requests, self._presets, self._cache.registry, self._lengths, limit, self._store.files.path)

    def run(
        self, requests: Sequence[GenerationRequest], context: JobContext | None = None, *,
        preview: Callable[[Preview], None] | None = None,
    ) -> list[Variant]:  # fmt: skip
        """Draw, keep and return the variants, in the order of the requests.

        With a job's context, variant ids follow from (job, index): a job that is started again draws only what is
        missing, and what it draws twice it stores once.

        Raises:
            FaultsError, CapabilityError, GateError, ResourceError: nothing, or not all, could be drawn.
            Cancelled: at the next step after the cancel; variants that were finished are kept.
        """
        self.check(requests)
        batch_id = context.job.id if context is not None else new_id("batch")
        kept = self._kept(batch_id, requests)
        memory = self._planner().plan(requests)
        progress = _Progress(requests, kept, context, memory.words)
        watch = Watch(check=progress.check, stepped=progress.stepped, preview=preview)

        def row(drawn: Drawn, sha256: str) -> None:
            kept[drawn.index] = self._keep(batch_id, requests[drawn.index], drawn, sha256, context)
            progress.finished(drawn.index)

        weights = cache(self._weights_of)  # the same for all pictures of a kind, and each look reads all presets

        def write(drawn: Drawn) -> str:
            request = requests[drawn.index]
            digests = weights(request.base, request.control_kinds, request.reference is not None)
            return self._write(request, drawn, memory.arrangement, digests)

        with Keeper(write, row) as keeper:
            for drawn in self._engine(arrangement=memory.arrangement).run(requests, watch=watch, skip=tuple(kept)):
                keeper.take(drawn)
        return [kept[index] for index in range(len(requests))]

    def payload(self, requests: Sequence[GenerationRequest]) -> dict[str, Any]:
        """The payload of a job of kind `generate`; checked, so that a bad request is refused before it waits."""
        self.check(requests)
        return {"requests": [request.model_dump(mode="json") for request in requests]}

    def is_single(self, payload: Mapping[str, Any], base: str) -> bool:
        """Whether a job draws one picture of that base: short enough to be done between two steps of a training."""
        requests = payload.get("requests")
        one = requests[0] if isinstance(requests, list) and len(requests) == 1 else None
        return isinstance(one, dict) and one.get("base") == base

    def preview(self, request: GenerationRequest, check: Callable[[], None]) -> Image:
        """A picture to look at, drawn at once in few steps and kept nowhere; `check` is called before every step.

        Raises:
            BusyError: a job uses the model, and did not let go of it within a moment.
            FaultsError, GateError, CapabilityError, ResourceError: it cannot be drawn.
        """
        few_steps = self._cache.registry.few_steps(request.base)
        asked = [quick(request, few_steps)]
        self.check(asked)
        engine, watch = self._engine(PREVIEW_PATIENCE_S), Watch(check=check)
        drawn: Drawn = next(iter(engine.run(asked, watch=watch, few_step=few_steps is not None)))
        return drawn.image

    def draw_sample(self, base: str, unet: Any, prompt: str, seed: int, path: Path) -> None:
        """Draw a prompt with a UNet that training holds, its matrices included, and write it as a PNG.

        Raises:
            FaultsError: a prompt that is longer than the base reads.
        """
        from studio.generate.engine.sample import sample

        card = self._presets.base(base)
        request = GenerationRequest(
            base=base, prompt=prompt, seed=seed, framing=framing_for(card),
            num_inference_steps=card.num_inference_steps, guidance_scale=card.guidance_scale,
        )  # fmt: skip
        image = sample(self._cache, unet, request, device=self._device.device, dtype=self._device.dtype)
        path.write_bytes(to_png(image, request))

    def handle(self, context: JobContext) -> dict[str, Any]:
        """Job handler of kind `generate`: `{"requests": [...]}` -> `{"batch_id", "variant_ids"}`."""
        try:
            requests = [GenerationRequest.model_validate(request) for request in context.payload["requests"]]
        except ValidationError as error:
            faults = field_faults(error)
            raise FaultsError("The job's requests", faults) from error
        variants = self.run(requests, context)
        return {"batch_id": context.job.id, "variant_ids": [variant.id for variant in variants]}

    def _planner(self) -> Planner:
        device, held = self._device.device, self._cache.stats().resident
        own = sum(size for key, size in held.items() if key.device == device)  # idle components make room
        return Planner(
            self._cache.registry, device=device, dtype=self._device.dtype, room_bytes=room_bytes(device) + own,
            batch_size=batch_size_for(device, self._device.dtype), known=self._dry_runs, loading=self._cache.loading,
        )  # fmt: skip

    def _engine(self, patience_s: float | None = None, arrangement: Arrangement | None = None) -> Any:
        from studio.generate.engine import Engine

        return Engine(
            self._cache, device=self._device.device, dtype=self._device.dtype, draw_control=self._draw_control,
            adapters=lambda name: load_adapter(self._presets, name), patience_s=patience_s,
            read_picture=self._read_picture, arrangement=arrangement,
        )  # fmt: skip

    def _read_picture(self, sha256: str) -> Image:
        """A picture of the file store, upright and in sRGB. Raises NotFoundError, InputError."""
        return open_picture(self._store.files.path(sha256)).image

    def _kept(self, batch_id: str, requests: Sequence[GenerationRequest]) -> dict[int, Variant]:
        """What an earlier try of the same job has finished."""
        found = {variant.id: variant for variant in self._store.variants.find(batch_id=batch_id)}
        kept: dict[int, Variant] = {}
        for index, request in enumerate(requests):
            variant = found.get(variant_id(batch_id, index))
            if variant is not None and variant.request == request and self._has_file(variant):
                kept[index] = variant
        return kept

    def _has_file(self, variant: Variant) -> bool:
        try:
            return self._store.files.path(variant.image_sha256).is_file()
        except StudioError:
            return False

    def _write(
        self, request: GenerationRequest, drawn: Drawn, arrangement: Arrangement, digests: Mapping[str, object]
    ) -> str:
        """The file, with what made it; its sha256."""
        made_with = self._made_with(request, drawn, digests) | ({"weights_kept_in": FP8} if arrangement.fp8 else {})
        return self._store.files.put_bytes(to_png(drawn.image, request, made_with), ".png")

    def _keep(
        self, batch_id: str, request: GenerationRequest, drawn: Drawn, sha256: str, context: JobContext | None
    ) -> Variant:
        """The row of a picture whose file is there: a row always has its file. What the grid shows comes last."""
        variant = Variant(
            id=variant_id(batch_id, drawn.index), batch_id=batch_id, request=request, image_sha256=sha256,
            seconds=drawn.seconds, created_at=now(), sku=request.sku,
        )  # fmt: skip
        writing: AbstractContextManager[Any] = (context or self._store).transaction()
        with writing:
            self._store.variants.put(variant)
        self._store.thumbnails.prepare(sha256)
        return variant

    def _made_with(self, request: GenerationRequest, drawn: Drawn, digests: Mapping[str, object]) -> dict[str, object]:
        cards = self._presets.brand_models()
        return {
            "dtype": self._device.dtype,
            "device": self._device.device,
            **digests,
            "adapters": {a.brand_model: cards[a.brand_model].weights_sha256 for a in request.adapters},
            **({"note": drawn.note} if drawn.note else {}),
        }

    def _weights_of(self, base: str, kinds: tuple[str, ...], referenced: bool) -> dict[str, object]:
        """Digests of a base, and of ControlNets and an IP-Adapter that were pulled beside it."""
        names = {addon.name for addon in self._cache.registry.addons(base, kinds, referenced)} - {base}
        pulled = {"addons": {name: self._digests(name) for name in sorted(names)}} if names else {}
        return {"weights": self._digests(base), **pulled}

    def _digests(self, name: str) -> dict[str, str]:
        """Relative path -> sha256 of the weights files of a base or add-on."""
        return {path: header.sha256 for path, header in sorted(self._cache.registry.weights(name).items())}


def variant_id(batch_id: str, index: int) -> str:
    """The id of a batch's picture: the same for the same job and place, whoever draws it, however often."""
    return f"var_{hashlib.sha256(f'{batch_id}/{index}'.encode()).hexdigest()[:16]}"


class _Progress:
    """Counts denoising steps over all pictures, and tells the job."""

    def __init__(
        self, requests: Sequence[GenerationRequest], kept: dict[int, Variant], context: JobContext | None, how: str
    ) -> None:
        self._steps = [request.num_inference_steps for request in requests]
        self._share = [1.0 if index in kept else 0.0 for index in range(len(requests))]
        self._ready = len(kept)
        self._context = context
        self._how = how
        self._tell()

    def check(self) -> None:
        if self._context is not None:
            self._context.check()

    def stepped(self, indices: tuple[int, ...], share: float) -> None:
        for index in indices:
            self._share[index] = share
        self._tell()

    def finished(self, index: int) -> None:
        self._share[index] = 1.0
        self._ready += 1
        self._tell()

    def _tell(self) -> None:
        if self._context is not None:
            done = sum(round(steps * share) for steps, share in zip(self._steps, self._share, strict=True))
            note = f"{self._ready} of {len(self._steps)} pictures" if done else self._how
            self._context.progress(done, sum(self._steps), note)
