"""Datasets by name and id, how a new one comes to its trigger token, and photos that are taken out and brought back."""

from __future__ import annotations

from collections.abc import Sequence

from studio.errors import ConflictError, InputError, NotFoundError
from studio.label.edits import update_photos
from studio.label.names import shown
from studio.label.trigger import check_trigger, suggest_trigger, tokenizer_words
from studio.presets import Presets
from studio.records.base import new_id, now
from studio.records.photo import Dataset, Photo
from studio.store import Store

MAX_NAME = 80
REMOVED = "dat_removed"
"""Id of the dataset, shown to nobody, that keeps photos which were taken out of theirs."""


class Datasets:
    """The datasets of one store."""

    def __init__(self, store: Store, presets: Presets) -> None:
        self._store, self._presets = store, presets

    def all(self) -> list[Dataset]:
        """All datasets, oldest first."""
        return [dataset for dataset in self._store.datasets.find() if dataset.id != REMOVED]

    def named(self, name: str) -> Dataset:
        """The dataset of that name or id.

        Raises:
            NotFoundError: none such, with the names there are.
        """
        found = next((d for d in self.all() if name in (d.name, d.id)), None)
        if found is None:
            names = ", ".join(shown(d.name) for d in self.all()) or "none yet"
            raise NotFoundError(f"There is no dataset {shown(name)!r}.", f"There are: {names}.")
        return found

    def photos(self, dataset_id: str) -> list[Photo]:
        """The photos of a dataset, oldest first.

        Raises:
            NotFoundError: no such dataset.
        """
        return self._store.photos.find(dataset_id=self._store.datasets.get(dataset_id).id)

    def opened(self, name: str, asked: str | None, from_folder: str | None, sku: str, base: str) -> Dataset:
        """The dataset of that name, or a new one that is not stored yet.

        Args:
            asked: the trigger token that a person asks for.
            from_folder: the one that the folder of the photos names.
            base: a new token must be no word of its tokenizer.

        Raises:
            InputError: a name that cannot be.
            FaultsError: a trigger token that collides.
            ConflictError: the dataset has another trigger token.
        """
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

    def remove(self, photo_ids: Sequence[str]) -> list[Photo]:
        """Take photos out of their dataset. They keep captions and rights, and `restore` brings them back.

        Raises:
            NotFoundError: one of the photos does not exist.
        """
        with self._store.transaction():
            self._store.datasets.put(Dataset(id=REMOVED, name="(removed)", created_at=now()))
            return update_photos(self._store, {photo_id: {"dataset_id": REMOVED} for photo_id in photo_ids})

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
            return update_photos(self._store, {photo_id: {"dataset_id": dataset_id} for photo_id in photo_ids})
