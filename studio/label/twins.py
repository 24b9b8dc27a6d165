"""Near duplicates of whole datasets, remembered: opening every photo takes seconds."""

from __future__ import annotations

from collections.abc import Sequence

from studio.label.duplicates import groups, sketch
from studio.label.ingest import open_stored
from studio.measure.subject import subject_mask
from studio.records.photo import Photo
from studio.settings import Settings
from studio.store import Store

MAX_REMEMBERED = 8
Groups = tuple[tuple[str, ...], ...]
"""Ids of photos that are near duplicates of each other."""


class Twins:
    """Answers for the datasets that were asked for lately."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._known: dict[tuple[str, ...], Groups] = {}

    def of(self, photos: Sequence[Photo]) -> Groups:
        """The near duplicates among photos; the answer holds as long as the photos are the same."""
        key = tuple(photo.id for photo in photos)
        found = self._known.get(key)
        return self.remember(key, self._find(photos)) if found is None else found

    def remember(self, photo_ids: Sequence[str], found: Groups) -> Groups:
        """Keeps an answer that somebody has found anyway."""
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[tuple(photo_ids)] = found
        return found

    def _find(self, photos: Sequence[Photo]) -> Groups:
        sketches = []
        for photo in photos:
            rgb = open_stored(self._store, self._settings, photo).rgb
            sketches.append(sketch(photo.id, rgb, subject_mask(rgb)))
        return groups(sketches)
