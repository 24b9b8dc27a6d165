"""ModelCache: the only way to a model. Holds components (UNet, VAE, text encoder ...), never pipelines.

A component is loaded once, is shared by generation and training, and has one lock: who uses it has it alone, because
LoRA weights are written into it. The same thread may use it again inside. Whoever needs several at once and shares
the cache with other threads takes them in one call (`use_all`), which locks them in one order, so that two never wait
for each other.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from studio.errors import CapabilityError, ResourceError
from studio.models.encodings import Encodings
from studio.models.family import DTYPE_BYTES
from studio.models.registry import Registry

MEGABYTE = 2**20


class BusyError(ResourceError):
    """Somebody else uses a component, and for longer than the asker wanted to wait."""


@dataclass(frozen=True, order=True)
class ComponentKey:
    """Names one component in memory: the same weights in another dtype or on another device are another component."""

    base: str
    component: str
    dtype: str = "fp32"
    device: str = "cpu"


@dataclass(frozen=True)
class CacheStats:
    """Counters since the cache was made, and what it holds now: key -> bytes."""

    byte_budget: int
    hits: int
    loads: int
    evictions: int
    load_s: float
    resident: dict[ComponentKey, int]

    @property
    def resident_bytes(self) -> int:
        """Bytes held now."""
        return sum(self.resident.values())


@dataclass
class _Entry:
    """One component's place. `users` counts those inside `use`, waiting ones too: they keep it from being evicted."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    value: Any = None
    size: int = 0
    reload_s: float = 0.0
    users: int = 0


class ModelCache:
    """Components by key, within a budget of bytes. Safe to use from several threads."""

    def __init__(self, registry: Registry, byte_budget: int | Callable[[], int]) -> None:
        self.registry = registry
        self.encodings = Encodings()
        self._byte_budget = byte_budget
        self._mutex = threading.Lock()
        self.loading = threading.Lock()
        """Held by whoever makes diffusers or transformers import classes: they patch torch, never two at a time."""
        self._entries: dict[ComponentKey, _Entry] = {}
        self._hits = self._loads = self._evictions = 0
        self._load_s = 0.0

    @contextmanager
    def use(self, key: ComponentKey, *, patience_s: float | None = None) -> Iterator[Any]:
        """The component, for this thread alone until the block ends. It is not evicted meanwhile.

        Args:
            patience_s: how long to wait for whoever uses it now; None: however long it takes.

        Raises:
            BusyError: it was not free within `patience_s`.
            CapabilityError: the base has no such component.
            GateError: its files were refused.
            ResourceError: it does not fit beside the components that are in use.
        """
        with self._mutex:
            entry = self._entries.setdefault(key, _Entry())
            entry.users += 1
        try:
            with _locked(entry.lock, key, patience_s):
                if entry.value is None:
                    self._load(key, entry)
                else:
                    with self._mutex:
                        self._hits += 1
                yield entry.value
        finally:
            with self._mutex:
                entry.users -= 1
                if entry.value is None and not entry.users:
                    del self._entries[key]

    @contextmanager
    def use_all(self, *keys: ComponentKey, patience_s: float | None = None) -> Iterator[tuple[Any, ...]]:
        """Several components at once, in the order asked for; `patience_s` as in `use`, for each of them."""
        with ExitStack() as stack:
            values = {key: stack.enter_context(self.use(key, patience_s=patience_s)) for key in sorted(set(keys))}
            yield tuple(values[key] for key in keys)

    def stats(self) -> CacheStats:
        """What the cache has done and holds."""
        with self._mutex:
            resident = {key: e.size for key, e in self._entries.items() if e.value is not None}
            return CacheStats(self._budget, self._hits, self._loads, self._evictions, self._load_s, resident)

    @cached_property
    def _budget(self) -> int:
        return self._byte_budget() if callable(self._byte_budget) else self._byte_budget

    def clear(self) -> None:
        """Let go of every component that nobody uses, and of what encoders made."""
        self.encodings.clear()
        with self._mutex:
            for key in [key for key, entry in self._entries.items() if not entry.users]:
                self._evict(key)

    def _load(self, key: ComponentKey, entry: _Entry) -> None:
        if key.dtype not in DTYPE_BYTES:
            raise CapabilityError(f"There is no dtype {key.dtype}.", f"There are {', '.join(DTYPE_BYTES)}.")
        loader = self.registry.loader(key.base, key.component)
        folder = self.registry.component_folder(key.base, key.component)
        expected = self._expected_bytes(key)
        with self._mutex:
            self._make_room(key, expected)
            entry.size = expected
        try:
            with self.loading:
                began = time.perf_counter()
                value = loader(folder, dtype=key.dtype, device=key.device)
                load_s = time.perf_counter() - began
        except BaseException:
            with self._mutex:
                entry.size = 0
            raise
        with self._mutex:
            entry.value, entry.size, entry.reload_s = value, max(expected, _measured_bytes(value)), load_s
            self._loads += 1
            self._load_s += load_s

    def _expected_bytes(self, key: ComponentKey) -> int:
        """Bytes of a component before it is loaded, from the headers of its weights; 0 for those without weights."""
        headers = self.registry.component_weights(key.base, key.component)
        return sum(header.elements for header in headers) * DTYPE_BYTES[key.dtype]

    def _make_room(self, key: ComponentKey, needed: int) -> None:
        """Evict idle components, those first that cost the fewest seconds of reloading per byte that they free."""
        held = sum(entry.size for entry in self._entries.values())
        idle = [k for k, entry in self._entries.items() if not entry.users and entry.value is not None and entry.size]
        idle.sort(key=lambda k: self._entries[k].reload_s / self._entries[k].size)
        if held - sum(self._entries[k].size for k in idle) + needed > self._budget:
            raise ResourceError(
                f"{key.component} of {key.base} needs {needed / MEGABYTE:.1f} MB, which do not fit into the cache of "
                f"{self._budget / MEGABYTE:.1f} MB beside what is in use.",
                "Raise STUDIO_CACHE_BYTES, or use a smaller base or dtype.",
            )
        for candidate in idle:
            if held + needed <= self._budget:
                break
            held -= self._entries[candidate].size
            self._evict(candidate)

    def _evict(self, key: ComponentKey) -> None:
        """Called with the mutex held, for an entry without users."""
        del self._entries[key]
        self._evictions += 1
        torch = sys.modules.get("torch")
        if key.device.startswith("cuda") and torch is not None:
            gc.collect()  # a network that was compiled refers to itself
            torch.cuda.empty_cache()


@contextmanager
def _locked(lock: Any, key: ComponentKey, patience_s: float | None) -> Iterator[None]:
    """The lock of a component (an RLock) for as long as the block lasts."""
    if not lock.acquire(timeout=-1 if patience_s is None else patience_s):
        raise BusyError(f"{key.component} of {key.base} is in use.", "Try again when the running job is over.")
    try:
        yield
    finally:
        lock.release()


def _measured_bytes(value: Any) -> int:
    """Bytes of all parameters and buffers; 0 for a tokenizer or a scheduler."""
    if not hasattr(value, "parameters"):
        return 0
    return sum(t.numel() * t.element_size() for t in (*value.parameters(), *value.buffers()))
