"""The intake: one ingest from its sources to its report, uploads that wait for their job, and the sample brand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from studio.label.archives import ZipLimits
from studio.label.checks import Bucket
from studio.label.datasets import Datasets
from studio.label.duplicates import groups
from studio.label.faces import FaceCounter
from studio.label.incoming import Incoming
from studio.label.ingest import Ingest, Progress
from studio.label.names import shown
from studio.label.product_shelf import ProductShelf
from studio.label.report import IngestReport
from studio.label.sample import SampleBrand, read_sample_brand
from studio.label.side_files import sort_files
from studio.label.sources import gather
from studio.label.twins import Twins
from studio.records.photo import Photo, Rights
from studio.settings import Settings
from studio.store import Store


class Intake:
    """Everything that makes photos of files."""

    def __init__(
        self, store: Store, settings: Settings, datasets: Datasets, products: ProductShelf, twins: Twins
    ) -> None:
        self._store, self._settings = store, settings
        self._datasets, self._products, self._twins = datasets, products, twins
        self.incoming = Incoming(settings.home / "incoming")
        self.sample_folder = settings.presets / "sample_brand"

    def ingest(
        self, sources: Sequence[Path], dataset: str, *, buckets: Sequence[Bucket], faces: FaceCounter,
        rights: Rights | None, trigger_token: str | None, sku: str, base: str, progress: Progress | None,
    ) -> IngestReport:  # fmt: skip
        """One ingest, as `LabelService.ingest` describes it."""
        limits = self._settings
        zip_limits = ZipLimits(limits.max_zip_bytes, limits.max_zip_ratio, limits.max_upload_bytes)
        with ExitStack() as stack:
            gathered = sort_files(*gather(sources, zip_limits, stack))
            record = self._datasets.opened(dataset, trigger_token, gathered.trigger(), sku, base)
            product = self._products.find(record.sku)
            ingest = Ingest(self._store, limits, record, gathered, rights, product, tuple(buckets), faces)
            ingest.remember(self._store.photos.find(dataset_id=record.id))
            photos, files = ingest.run(progress)
        self._twins.remember([drawing.key for drawing in ingest.sketches], groups(ingest.sketches))
        return IngestReport(
            dataset=record, photos=tuple(photos), files=tuple(files), layouts=tuple(gathered.layouts.values())
        )

    @property
    def has_sample(self) -> bool:
        """Whether the sample brand came with this installation."""
        return (self.sample_folder / "photos").is_dir()

    def sample(self) -> SampleBrand:
        """The sample brand, read. Raises NotFoundError, InputError."""
        return read_sample_brand(self.sample_folder)

    def put_sample_product(self) -> SampleBrand:
        """Takes in the sample brand's product with its photo; returns what is to be ingested."""
        sample = self.sample()
        self._store.products.put(sample.product)
        self._products.add_photos(sample.product.sku, [sample.product_photo])
        return sample


def outcome(report: IngestReport, photos: Sequence[Photo]) -> dict[str, Any]:
    """The result of an ingest job: what was taken and what was said of each file. `photos`: all of the dataset."""
    return {
        "dataset_id": report.dataset.id if photos else "",
        "dataset": report.dataset.name,
        "taken": len(report.photos),
        "warnings": report.warnings,
        "held_out": sum(photo.split == "held-out" for photo in photos),
        "files": [
            {"name": shown(f.file_name), "level": f.finding.level, "message": f.finding.message} for f in report.files
        ],
    }
