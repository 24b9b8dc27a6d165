"""One run from its folder to its last checkpoint: encode what is not encoded yet, attach, train, measure, judge."""

from __future__ import annotations

from collections.abc import Callable

import torch

from studio.devices import Device
from studio.errors import ResourceError
from studio.jobs import JobContext
from studio.models import ComponentKey, ModelCache
from studio.models.architecture import Objective, Text
from studio.records.training import OverfitVerdict
from studio.store import FileStore
from studio.train.cache import Encodings, Posterior, refuse_long_captions
from studio.train.checkpoint import Checkpoints
from studio.train.heldout import MAX_HELD_OUT, MAX_TRAINED, FixedQuestions
from studio.train.loop import Watch, train
from studio.train.loop_adapter import lora_attached
from studio.train.loop_trainer import EncodedPhoto, LoraTrainer
from studio.train.metrics import Metrics
from studio.train.run_folder import RunFolder
from studio.train.samples import DrawSample, Samples, sample_prompts
from studio.train.snapshot import TrainingItem
from studio.train.verdict import judge, worth_keeping

KEEP_LAST = 3
KEEP_BEST = 3


class Session:
    """One process's work on one run."""

    def __init__(
        self,
        folder: RunFolder,
        *,
        cache: ModelCache,
        files: FileStore,
        encodings: Encodings,
        device: Device,
        context: JobContext,
    ) -> None:
        self._folder = folder
        self._config = folder.config()
        self._snapshot = folder.snapshot()
        self._cache = cache
        self._architecture = cache.registry.family(self._config.base).architecture
        self._files = files
        self._encodings = encodings
        self._device = device.device
        # fp16 gradients of a LoRA underflow without a scaler, whose state would have to be kept too: fp32 instead.
        self._dtype = "fp32" if device.dtype == "fp16" else device.dtype
        self._context = context

    def run(
        self, draw: DrawSample | None, saved: Callable[[int, OverfitVerdict], None], give_way: Callable[[], object]
    ) -> None:
        """Train from the last checkpoint, or from the start, to the config's last step.

        Args:
            draw: draws one sample; None draws none.
            saved: called after each checkpoint with its step and the verdict so far.
            give_way: called between photos while they are encoded, and between steps.

        Raises:
            Cancelled: a person stopped it; a checkpoint of the last finished step is on the disk.
            FaultsError: captions that are too long for the base.
            InputError: the loss broke off, or `target_modules` matches nothing.
            ResourceError: out of memory or disk.
        """
        try:
            with self._cache.use(self._key("scheduler", "fp32")) as scheduler:
                objective = self._architecture.objective(scheduler, self._config.snr_gamma)
            self._encode(give_way)
            with (
                self._cache.use(self._key(self._architecture.denoiser, self._dtype)) as denoiser,
                lora_attached(denoiser, self._config) as parameters,
            ):
                trainer = LoraTrainer(
                    self._architecture,
                    denoiser,
                    parameters,
                    objective,
                    self._photos(self._snapshot.train, mirrored=self._config.random_flip),
                    self._text(""),
                    self._config,
                    torch.bfloat16 if self._dtype == "bf16" else None,
                )
                prompts = sample_prompts(self._config, self._snapshot)
                samples = Samples(self._folder.samples, prompts, self._config.sample_seed, draw)
                self._train(trainer, objective, lambda step: samples.draw(denoiser, step), saved, give_way)
        except torch.OutOfMemoryError as error:
            raise ResourceError(
                f"The device ran out of memory while {self._config.name} was trained.",
                "Lower train_batch_size and raise gradient_accumulation_steps by the same factor.",
            ) from error

    def _train(
        self,
        trainer: LoraTrainer,
        objective: Objective,
        draw: Callable[[int], None],
        saved: Callable[[int, OverfitVerdict], None],
        give_way: Callable[[], object],
    ) -> None:
        checkpoints = Checkpoints(self._folder.checkpoints, self._folder.fingerprint())
        start = max(checkpoints.steps(), default=0)
        if start:
            trainer.restore(checkpoints.load(start))
        metrics = Metrics(self._folder.metrics, start)
        questions = {
            "held_out_loss": self._questions(self._snapshot.held_out[:MAX_HELD_OUT], objective),
            "train_loss": self._questions(self._snapshot.train[:MAX_TRAINED], objective),
        }

        def measure() -> dict[str, float]:
            return {name: asked.loss(trainer) for name, asked in questions.items() if asked is not None}

        def after_saving(step: int) -> None:
            curve = metrics.curve("held_out_loss")
            verdict = judge(curve, metrics.curve("train_loss"), checkpoints.steps())
            keep = worth_keeping(curve, checkpoints.steps(), last=KEEP_LAST, best=KEEP_BEST)
            checkpoints.prune({*keep, verdict.best_step})
            saved(step, verdict)

        if start:
            after_saving(start)  # a crash may have come between the file and the record
        context = self._context
        watch = Watch(context.progress, context.cancelled, context.check, measure, after_saving, draw, give_way)
        train(trainer, checkpoints, metrics, self._config, start, watch)

    def _questions(self, items: tuple[TrainingItem, ...], objective: Objective) -> FixedQuestions | None:
        if not items:
            return None
        photos = self._photos(items, mirrored=False)
        return FixedQuestions(photos, objective, seed=self._config.seed, batch_size=self._config.train_batch_size)

    def _encode(self, give_way: Callable[[], object]) -> None:
        """Encode what is not encoded yet. Autoencoder and text encoder are let go of afterwards."""
        encodings, context = self._encodings, self._context
        pictures = encodings.without_latents(self._snapshot.items, mirrored=self._config.random_flip)
        texts = encodings.without_text(self._snapshot.captions)
        done, total = 0, len(pictures) + len(texts)
        if pictures:
            with self._cache.use(self._key("vae", "fp32")) as vae:
                for item, side in pictures:
                    give_way()
                    context.check()
                    encodings.encode_latents(item, self._files.path(item.sha256), vae, mirrored=side)
                    context.progress(done := done + 1, total, "encoding photos")
        if texts:
            names = self._architecture.text_parts
            with self._cache.use_all(*(self._key(name, "fp32") for name in names)) as found:
                parts = dict(zip(names, found, strict=True))
                refuse_long_captions(self._snapshot.items, self._architecture, parts)
                for caption in texts:
                    give_way()
                    context.check()
                    encodings.encode_text(caption, parts)
                    context.progress(done := done + 1, total, "encoding captions")

    def _photos(self, items: tuple[TrainingItem, ...], *, mirrored: bool) -> list[EncodedPhoto]:
        """Encodings on the device, scaled as the denoiser knows them; with their mirror images where asked."""
        return [
            EncodedPhoto(
                key=item.sha256,
                bucket=item.bucket,
                sides=tuple(self._latents(item, side) for side in ((False, True) if mirrored else (False,))),
                text=self._text(item.caption),
            )
            for item in items
        ]

    def _latents(self, item: TrainingItem, mirrored: bool) -> Posterior:
        factor, shift = self._encodings.scaling
        mean, std = self._encodings.latents(item, mirrored=mirrored)
        return Posterior(((mean - shift) * factor).to(self._device), (std * factor).to(self._device))

    def _text(self, caption: str) -> Text:
        return {name: value.to(self._device) for name, value in self._encodings.text(caption).items()}

    def _key(self, component: str, dtype: str) -> ComponentKey:
        device = "cpu" if component.startswith(("scheduler", "tokenizer")) else self._device
        return ComponentKey(self._config.base, component, dtype, device)
