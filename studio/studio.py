"""Studio: opens and closes one home, and holds one service object a stage.

Everything that computes is made when it is first asked for: opening a Studio loads no model and no torch.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from studio.compose import ComposeService, draw_openpose
from studio.devices import Device, apply_threads, cache_budget, choose_device, device_memory
from studio.errors import ConflictError, FaultsError
from studio.generate import DraftService, GenerateService, PreviewDesk
from studio.jobs import GiveWay, Job, JobContext, JobHandler, JobQueue, Lane
from studio.label import LabelService
from studio.listing import ListingService
from studio.models import ModelCache, Registry, WeightsHeader, check_model_folder, check_weights
from studio.models.family import close_the_door
from studio.models.installed import Installed
from studio.models.loras import LoraDesk
from studio.models.overview import Overview
from studio.models.pull import PullService
from studio.presets import Presets, faults_of
from studio.review import ReviewService
from studio.settings import Settings
from studio.store import Accounts, Store
from studio.tools import ToolService
from studio.train import TrainService

__all__ = ["Accounts", "Studio"]

QUIET = {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", "DIFFUSERS_DISABLE_REMOTE_CODE": "1"}
"""Set before any library is loaded: nothing calls home, and no model folder brings code of its own."""


class Studio:
    """One home, opened. Use it as a context manager, or call `close`."""

    def __init__(self, settings: Settings) -> None:
        close_the_door()
        os.environ.update(QUIET)
        self.settings = settings
        self.warm = threading.Event()
        """Set once the libraries that draw and train are loaded; before that, what needs them takes seconds."""
        self.store = Store.open(settings)
        self.accounts = Accounts(settings.home)
        self.presets = Presets(settings.presets, settings.brand_models, settings.models_dir)
        self.installed = Installed(settings, self.presets)
        self.pulls = PullService(self.store, self.presets, self.installed)
        self.loras = LoraDesk(self.presets, settings.brand_models)
        self.jobs = JobQueue(self.store)
        self.compose = ComposeService(self.store, self.presets)
        self.label = LabelService(self.store, settings)
        self.review = ReviewService(self.store, settings, self.presets)
        self.listing = ListingService(self.store, settings, self.presets)

    @classmethod
    def open(cls, home: Path | None = None) -> Studio:
        """Opens the home that STUDIO_HOME or `home` names.

        Raises:
            FaultsError: STUDIO_* settings that cannot be used, all of them.
            ResourceError, ConflictError: the home cannot be opened (see Store.open).
        """
        try:
            settings = Settings() if home is None else Settings(home=home)
        except ValidationError as error:
            raise FaultsError("Settings (STUDIO_*)", faults_of("STUDIO", error)) from error
        return cls(settings)

    @cached_property
    def device(self) -> Device:
        """Where to compute, and why there."""
        apply_threads(self.settings)
        return choose_device(self.settings)

    @cached_property
    def memory_bytes(self) -> int:
        """Memory of the device."""
        return device_memory(self.device.device)

    @cached_property
    def cache(self) -> ModelCache:
        """The components of all bases in memory, shared by training and generation."""
        return ModelCache(Registry(self.presets), lambda: cache_budget(self.settings, self.device.device))

    @cached_property
    def overview(self) -> Overview:
        """Every base and what can be added to it, in one list."""
        return Overview(self.store, self.presets, self.installed, self.cache.registry)

    @cached_property
    def train(self) -> TrainService:
        """The train stage."""
        return TrainService(self.store, self.settings, self.presets, self.cache)

    @cached_property
    def generate(self) -> GenerateService:
        """The generate stage; it draws its control pictures as the compose stage does."""
        return GenerateService(self.store, self.settings, self.presets, self.cache, self.device, draw_openpose)

    @cached_property
    def tools(self) -> ToolService:
        """Upscaling and cutting out."""
        return ToolService(self.store, self.settings, self.presets, self.installed, lambda: self.device.device)

    @cached_property
    def drafts(self) -> DraftService:
        """The light half of the generate stage: prompts and requests, without torch."""
        return DraftService(self.store, self.settings, self.presets, self.cache.registry)

    @cached_property
    def previews(self) -> PreviewDesk:
        """Live previews, drawn beside the queue, or by a training between its steps."""

        def holder() -> str:
            if not self.warm.is_set():
                return "loading"
            return next((job.kind for job in self.jobs.list(status="running")), "")

        return PreviewDesk(lambda request, check: self.generate.preview(request, check), holder)

    @cached_property
    def lane(self) -> Lane:
        """Runs device jobs, one at a time."""
        handlers: dict[str, JobHandler] = {
            "ingest": self.label.handle,
            "train": self._train_job,
            "generate": self.generate.handle,
            "measure": self.review.handle_measure,
            "rule-review": self.review.handle_rule_review,
            "pull": partial(self._beside_others, self.pulls.handle),
            "verify": partial(self._beside_others, self.pulls.handle_verify),
            "upscale": self.tools.handle_upscale,
            "cut-out": self.tools.handle_cut_out,
        }
        return Lane(self.jobs, handlers)

    def _train_job(self, context: JobContext) -> dict[str, Any]:
        """Trains with samples drawn by the generate stage, and gives way to single pictures and previews of its base:
        stages do not know each other, so they meet here.
        """
        base = self.store.training_runs.get(str(context.payload["run_id"])).config.base
        draw = partial(self.generate.draw_sample, base)
        pictures = self.lane.short_jobs("generate", lambda job: self.generate.is_single(job.payload, base))
        with self.previews.lent(base) as preview:
            give_way = GiveWay(preview, pictures)
            return TrainService(self.store, self.settings, self.presets, self.cache, draw, give_way).handle(context)

    def _beside_others(
        self, handle: Callable[[JobContext, Callable[[], bool]], dict[str, Any]], context: JobContext
    ) -> dict[str, Any]:
        """Pulls or checks, and lets short work pass between two chunks: neither needs the device."""
        kinds = ("generate", "ingest", "measure", "rule-review")
        waiting = [self.lane.short_jobs(kind, lambda job: True) for kind in kinds]
        return handle(context, lambda: any(run() for run in waiting))

    def warm_up(self) -> None:
        """Loads what draws and trains (torch and diffusers take seconds) and starts the lane; meant for a thread."""
        import diffusers  # noqa: F401

        import studio.generate.engine  # noqa: F401  # with peft and transformers, which the first picture needs

        self.warm.set()
        self.lane.start()

    def retry(self, job_id: str, *, owner: str) -> Job:
        """Submits a job that failed or was cancelled once more. Training goes on from its last checkpoint.

        Raises:
            NotFoundError: no such job.
            ConflictError: it has not ended, or it is done.
            RightsError: it works on the models of this machine, and that person may not.
        """
        job = self.jobs.get(job_id)
        if job.kind in ("pull", "verify"):
            self.accounts.demand_operator(owner)
        if not job.ended or job.status == "done":
            raise ConflictError(f"Job {job_id} is {job.status}.", "Only what failed or was cancelled is tried again.")
        if job.kind == "train":
            self.train.resume(str(job.payload["run_id"]))
        return self.jobs.submit(job.kind, job.payload, owner=owner)

    def check_weights(self, path: Path) -> dict[str, WeightsHeader]:
        """Holds a weights file, or a model folder, against the gate: file name -> its header. Raises GateError."""
        return check_model_folder(path) if path.is_dir() else {path.name: check_weights(path)}

    def close(self) -> None:
        """Stops the lane in good order and closes the store."""
        if "previews" in vars(self):
            self.previews.close()
        if "lane" in vars(self):
            self.lane.stop()
        self.store.close()

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
