"""The main job, stage by stage, in a fresh home of its own below STUDIO_HOME, so that nothing else is touched."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from PIL import Image

from studio.demo.offline import no_network
from studio.demo.plan import Sample, read_sample
from studio.demo.report import DemoReport, Pair, Stages, median_fall, peak_memory_mb
from studio.demo.sheet import contact_sheet
from studio.errors import Cancelled, ConflictError, FaultsError, StudioError
from studio.records.generation import AdapterWeight, Variant
from studio.records.training import TrainingConfig
from studio.studio import Studio

OnProgress = Callable[[int, int, str], None]
Progress = Callable[[str], AbstractContextManager[OnProgress]]
"""Opens a progress bar with a title; what it yields takes (done, total, note)."""

COLOUR = "garment_palette_delta_e"
"""The measure that is compared with and without the brand model."""


def run_demo(outer: Studio, progress: Progress, sample_folder: Path | None = None) -> DemoReport:
    """Runs all stages with the network blocked.

    Args:
        outer: gives the settings; nothing is written into its home but the folder `demo/`, where the report lies too.
        sample_folder: folder of a sample brand; None: the bundled one.

    Raises:
        StudioError: whatever keeps a stage from being done; what was done before lies in the demo's home.
    """
    sample = read_sample(sample_folder or outer.settings.presets / "sample_brand")
    home = outer.settings.home / "demo" / time.strftime("%Y%m%d-%H%M%S")
    settings = outer.settings.model_copy(update={"home": home, "brand_models": home / "brand_models"})
    settings.brand_models.mkdir(parents=True)
    with no_network() as blocked, Studio(settings) as studio:
        report = _MainJob(studio, sample, progress).run(blocked)
    (home / "report.json").write_text(report.model_dump_json(indent=1), encoding="utf-8")
    return report


class _MainJob:
    """One walk through the stages."""

    def __init__(self, studio: Studio, sample: Sample, progress: Progress) -> None:
        self._studio, self._sample, self._plan = studio, sample, sample.plan
        self._progress = progress
        self._home = studio.settings.home
        self._stages = Stages()

    def run(self, blocked: list[str]) -> DemoReport:
        dataset_id = self._label()
        self._train(dataset_id)
        adapters = [AdapterWeight(brand_model=self._plan.brand_model)]
        with_model = self._generate("generate with the brand model", adapters)
        without_model = self._generate("generate without it, same seeds", [])
        pairs = self._compare(with_model, without_model)
        sheet = self._sheet(
            with_model, "contact_sheet.png", "with the brand model", [pair.with_model for pair in pairs]
        )
        plain_values = [pair.without_model for pair in pairs]
        plain = self._sheet(without_model, "contact_sheet_without.png", "without the brand model", plain_values)
        approved = self._review(with_model)
        packages, refusal = self._pack() if approved else ([], "")
        return DemoReport(
            home=self._home,
            stages=tuple(self._stages.done),
            pairs=tuple(pairs),
            median_fall=median_fall(pairs),
            contact_sheet=sheet,
            contact_sheet_without=plain,
            packages=tuple(packages),
            refusal=refusal,
            blocked=tuple(blocked),
            seconds=self._stages.seconds,
            peak_memory_mb=peak_memory_mb(),
        )

    def _label(self) -> str:
        """Photos and product in, checked, captioned, with rights and split; returns the dataset's id."""
        studio, plan, product = self._studio, self._plan, self._sample.product
        with self._stages.timed("ingest and check") as quality, self._progress("ingest and check") as advance:
            studio.store.products.put(product)
            studio.label.add_product_photos(product.sku, [self._sample.product_photo])
            report = studio.label.ingest(
                [self._sample.photos],
                dataset=plan.dataset,
                rights=self._sample.rights,
                trigger_token=plan.trigger_token,
                sku=product.sku,
                base=plan.base,
                progress=advance,
            )
            quality.append(report.sentence())
        with self._stages.timed("caption") as quality:
            numbers = studio.label.statistics(report.dataset.id)
            quality.append(
                f"{numbers.captioned} of {numbers.photos} captioned, {len(numbers.unknown_words)} unknown words"
            )
            quality.append(f"{numbers.rights_cleared} with cleared rights")
        with self._stages.timed("split") as quality:
            photos = studio.label.split(report.dataset.id, held_out=plan.held_out)
            apart = sum(photo.split == "held-out" for photo in photos)
            quality.append(f"{len(photos) - apart} to train on, {apart} held out")
        return report.dataset.id

    def _train(self, dataset_id: str) -> None:
        """A LoRA, published as the brand model of the plan."""
        studio, plan = self._studio, self._plan
        with self._stages.timed("train") as quality:
            values = studio.presets.training(plan.training_preset, plan.base) | plan.training
            config = TrainingConfig(name=plan.brand_model, dataset_id=dataset_id, base=plan.base, **values)
            run = studio.train.prepare(config)
            done = self._job("train", "train", {"run_id": run.id})
            model = studio.train.publish(run.id)
            quality.append(f"{config.max_train_steps} steps, rank {model.lora_rank}: {done['verdict']}")

    def _generate(self, stage: str, adapters: list[AdapterWeight]) -> list[Variant]:
        """Every pose with every look, in that order."""
        studio, plan = self._studio, self._plan
        with self._stages.timed(stage) as quality:
            # Variants drawn without the brand model belong to no product: they are for comparison, never for a listing.
            fields = plan.generation | {"sku": self._sample.product.sku if adapters else ""}
            requests = studio.generate.matrix(
                list(plan.poses), list(plan.looks), [plan.seed], base=plan.base, adapters=adapters, **fields
            )
            done = self._job("generate", stage, studio.generate.payload(requests))
            variants = [studio.store.variants.get(variant_id) for variant_id in done["variant_ids"]]
            seconds = sum(variant.seconds for variant in variants) / len(variants)
            quality.append(f"{len(variants)} variants, {seconds:.2f} s each, {requests[0].num_inference_steps} steps")
        return variants

    def _compare(self, with_model: list[Variant], without_model: list[Variant]) -> list[Pair]:
        """Both variants of every pose and look against its true picture."""
        pairs = []
        with self._stages.timed("compare with the true pictures") as quality, self._progress("compare") as advance:
            for number, (mine, plain) in enumerate(zip(with_model, without_model, strict=True)):
                pose, look = _place(mine)
                truth = self._studio.store.files.put_file(self._sample.truth(pose, look))
                found = self._studio.review.measure([mine.id, plain.id], product_photo=truth)
                values = [measure.value if (measure := one.measure(COLOUR)) else None for one in found]
                pairs.append(Pair(pose=pose, look=look, with_model=values[0], without_model=values[1]))
                advance(number + 1, len(with_model), "")
            fall = median_fall(pairs)
            quality.append("garment's colours and pattern against the true picture:")
            quality.append("not measured" if fall is None else f"difference falls by {fall:.0%} in the median of pairs")
        return pairs

    def _review(self, variants: list[Variant]) -> int:
        """Measured against the product photo and decided by the plan's rule; returns how many it approves."""
        review, ids = self._studio.review, [variant.id for variant in variants]
        with self._stages.timed("measure and review by rule") as quality, self._progress("measure") as advance:
            measured = review.measure(
                ids, rules=self._plan.review_rules, progress=lambda done, total: advance(done, total, "")
            )
            decisions = review.rule_review(ids, self._plan.review_rules)
            for verdict in ("approved", "rejected", "undecided"):
                quality.append(f"{sum(decision.verdict == verdict for decision in decisions)} {verdict}")
            poses = [m.value for one in measured if (m := one.measure("pose_mm_median")) and m.value is not None]
            quality.append(f"pose {sorted(poses)[len(poses) // 2]:.0f} mm" if poses else "pose not measured")
        return sum(decision.verdict == "approved" for decision in decisions)

    def _pack(self) -> tuple[list[Path], str]:
        """Packages for the plan's channels, and the words of the one that refuses."""
        packages, refusal = [], ""
        listing, sku = self._studio.listing, self._sample.product.sku
        with self._stages.timed("pack") as quality:
            for channel in self._plan.channels:
                filled = listing.fill(sku, channel)
                packages.append(listing.package(filled.id))
                quality.append(f"{channel}: {len(filled.slots)} pictures")
            try:
                listing.package(listing.fill(sku, self._plan.refused_by).id)
            except FaultsError as error:
                refusal = error.faults[0].what
                quality.append(f"{self._plan.refused_by} refuses: {refusal}")
            else:
                raise ConflictError(
                    f"{self._plan.refused_by} took pictures that are too small for it.",
                    f"Look at presets/channels/{self._plan.refused_by}.yaml.",
                )
        return packages, refusal

    def _job(self, kind: str, title: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A job, brought to its end; returns its result."""
        job = self._studio.jobs.submit(kind, payload)
        with self._progress(title) as advance:
            ended = self._studio.lane.run_job(
                job.id, lambda at: advance(at.progress.done, at.progress.total, at.progress.note)
            )
        if ended.status == "done":
            return ended.result
        if ended.status == "cancelled":
            raise Cancelled(f"The demo's {kind} job was stopped.", f"What was done before lies in {self._home}.")
        raise StudioError(ended.error, f"What was done before lies in {self._home}.")

    def _sheet(self, variants: list[Variant], name: str, title: str, values: list[float | None]) -> Path:
        """A contact sheet: rows are looks, columns are poses."""
        pictures, captions = {}, {}
        for variant, value in zip(variants, values, strict=True):
            pose, look = _place(variant)
            with Image.open(self._studio.store.files.path(variant.image_sha256)) as image:
                pictures[look, pose] = image.convert("RGB")
            captions[look, pose] = "not measured" if value is None else f"colour difference {value:.1f}"
        sheet = contact_sheet(
            pictures,
            rows=self._plan.looks,
            columns=self._plan.poses,
            title=f"{self._sample.product.name}, {title}",
            captions=captions,
        )
        path = self._home / name
        sheet.save(path)
        return path


def _place(variant: Variant) -> tuple[str, str]:
    """Names of a variant's pose and look."""
    request = variant.request
    assert request.pose is not None
    assert request.look is not None
    return request.pose.name, request.look.name
