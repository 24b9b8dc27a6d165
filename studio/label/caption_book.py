"""The captions of a store with every state that they ever had: replaced, searched, and taken back."""

from __future__ import annotations

from collections.abc import Sequence

from studio.errors import InputError
from studio.label.captions import UNDO, before, clean_caption
from studio.label.edits import replaced
from studio.records.base import new_id
from studio.records.photo import CaptionRevision, Photo, caption_revision
from studio.store import Store


class CaptionBook:
    """Captions as people change them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set(self, photo_id: str, text: str, author: str) -> Photo:
        """Replace a caption; the old one stays in the history.

        Raises:
            NotFoundError: no such photo.
            InputError: several lines, control characters, too long, or an author that cannot be.
        """
        if author.startswith(UNDO):
            raise InputError(f"An author cannot be called {author!r}.", "Choose another name.")
        return self._revise(photo_id, clean_caption(text), author)

    def undo(self, photo_ids: Sequence[str], author: str) -> list[Photo]:
        """Go back to the caption before on all of these photos or none; undoing again goes further back.

        Raises:
            NotFoundError: no such photo.
            ConflictError: there is no earlier caption.
        """
        with self._store.transaction():
            return [self._revise(key, before(self.history(key)), f"{UNDO}{author}") for key in photo_ids]

    def replace(self, photo_ids: Sequence[str], find: str, replacement: str, author: str) -> list[Photo]:
        """Replace words in the captions of several photos, all of them or none; returns those that had the words.

        Raises:
            NotFoundError: no such photo.
            InputError: nothing to find, or a caption that cannot be.
        """
        with self._store.transaction():
            photos = [self._store.photos.get(photo_id) for photo_id in photo_ids]
            captions = replaced(photos, find, replacement)
            return [self.set(photo_id, text, author) for photo_id, text in captions.items()]

    def history(self, photo_id: str) -> list[CaptionRevision]:
        """Every state of a caption, oldest first. Raises NotFoundError."""
        return self._store.captions.find(photo_id=self._store.photos.get(photo_id).id)

    def _revise(self, photo_id: str, text: str, author: str) -> Photo:
        with self._store.transaction():
            changed = self._store.photos.get(photo_id).model_copy(update={"caption": text})
            self._store.captions.add(caption_revision(photo_id, text, author, new_id("cap")))
            self._store.photos.put(changed)
        return changed
