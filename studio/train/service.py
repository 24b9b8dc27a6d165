"""TrainService: prepares a run, trains it as a job, goes on after a stop or a crash, and publishes a brand model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from studio.devices import choose_device
from studio.errors import Cancelled, ConflictError, Fault, NotFoundError
from studio.jobs import JobContext, LeaseLostError
from studio.models import ModelCache
from studio.presets import Presets
from studio.records.base import new_id, now
from studio.records.brand_model import BrandModel
from studio.records.photo import Dataset, Photo
from studio.records.training import OverfitVerdict, TrainingConfig, TrainingRun
from studio.settings import Settings
from studio.store import Store
from studio.train.buckets import Bucket, make_buckets, read_grid
from studio.train.cache import Encodings
from studio.train.checkpoint import Checkpoints
from studio.train.config import (
    ConfigFaults,
    complete,
    config_faults,
    read_config,
    refuse,
    rights_faults,
    withdrawn_faults,
)
from studio.train.curves import Curves, curves_of
from studio.train.estimate import (
    Estimate,
    Pace,
    default_pace,
    estimate,
    own_pace,
    pictures_per_step,
    read_size,
)
from studio.train.metrics import Metric, read_metrics
from studio.train.publish import bring_back_moved_aside, publish
from studio.train.run_folder import RunFolder
from studio.train.samples import DrawSample, SampleSheet, sample_prompts, sample_sheet
from studio.train.snapshot import take_snapshot


def _alone() -> None:
    """Nobody else wants the model."""


class TrainService:
    """The face of the train stage.

    Args:
        draw: draws one sample with the UNet in training; None: runs draw no samples.
        give_way: called between the steps of a run, in its thread: one short piece of work for somebody else.
    """

    def __init__(
        self, store: Store, settings: Settings, presets: Presets, cache: ModelCache, draw: DrawSample | None = None,
        give_way: Callable[[], object] = _alone,
    ) -> None:  # fmt: skip
        self._store = store
        self._settings = settings
        self._presets = presets
        self._cache = cache
        self._draw, self._give_way = draw, give_way
        bring_back_moved_aside(settings.brand_models)

    def config(self, values: Mapping[str, Any]) -> TrainingConfig:
        """The config that a form's values make. Raises FaultsError with every value that cannot be used."""
        return read_config(values)

    def faults(self, config: TrainingConfig) -> ConfigFaults:
        """Everything that `prepare` would refuse, one by one. Raises NotFoundError as `prepare` does."""
        dataset, photos = self._data(config)
        return self._faults(self._complete(config, dataset), dataset, photos)

    def estimate(self, config: TrainingConfig) -> Estimate:
        """Time and memory that a run of this config will take here, without loading anything.

        Raises:
            NotFoundError: no such dataset or base.
            GateError: the base's weights are no safetensors files.
        """
        dataset, photos = self._data(config)
        config = self._complete(config, dataset)
        card = self._presets.base(config.base)
        size = read_size(self._presets.base_folder(config.base), card.width_px, card.height_px, config.target_modules)
        trained = sum(photo.split == "train" for photo in photos)
        return estimate(
            config, size, self._own_pace(config.base) or default_pace(size),
            trained=trained, held_out=len(photos) - trained,
            sample_passes=card.num_inference_steps * (2 if card.guidance_scale > 1 else 1),  # guidance asks twice
            weight_bytes=2 if self._settings.dtype == "bf16" else 4,
        )  # fmt: skip

    def prepare(self, config: TrainingConfig) -> TrainingRun:
        """Hold a config against its dataset and base, and set up the run that a job of kind `train` then does.

        Raises:
            RightsError: photos without cleared rights; names every one.
            FaultsError: anything else is wrong with config, photos or base; all of it at once.
            NotFoundError: no such dataset or base.
        """
        dataset, photos = self._data(config)
        config = self._complete(config, dataset)
        refuse(config.name, *self._faults(config, dataset, photos))
        buckets = self._buckets(config.base)
        snapshot = take_snapshot(photos, buckets)
        run_id = new_id("run")
        folder = self._folder(run_id)
        folder.write(config, snapshot)
        run = TrainingRun(
            id=run_id,
            config=config,
            folder=str(folder.root),
            status="waiting",
            data_sha256=snapshot.data_sha256(),
            created_at=now(),
        )
        self._store.training_runs.put(run)
        return run

    def handle(self, context: JobContext) -> dict[str, Any]:
        """Job of kind `train` with payload {"run_id": ...}: train from the last checkpoint (or the start) to the end.

        Raises:
            Cancelled: a person stopped it; a checkpoint of the last step lies there.
            RightsError: rights of a photo were withdrawn, or ran out, since the run was prepared.
        """
        run = self._store.training_runs.get(str(context.payload["run_id"]))
        if run.status == "done":
            return _result(run)
        run = self._update(run.id, context, status="running")
        try:
            self._train(run, context)
        except LeaseLostError:
            raise  # another process has the run now, and its record too
        except (Cancelled, KeyboardInterrupt):
            self._update(run.id, context, status="stopped")
            raise
        except Exception:
            self._update(run.id, context, status="failed")
            raise
        return _result(self._update(run.id, context, status="done"))

    def _train(self, run: TrainingRun, context: JobContext) -> None:
        from studio.train.loop_run import Session

        folder = self._folder(run.id)
        photos = self._store.photos.find(dataset_id=run.config.dataset_id)
        # Asked for again, because rights may have changed while the job waited.
        refuse(run.config.name, withdrawn_faults(folder.snapshot(), photos, now().date()), ())

        def saved(step: int, verdict: OverfitVerdict) -> None:
            self._update(run.id, context, step=step, verdict=verdict)

        registry = self._cache.registry
        session = Session(
            folder,
            cache=self._cache,
            files=self._store.files,
            encodings=Encodings(
                self._settings.home / "encodings",
                registry.folder(run.config.base),
                registry.family(run.config.base).architecture,
            ),
            device=choose_device(self._settings),
            context=context,
        )
        session.run(self._draw, saved, self._give_way)

    def resume(self, run_id: str) -> TrainingRun:
        """Make a stopped or failed run ready for another job, which goes on from its last checkpoint.

        Raises:
            ConflictError: the run is done.
        """
        if self._store.training_runs.get(run_id).status == "done":
            raise ConflictError(f"Training run {run_id} is done.", "Publish it, or prepare a new one.")
        return self._update(run_id, None, status="waiting")

    def publish(
        self, run_id: str, step: int | None = None, *, replace: bool = False, name: str | None = None
    ) -> BrandModel:
        """Make a brand model of a run's checkpoint, by default the one that the verdict names.

        Args:
            name: of the brand model; None: as the run is called.

        Raises:
            FaultsError: a name that cannot be one.
            ConflictError: the run has no checkpoint yet, or another brand model has its name and `replace` is not set.
            NotFoundError: no checkpoint of that step.
        """
        run = self._store.training_runs.get(run_id)
        if name is not None:
            run = run.model_copy(update={"config": read_config(run.config.model_dump() | {"name": name})})
        folder = self._folder(run.id)
        checkpoints = Checkpoints(folder.checkpoints, folder.fingerprint())
        if run.verdict is None or not checkpoints.steps():
            raise ConflictError(f"Training run {run_id} has no checkpoint yet.", "Let it train to its first one.")
        step = run.verdict.best_step if step is None else step
        lora = checkpoints.load(step).lora
        model = publish(
            run,
            folder,
            lora,
            step,
            base=self._presets.bases()[run.config.base],
            denoiser=self._cache.registry.family(run.config.base).architecture.denoiser,
            prediction_type=self._prediction_type(run.config.base),
            brand_models=self._settings.brand_models,
            replace=replace,
        )
        self._update(run_id, None, brand_model=model.name)
        return model

    def metrics(self, run_id: str) -> list[Metric]:
        """All that was measured of a run so far."""
        return read_metrics(self._folder(run_id).metrics)

    def checkpoints(self, run_id: str) -> list[int]:
        """Steps of a run that can be published."""
        return Checkpoints(self._folder(run_id).checkpoints, "").steps()

    def curves(self, run_id: str) -> Curves:
        """Loss and held-out loss so far, thinned for drawing."""
        return curves_of(self.metrics(run_id))

    def samples(self, run_id: str) -> SampleSheet:
        """The samples drawn so far, with their prompts. Raises NotFoundError where the run's folder is gone."""
        run = self._store.training_runs.get(run_id)
        folder = self._folder(run.id)
        return sample_sheet(folder.samples, sample_prompts(run.config, folder.snapshot()))

    def _folder(self, run_id: str) -> RunFolder:
        """Where a run lies in this home: not what its record says, which is another place once a home has moved."""
        return RunFolder(self._settings.runs_dir / run_id)

    def _data(self, config: TrainingConfig) -> tuple[Dataset, list[Photo]]:
        dataset = self._store.datasets.get(config.dataset_id)
        return dataset, self._store.photos.find(dataset_id=dataset.id)

    def _complete(self, config: TrainingConfig, dataset: Dataset) -> TrainingConfig:
        return complete(config, dataset, self._cache.registry.family(config.base).lora_targets)

    def _faults(self, config: TrainingConfig, dataset: Dataset, photos: list[Photo]) -> ConfigFaults:
        lora_train = self._cache.registry.family(config.base).capabilities.lora_train
        others = config_faults(config, dataset, photos, lora_train, self._buckets(config.base))
        if config.snr_gamma is not None and not self._prediction_type(config.base):
            what = "Min-SNR weights are for bases that predict noise or velocity, not for flow matching."
            others.append(Fault("snr_gamma", what, "Leave it empty."))
        return ConfigFaults(rights_faults(photos, now().date()), others)

    def _own_pace(self, base: str) -> Pace | None:
        """The pace of the newest run on this base that has enough steps."""
        for run in reversed(self._store.training_runs.find()):
            folder = self._folder(run.id)
            if run.config.base != base or not folder.metrics.exists():
                continue
            try:
                trained = len(folder.snapshot().train)
            except NotFoundError:
                continue  # somebody has tidied up; another run may tell
            if pace := own_pace(self.metrics(run.id), pictures_per_step(run.config, trained)):
                return pace
        return None

    def _buckets(self, base: str) -> tuple[Bucket, ...]:
        folder = self._presets.base_folder(base)
        card = self._presets.bases()[base]
        size = Bucket(card.width_px, card.height_px)
        return make_buckets(size, read_grid(folder, size.width_px * size.height_px).step_px)

    def _prediction_type(self, base: str) -> str:
        """Of a base that predicts noise or velocity; empty for one that is trained by flow matching."""
        path = self._presets.base_folder(base) / "scheduler" / "scheduler_config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        return "" if "FlowMatch" in config.get("_class_name", "") else str(config.get("prediction_type", "epsilon"))

    def _update(self, run_id: str, context: JobContext | None, **changes: Any) -> TrainingRun:
        """Change the stored run; within a job only while the job is still this process's."""
        with context.transaction() if context else self._store.transaction():
            changed = self._store.training_runs.get(run_id).model_copy(update=changes)
            self._store.training_runs.put(changed)
        return changed


def _result(run: TrainingRun) -> dict[str, Any]:
    verdict = run.verdict.sentence if run.verdict else ""
    return {"run_id": run.id, "step": run.step, "verdict": verdict}
