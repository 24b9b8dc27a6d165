"""One ingest: pictures become photos of a dataset, each whole or not at all; a bad one does not stop the others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from studio.errors import ConflictError, InputError
from studio.label.captions import template_caption
from studio.label.checks import Bucket, check_picture, conversions, near_duplicate
from studio.label.duplicates import Sketch, near_duplicates, sketch
from studio.label.faces import FaceCounter
from studio.label.names import shown, suffix_of
from studio.label.report import FileFinding
from studio.label.side_files import Gathered
from studio.label.sources import SourceFile, refused
from studio.measure.pictures import Picture, read_picture
from studio.measure.subject import subject_mask
from studio.records.base import new_id
from studio.records.photo import Dataset, Finding, Photo, Rights, caption_revision
from studio.records.product import Product
from studio.settings import Settings
from studio.store import Store

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what is being done)."""


def open_stored(store: Store, settings: Settings, photo: Photo) -> Picture:
    """A photo's picture from the file store, upright sRGB.

    Raises:
        NotFoundError: the file is gone.
        InputError: the file was changed on disk.
    """
    path = store.files.path(photo.sha256)
    return read_picture(path.read_bytes(), path.name, max_pixels=settings.max_image_pixels, max_bytes=2**62)


@dataclass(slots=True)
class Ingest:
    """What is common to all photos of one ingest.

    Attributes:
        known: sha256 -> file name of the photos that the dataset has already.
        sketches: of those photos, for near duplicates; grows with each photo.
        names: photo id -> file name, for messages.
    """

    store: Store
    settings: Settings
    dataset: Dataset
    gathered: Gathered
    rights: Rights | None
    product: Product | None
    buckets: tuple[Bucket, ...]
    faces: FaceCounter
    known: dict[str, str] = field(default_factory=dict)
    sketches: list[Sketch] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def remember(self, photos: Sequence[Photo]) -> None:
        """Take note of the photos that the dataset has already."""
        for photo in photos:
            self.known[photo.sha256] = photo.file_name
            self.names[photo.id] = photo.file_name
            rgb = open_stored(self.store, self.settings, photo).rgb
            self.sketches.append(sketch(photo.id, rgb, subject_mask(rgb)))

    def run(self, progress: Progress | None) -> tuple[list[Photo], list[FileFinding]]:
        """Take in every picture; returns the photos and the files that became none."""
        photos: list[Photo] = []
        files = list(self.gathered.files)
        total = len(self.gathered.pictures)
        for done, file in enumerate(self.gathered.pictures):
            if progress is not None:
                progress(done, total, shown(file.name))
            try:
                result = self._take(file)
            except InputError as error:
                files.append(refused(file.name, error))
                continue
            if isinstance(result, Photo):
                photos.append(result)
            else:
                files.append(result)
        if progress is not None:
            progress(total, total, "")
        return photos, files

    def _take(self, file: SourceFile) -> Photo | FileFinding:
        data = file.read()
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 in self.known:
            message = f"The same file as {shown(self.known[sha256])}: kept once."
            return FileFinding(
                file_name=file.name, finding=Finding(code="duplicate", level="warning", message=message, value=1.0)
            )
        limits = self.settings
        picture = read_picture(data, file.name, max_pixels=limits.max_image_pixels, max_bytes=limits.max_upload_bytes)
        photo, drawing = self._photo(file, picture, sha256)
        self.store.files.put_bytes(data, suffix_of(file.name))
        # The file is on the disk before the rows that name it; a crash in between leaves a file, never a gap.
        with self.store.transaction():
            if not self.known:
                self._put_dataset()
            self.store.photos.add(photo)
            self.store.captions.add(caption_revision(photo.id, photo.caption, "ingest", new_id("cap")))
        self.store.thumbnails.prepare(sha256)
        self.known[sha256] = file.name
        self.names[photo.id] = file.name
        self.sketches.append(drawing)
        return photo

    def _put_dataset(self) -> None:
        """The dataset appears with its first photo, so a batch of bad files leaves nothing behind."""
        if any(other.id != self.dataset.id for other in self.store.datasets.find(name=self.dataset.name)):
            raise ConflictError(f"{self.dataset.name} was just made by somebody else.", "Ingest again to add to it.")
        self.store.datasets.put(self.dataset)

    def _photo(self, file: SourceFile, picture: Picture, sha256: str) -> tuple[Photo, Sketch]:
        photo_id, rgb = new_id("pho"), picture.rgb
        mask = subject_mask(rgb)
        drawing = sketch(photo_id, rgb, mask)
        twin = next((old for old in self.sketches if near_duplicates(old, drawing)), None)
        findings = (*conversions(picture.notes), *check_picture(rgb, mask, self.buckets, self.faces))
        if twin is not None:
            findings = (*findings, near_duplicate(shown(self.names[twin.key])))
        caption = self.gathered.captions.get(file.stem)
        if caption is None:
            hints = self.gathered.hints.get(file.root, {}).get(file.name)
            caption = template_caption(self.dataset.trigger_token, self.product, hints)
        photo = Photo(
            id=photo_id, dataset_id=self.dataset.id, sha256=sha256, file_name=file.name,
            width_px=picture.image.width, height_px=picture.image.height, caption=caption,
            rights=self.gathered.rights_of(file, self.rights), findings=findings,
            phash=drawing.fingerprint.phash, sku=self.dataset.sku,
        )  # fmt: skip
        return photo, drawing
