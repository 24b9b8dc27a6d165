"""Encodings: what encoders made of the pictures that were used last, so that a live preview need not ask them again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

LIMIT = 64
"""A reference picture's tokens take up to 260 KB (2 x 16 x 2048 in fp32)."""


class Encodings:
    """The newest values by whatever decides them. Safe to use from several threads."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, keys: Sequence[Hashable], make: Callable[[list[Hashable]], list[Any]]) -> list[Any]:
        """The values of some keys; `make` is asked once for all that are not known, or not at all."""
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            found |= zip(missing, make(missing), strict=True)
        with self._lock:
            for key in keys:
                self._known[key] = found[key]
                self._known.move_to_end(key)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
        return [found[key] for key in keys]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()
