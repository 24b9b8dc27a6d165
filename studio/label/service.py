"""LabelService: photos in, checked, captioned, with rights and a held-out split. The face of this stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from studio.errors import ConflictError
from studio.jobs import JobContext
from studio.label.caption_book import CaptionBook
from studio.label.checks import Bucket, buckets_of
from studio.label.datasets import Datasets
from studio.label.edits import changed_rights, checked_crop, clean_tags, update_photos
from studio.label.export import export_dataset, export_zip
from studio.label.faces import FaceCounter
from studio.label.ingest import Progress, open_stored
from studio.label.intake import Intake, outcome
from studio.label.names import shown
from studio.label.product_shelf import ProductShelf
from studio.label.recheck import findings_of
from studio.label.report import DatasetStatistics, IngestReport
from studio.label.sample import SampleBrand
from studio.label.split import split
from studio.label.statistics import statistics
from studio.label.twins import Twins
from studio.presets import Presets, pick
from studio.records.base import now
from studio.records.photo import CaptionRevision, Dataset, Photo, Rights
from studio.records.product import Product
from studio.settings import Settings
from studio.store import Store


class LabelService:
    """Everything that is done with photos before training."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._presets = Presets(settings.presets, settings.brand_models, settings.models_dir)
        self._datasets = Datasets(store, self._presets)
        self._captions = CaptionBook(store)
        self._products = ProductShelf(store, settings)
        self._twins = Twins(store, settings)
        self._intake = Intake(store, settings, self._datasets, self._products, self._twins)

    # Datasets

    def datasets(self) -> list[Dataset]:
        """All datasets, oldest first."""
        return self._datasets.all()

    def propose(self, name: str, trigger_token: str | None = None, base: str = "croquis") -> Dataset:
        """The dataset that an ingest under that name would make, or the one there is; nothing is written.

        Raises InputError, ConflictError.
        """
        return self._datasets.opened(name, trigger_token, None, "", base)

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name or id. Raises NotFoundError, with the names there are."""
        return self._datasets.named(name)

    def photos(self, dataset_id: str) -> list[Photo]:
        """The photos of a dataset, oldest first. Raises NotFoundError."""
        return self._datasets.photos(dataset_id)

    # Taking in

    def ingest(
        self,
        sources: Sequence[Path],
        *,
        dataset: str,
        rights: Rights | None = None,
        trigger_token: str | None = None,
        sku: str = "",
        base: str = "croquis",
        progress: Progress | None = None,
    ) -> IngestReport:
        """Take photos from files, folders and zips into a dataset, which is made when it does not exist.

        Side files count: `name.txt` (caption), `rights.csv` or `rights.yaml`, `hints.csv`, and folders named
        `<repeats>_<trigger> <class>`. Without a token one is taken from such a folder, or made up.

        Args:
            rights: for every photo without its own.
            base: the base whose picture sizes the checks are for.

        Raises:
            FaultsError: a source that does not exist, a zip or a side file that is refused, a trigger token that
                collides; nothing was written then. A bad photo is no error: the report names it.
            ConflictError: the dataset has another trigger token.
        """
        return self._intake.ingest(
            sources, dataset, buckets=self._buckets(base), faces=self._faces(), rights=rights,
            trigger_token=trigger_token, sku=sku, base=base, progress=progress,
        )  # fmt: skip

    def receive(self, files: Sequence[tuple[Path, str]]) -> str:
        """Keep uploaded files, each with the name it came with, for a job of kind `ingest`; returns the batch's id.

        Raises InputError, ResourceError.
        """
        return self._intake.incoming.receive(files)

    @property
    def has_sample_brand(self) -> bool:
        """Whether the sample brand came with this installation."""
        return self._intake.has_sample

    def sample_brand(self) -> SampleBrand:
        """The sample brand, read. Raises NotFoundError, InputError."""
        return self._intake.sample()

    def ingest_sample(self, progress: Progress | None = None) -> IngestReport:
        """Take in the sample brand with its rights and its product."""
        sample = self._intake.put_sample_product()
        return self.ingest(
            [sample.photos], dataset=sample.dataset, rights=sample.rights, trigger_token=sample.trigger_token,
            sku=sample.product.sku, progress=progress,
        )  # fmt: skip

    def handle(self, context: JobContext) -> dict[str, Any]:
        """Runs a job of kind `ingest`: `{dataset, trigger_token, upload}` as `receive` kept it, or `{sample: true}`.

        A new dataset is split as well, so that training has something to be judged by.
        """

        def advance(done: int, total: int, note: str) -> None:
            context.check()
            context.progress(done, total, note)

        payload = context.payload
        if payload.get("sample"):
            report, held_out = self.ingest_sample(advance), self.sample_brand().held_out
        else:
            report, held_out = self._ingest_upload(payload, advance), 0.1
        photos = self._store.photos.find(dataset_id=report.dataset.id)
        if photos and len(photos) == len(report.photos):
            photos = self.split(report.dataset.id, held_out=held_out)
        self._intake.incoming.discard(str(payload.get("upload", "")))
        return outcome(report, photos)

    def import_products(self, path: Path, *, encoding: str = "utf-8-sig") -> list[Product]:
        """Take in products from a CSV, all of them or none; photos that a product has already stay with it.

        Raises FaultsError, InputError.
        """
        return self._products.take_in(path, encoding=encoding)

    def add_product(self, cells: Mapping[str, str]) -> Product:
        """Take in one new product from texts named like the columns of the CSV, as a form has them.

        Raises FaultsError, ConflictError.
        """
        return self._products.add(cells)

    def add_product_photos(self, sku: str, paths: Sequence[Path]) -> Product:
        """Put photos of the product itself into the store; the first one ever added is the main one.

        Raises NotFoundError, InputError.
        """
        return self._products.add_photos(sku, paths)

    # Checking

    def check(self, dataset_id: str, *, base: str = "croquis", progress: Progress | None = None) -> list[Photo]:
        """Check all photos again, e.g. for another base's sizes; returns them with their new findings.

        Raises:
            NotFoundError: no such dataset or base.
        """
        photos = self.photos(dataset_id)
        found = findings_of(photos, self._store, self._settings, self._buckets(base), self._faces(), progress)
        return self._update({photo_id: {"findings": findings} for photo_id, findings in found.items()})

    def statistics(self, dataset_id: str, *, base: str = "croquis") -> DatasetStatistics:
        """A dataset in numbers, with advice, for training on a base.

        Raises:
            NotFoundError: no such dataset or base.
        """
        dataset = self._store.datasets.get(dataset_id)
        photos = self.photos(dataset_id)
        found = statistics(photos, dataset.trigger_token, self._twins.of(photos), now().date(), self._buckets(base))
        return found.model_copy(update={"base": base})

    # Captions, rights, split

    def set_caption(self, photo_id: str, text: str, author: str = "local") -> Photo:
        """Replace a caption; the old one stays in the history. Raises NotFoundError, InputError."""
        return self._captions.set(photo_id, text, author)

    def undo_caption(self, photo_id: str, author: str = "local") -> Photo:
        """Go back to the caption before; undoing again goes further back. Raises NotFoundError, ConflictError."""
        return self._captions.undo([photo_id], author)[0]

    def undo_captions(self, photo_ids: Sequence[str], author: str = "local") -> list[Photo]:
        """Go back to the caption before on several photos, all of them or none. Raises NotFoundError, ConflictError."""
        return self._captions.undo(photo_ids, author)

    def replace_in_captions(
        self, photo_ids: Sequence[str], find: str, replacement: str, author: str = "local"
    ) -> list[Photo]:
        """Replace words in the captions of several photos, all of them or none; returns those that had the words.

        Raises NotFoundError, InputError.
        """
        return self._captions.replace(photo_ids, find, replacement, author)

    def caption_history(self, photo_id: str) -> list[CaptionRevision]:
        """Every state of a caption, oldest first."""
        return self._captions.history(photo_id)

    def set_rights(self, photo_ids: Sequence[str], rights: Rights) -> list[Photo]:
        """Give photos their rights, all of them or none.

        Raises:
            NotFoundError: one of the photos does not exist.
        """
        return self._update({photo_id: {"rights": rights} for photo_id in photo_ids})

    def change_rights(self, changes: Mapping[str, Mapping[str, object]]) -> list[Photo]:
        """Replace some fields of photos' rights, photo id -> field -> value, all of them or none.

        Raises:
            NotFoundError: one of the photos does not exist.
            FaultsError: a field or a value that rights do not have.
        """
        with self._store.transaction():
            old = {photo_id: self._store.photos.get(photo_id).rights for photo_id in changes}
            return self._update(
                {photo_id: {"rights": changed_rights(old[photo_id], fields)} for photo_id, fields in changes.items()}
            )

    def set_tags(self, tags: Mapping[str, Sequence[str]]) -> list[Photo]:
        """Replace the tags of photos, photo id -> tags, all of them or none.

        Raises:
            NotFoundError: one of the photos does not exist.
            InputError: a tag that cannot be.
        """
        return self._update({photo_id: {"tags": clean_tags(given)} for photo_id, given in tags.items()})

    def set_crop(self, photo_id: str, crop_px: Sequence[int] | None) -> Photo:
        """Crop a photo by hand (left, top, right, bottom in px of the upright picture); None shows all of it again.

        Raises:
            NotFoundError: no such photo.
            InputError: outside the picture, or too small.
        """
        crop = None if crop_px is None else checked_crop(self._store.photos.get(photo_id), crop_px)
        return self._update({photo_id: {"crop_px": crop}})[0]

    def remove(self, photo_ids: Sequence[str]) -> list[Photo]:
        """Take photos out of their dataset. They keep captions and rights, and `restore` brings them back.

        Raises NotFoundError.
        """
        return self._datasets.remove(photo_ids)

    def restore(self, photo_ids: Sequence[str], dataset_id: str) -> list[Photo]:
        """Put removed photos back into a dataset. Raises NotFoundError, ConflictError."""
        return self._datasets.restore(photo_ids, dataset_id)

    def split(self, dataset_id: str, *, held_out: float = 0.1) -> list[Photo]:
        """Divide a dataset into photos to train on and photos to judge by; stable when photos are added.

        Raises:
            NotFoundError: no such dataset.
            InputError: a share outside 0 to 0.5.
        """
        photos = self.photos(dataset_id)
        sides = split(photos, self._twins.of(photos), held_out)
        return self._update({photo_id: {"split": side} for photo_id, side in sides.items()})

    def without_rights(self, dataset_id: str, today: date | None = None) -> dict[str, tuple[str, ...]]:
        """Photo id -> what is missing before training may use it; empty when all are cleared."""
        day = today or now().date()
        return {photo.id: gaps for photo in self.photos(dataset_id) if (gaps := photo.rights.missing(day))}

    def export(self, dataset_id: str, folder: Path, *, class_word: str = "person", repeats: int = 10) -> Path:
        """Write a dataset in the common trainers' layout, with captions and rights, without positions or cameras.

        Raises:
            NotFoundError: no such dataset.
            ConflictError: the folder holds something already.
            InputError: a class word or repeats that do not fit a folder name.
            ResourceError: the folder cannot be written.
        """
        dataset = self._store.datasets.get(dataset_id)
        photos = self.photos(dataset_id)
        if not photos:
            raise ConflictError(f"{shown(dataset.name)} has no photos.", "Ingest some first.")
        return export_dataset(
            photos,
            lambda photo: open_stored(self._store, self._settings, photo).image,
            folder,
            trigger=dataset.trigger_token,
            class_word=class_word,
            repeats=repeats,
        )

    def export_zip(self, dataset_id: str, folder: Path, *, class_word: str = "person", repeats: int = 10) -> Path:
        """The same as `export`, as one zip in an existing folder; raises as `export` does."""
        name = self._store.datasets.get(dataset_id).name
        return export_zip(
            folder, name, lambda new: self.export(dataset_id, new, class_word=class_word, repeats=repeats)
        )

    # Inside

    def _ingest_upload(self, payload: Mapping[str, Any], progress: Progress) -> IngestReport:
        paths = self._intake.incoming.paths(str(payload["upload"]))
        token = str(payload.get("trigger_token") or "") or None
        return self.ingest(paths, dataset=str(payload["dataset"]), trigger_token=token, progress=progress)

    def _buckets(self, base: str) -> tuple[Bucket, ...]:
        card = pick(self._presets.bases(), base, "base model")
        return buckets_of(card.width_px, card.height_px)

    def _faces(self) -> FaceCounter:
        return FaceCounter(self._settings, self._presets)

    def _update(self, changes: Mapping[str, Mapping[str, object]]) -> list[Photo]:
        return update_photos(self._store, changes)
