"""LabelService: photos in, checked, captioned, with rights and a held-out split. The face of this stage."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from studio.errors import ConflictError, InputError, NotFoundError
from studio.jobs import JobContext
from studio.label.archives import ZipLimits
from studio.label.captions import UNDO, before, clean_caption
from studio.label.checks import Bucket, buckets_of, check_picture, conversions, near_duplicate
from studio.label.duplicates import groups, sketch
from studio.label.edits import changed_rights, checked_crop, clean_tags, replaced
from studio.label.export import export_dataset
from studio.label.faces import FaceCounter
from studio.label.incoming import Incoming
from studio.label.ingest import Ingest, Progress, open_stored
from studio.label.names import shown
from studio.label.products import product_of, read_products
from studio.label.report import DatasetStatistics, IngestReport
from studio.label.sample import SampleBrand, read_sample_brand
from studio.label.side_files import sort_files
from studio.label.sources import gather
from studio.label.split import split
from studio.label.statistics import statistics
from studio.label.trigger import check_trigger, suggest_trigger, tokenizer_words
from studio.measure.pictures import open_picture
from studio.measure.subject import subject_mask
from studio.presets import Presets, pick
from studio.records.base import new_id, now
from studio.records.photo import CaptionRevision, Dataset, Photo, Rights, caption_revision
from studio.records.product import Product
from studio.settings import Settings
from studio.store import Store

MAX_NAME = 80
REMOVED = "dat_removed"
"""Id of the dataset, shown to nobody, that keeps photos which were taken out of theirs."""
MAX_REMEMBERED = 8


class LabelService:
    """Everything that is done with photos before training."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._presets = Presets(settings.presets, settings.brand_models)
        self._incoming = Incoming(settings.home / "incoming")
        self._twins_of: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {}

    # Datasets

    def datasets(self) -> list[Dataset]:
        """All datasets, oldest first."""
        return [dataset for dataset in self._store.datasets.find() if dataset.id != REMOVED]

    def propose(self, name: str, trigger_token: str | None = None, base: str = "croquis") -> Dataset:
        """The dataset that an ingest under that name would make, or the one there is; nothing is written.

        Raises:
            InputError, ConflictError: a name or a trigger token that cannot be (see `ingest`).
        """
        return self._open_dataset(name, trigger_token, None, "", base)

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name or id.

        Raises:
            NotFoundError: none such, with the names there are.
        """
        found = next((d for d in self.datasets() if name in (d.name, d.id)), None)
        if found is None:
            names = ", ".join(shown(d.name) for d in self.datasets()) or "none yet"
            raise NotFoundError(f"There is no dataset {shown(name)!r}.", f"There are: {names}.")
        return found

    def photos(self, dataset_id: str) -> list[Photo]:
        """The photos of a dataset, oldest first.

        Raises:
            NotFoundError: no such dataset.
        """
        return self._store.photos.find(dataset_id=self._store.datasets.get(dataset_id).id)

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
        buckets = self._buckets(base)
        limits = self._settings
        zip_limits = ZipLimits(limits.max_zip_bytes, limits.max_zip_ratio, limits.max_upload_bytes)
        with ExitStack() as stack:
            gathered = sort_files(*gather(sources, zip_limits, stack))
            record = self._open_dataset(dataset, trigger_token, gathered.trigger(), sku, base)
            ingest = Ingest(
                self._store, limits, record, gathered, rights, self._product(record.sku), buckets, self._faces()
            )
            ingest.remember(self._store.photos.find(dataset_id=record.id))
            photos, files = ingest.run(progress)
        self._keep_twins(tuple(drawing.key for drawing in ingest.sketches), groups(ingest.sketches))
        return IngestReport(
            dataset=record, photos=tuple(photos), files=tuple(files), layouts=tuple(gathered.layouts.values())
        )

    def receive(self, files: Sequence[tuple[Path, str]]) -> str:
        """Keep uploaded files, each with the name it came with, for a job of kind `ingest`; returns the batch's id.

        Raises:
            InputError: no file at all.
            ResourceError: no room on the disk.
        """
        return self._incoming.receive(files)

    @property
    def has_sample_brand(self) -> bool:
        """Whether the sample brand came with this installation."""
        return (self._sample_folder / "photos").is_dir()

    def sample_brand(self) -> SampleBrand:
        """The sample brand, read.

        Raises:
            NotFoundError: it is not here.
            InputError: one of its files cannot be used.
        """
        return read_sample_brand(self._sample_folder)

    def ingest_sample(self, progress: Progress | None = None) -> IngestReport:
        """Take in the sample brand with its rights and its product."""
        sample = self.sample_brand()
        self._store.products.put(sample.product)
        self.add_product_photos(sample.product.sku, [sample.product_photo])
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
        self._incoming.discard(str(payload.get("upload", "")))
        return {
            "dataset_id": report.dataset.id if photos else "",
            "dataset": report.dataset.name,
            "taken": len(report.photos),
            "warnings": report.warnings,
            "held_out": sum(photo.split == "held-out" for photo in photos),
            "files": [
                {"name": shown(f.file_name), "level": f.finding.level, "message": f.finding.message}
                for f in report.files
            ],
        }

    def import_products(self, path: Path, *, encoding: str = "utf-8-sig") -> list[Product]:
        """Take in products from a CSV, all of them or none; photos that a product has already stay with it.

        Raises:
            FaultsError: every fault with its line.
            InputError: not readable.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path.name!r} cannot be read: {error.strerror}.", "Check the path.") from error
        products = read_products(data, path.name, encoding=encoding)
        with self._store.transaction():
            for product in products:
                old = self._product(product.sku)
                kept = old.photo_sha256 if old else ()
                self._store.products.put(product.model_copy(update={"photo_sha256": kept}))
        return [self._store.products.get(product.sku) for product in products]

    def add_product(self, cells: Mapping[str, str]) -> Product:
        """Take in one new product from texts named like the columns of the CSV, as a form has them.

        Raises:
            FaultsError: every wrong field.
            ConflictError: there is a product of that SKU.
        """
        product = product_of(cells)
        self._store.products.add(product)
        return product

    def add_product_photos(self, sku: str, paths: Sequence[Path]) -> Product:
        """Put photos of the product itself into the store; the first one ever added is the main one.

        Raises:
            NotFoundError: no such product.
            InputError: a picture that cannot be used; none is added then.
        """
        product = self._store.products.get(sku)
        limits = self._settings
        for path in paths:
            open_picture(path, max_pixels=limits.max_image_pixels, max_bytes=limits.max_upload_bytes)
        added = [self._store.files.put_file(path) for path in paths]
        together = tuple(dict.fromkeys((*product.photo_sha256, *added)))
        changed = product.model_copy(update={"photo_sha256": together})
        self._store.products.put(changed)
        return changed

    # Checking

    def check(self, dataset_id: str, *, base: str = "croquis", progress: Progress | None = None) -> list[Photo]:
        """Check all photos again, e.g. for another base's sizes; returns them with their new findings.

        Raises:
            NotFoundError: no such dataset or base.
        """
        buckets, faces = self._buckets(base), self._faces()
        photos = self.photos(dataset_id)
        sketches, findings = [], {}
        for done, photo in enumerate(photos):
            if progress is not None:
                progress(done, len(photos), shown(photo.file_name))
            picture = open_stored(self._store, self._settings, photo)
            rgb = picture.rgb
            mask = subject_mask(rgb)
            findings[photo.id] = (*conversions(picture.notes), *check_picture(rgb, mask, buckets, faces))
            sketches.append(sketch(photo.id, rgb, mask))
        names = {photo.id: shown(photo.file_name) for photo in photos}
        for group in groups(sketches):
            for later in group[1:]:
                findings[later] = (*findings[later], near_duplicate(names[group[0]]))
        return self._update({photo_id: {"findings": found} for photo_id, found in findings.items()})

    def statistics(self, dataset_id: str) -> DatasetStatistics:
        """A dataset in numbers, with advice.

        Raises:
            NotFoundError: no such dataset.
        """
        dataset = self._store.datasets.get(dataset_id)
        photos = self.photos(dataset_id)
        sizes = self._buckets("croquis")
        return statistics(photos, dataset.trigger_token, self._twins(photos), now().date(), sizes)

    # Captions, rights, split

    def set_caption(self, photo_id: str, text: str, author: str = "local") -> Photo:
        """Replace a caption; the old one stays in the history.

        Raises:
            NotFoundError: no such photo.
            InputError: several lines, control characters, too long, or an author that cannot be.
        """
        if author.startswith(UNDO):
            raise InputError(f"An author cannot be called {author!r}.", "Choose another name.")
        return self._revise(photo_id, clean_caption(text), author)

    def undo_caption(self, photo_id: str, author: str = "local") -> Photo:
        """Go back to the caption before; undoing again goes further back.

        Raises:
            NotFoundError: no such photo.
            ConflictError: there is no earlier caption.
        """
        with self._store.transaction():
            return self._revise(photo_id, before(self.caption_history(photo_id)), f"{UNDO}{author}")

    def undo_captions(self, photo_ids: Sequence[str], author: str = "local") -> list[Photo]:
        """Go back to the caption before on several photos, all of them or none.

        Raises:
            NotFoundError, ConflictError: see `undo_caption`.
        """
        with self._store.transaction():
            return [self.undo_caption(photo_id, author) for photo_id in photo_ids]

    def replace_in_captions(
        self, photo_ids: Sequence[str], find: str, replacement: str, author: str = "local"
    ) -> list[Photo]:
        """Replace words in the captions of several photos, all of them or none; returns those that had the words.

        Raises:
            NotFoundError: no such photo.
            InputError: nothing to find, or a caption that cannot be.
        """
        with self._store.transaction():
            photos = [self._store.photos.get(photo_id) for photo_id in photo_ids]
            captions = replaced(photos, find, replacement)
            return [self.set_caption(photo_id, text, author) for photo_id, text in captions.items()]

    def caption_history(self, photo_id: str) -> list[CaptionRevision]:
        """Every state of a caption, oldest first."""
        return self._store.captions.find(photo_id=self._store.photos.get(photo_id).id)

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

        Raises:
            NotFoundError: one of the photos does not exist.
        """
        with self._store.transaction():
            self._store.datasets.put(Dataset(id=REMOVED, name="(removed)", created_at=now()))
            return self._update({photo_id: {"dataset_id": REMOVED} for photo_id in photo_ids})

    def restore(self, photo_ids: Sequence[str], dataset_id: str) -> list[Photo]:
        """Put removed photos back into a dataset.

        Raises:
            NotFoundError: no such dataset or photo.
            ConflictError: the dataset has the same file again by now.
        """
        with self._store.transaction():
            there = {photo.sha256 for photo in self.photos(dataset_id)}
            again = [p for p in map(self._store.photos.get, photo_ids) if p.sha256 in there]
            if again:
                names = ", ".join(shown(photo.file_name) for photo in again)
                raise ConflictError(f"In the dataset already: {names}.", "Nothing has to be brought back.")
            return self._update({photo_id: {"dataset_id": dataset_id} for photo_id in photo_ids})

    def split(self, dataset_id: str, *, held_out: float = 0.1) -> list[Photo]:
        """Divide a dataset into photos to train on and photos to judge by; stable when photos are added.

        Raises:
            NotFoundError: no such dataset.
            InputError: a share outside 0 to 0.5.
        """
        photos = self.photos(dataset_id)
        sides = split(photos, self._twins(photos), held_out)
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
        """The same as `export`, as one zip in an existing folder; pictures are packed already, so it only bundles.

        Raises:
            as `export` does.
        """
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in self._store.datasets.get(dataset_id).name)
        unpacked = folder / secrets.token_hex(4) / "export"
        unpacked.parent.mkdir(parents=True)
        try:
            self.export(dataset_id, unpacked, class_word=class_word, repeats=repeats)
            return Path(shutil.make_archive(str(folder / (name or "dataset")), "zip", unpacked))
        finally:
            shutil.rmtree(unpacked.parent, ignore_errors=True)

    # Inside

    @property
    def _sample_folder(self) -> Path:
        return self._settings.presets / "sample_brand"

    def _ingest_upload(self, payload: Mapping[str, Any], progress: Progress) -> IngestReport:
        paths = self._incoming.paths(str(payload["upload"]))
        token = str(payload.get("trigger_token") or "") or None
        return self.ingest(paths, dataset=str(payload["dataset"]), trigger_token=token, progress=progress)

    def _buckets(self, base: str) -> tuple[Bucket, ...]:
        card = pick(self._presets.bases(), base, "base model")
        return buckets_of(card.width_px, card.height_px)

    def _faces(self) -> FaceCounter:
        return FaceCounter(self._settings.home / "models" / "face")

    def _product(self, sku: str) -> Product | None:
        try:
            return self._store.products.get(sku) if sku else None
        except NotFoundError:
            return None

    def _open_dataset(self, name: str, asked: str | None, from_folder: str | None, sku: str, base: str) -> Dataset:
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise InputError(f"{shown(name)!r} is no name for a dataset.", f"Give 1 to {MAX_NAME} ordinary characters.")
        found = next(iter(self._store.datasets.find(name=name)), None)
        if found is not None:
            if asked is not None and asked != found.trigger_token:
                raise ConflictError(
                    f"{name} has the trigger token {found.trigger_token!r} already.",
                    "Leave the token out, or take another dataset.",
                )
            return found
        words = tokenizer_words(self._presets.base_folder(base))
        token = asked if asked is not None else from_folder
        if token is None:
            token = suggest_trigger(name, words)
        check_trigger(token, words)
        return Dataset(id=new_id("dat"), name=name, trigger_token=token, sku=sku, created_at=now())

    def _twins(self, photos: Sequence[Photo]) -> tuple[tuple[str, ...], ...]:
        # Opening every photo takes seconds; the answer holds as long as the photos are the same.
        key = tuple(photo.id for photo in photos)
        found = self._twins_of.get(key)
        return self._keep_twins(key, self._find_twins(photos)) if found is None else found

    def _keep_twins(self, key: tuple[str, ...], found: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if len(self._twins_of) >= MAX_REMEMBERED:
            self._twins_of.clear()
        self._twins_of[key] = found
        return found

    def _find_twins(self, photos: Sequence[Photo]) -> tuple[tuple[str, ...], ...]:
        sketches = []
        for photo in photos:
            rgb = open_stored(self._store, self._settings, photo).rgb
            sketches.append(sketch(photo.id, rgb, subject_mask(rgb)))
        return groups(sketches)

    def _revise(self, photo_id: str, text: str, author: str) -> Photo:
        with self._store.transaction():
            changed = self._store.photos.get(photo_id).model_copy(update={"caption": text})
            self._store.captions.add(caption_revision(photo_id, text, author, new_id("cap")))
            self._store.photos.put(changed)
        return changed

    def _update(self, changes: dict[str, dict[str, object]]) -> list[Photo]:
        """Change fields of photos in one commit, on top of what they are by then."""
        with self._store.transaction():
            changed = [self._store.photos.get(key).model_copy(update=fields) for key, fields in changes.items()]
            for photo in changed:
                self._store.photos.put(photo)
        return changed
