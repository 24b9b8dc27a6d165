"""ModelRow: one base, or one thing that can be added to a base, as a person chooses, pulls and removes it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from studio.records.base import Record, Slug
from studio.records.pullable import Licence, PullKind

ModelState = Literal["bundled", "absent", "partial", "installed", "damaged"]


class MemoryFit(Record):
    """What the weights take on this machine's device when they are kept in one way."""

    dtype: str
    offload: bool
    """Whether only the component that works lies on the device."""
    weights_bytes: int
    fits: bool | None
    """None: the device is not known yet."""


class ModelRow(Record):
    """Everything that a person needs to know of a base or add-on before using, pulling or removing it."""

    name: Slug
    title: str
    kind: PullKind
    family: str
    """Empty for what belongs to no family: annotators and tools."""
    state: ModelState
    licence: Licence
    accepted_by: str = ""
    accepted_at: datetime | None = None
    pull_bytes: int = 0
    """Of those files whose size is known before the hub is asked."""
    pull_bytes_known: bool = True
    """Whether that is all of them."""
    disk_bytes: int = 0
    """On this machine now, half-pulled files too; what becomes free when it is removed."""
    memory: tuple[MemoryFit, ...] = ()
    memory_source: str = ""
    notes: str = ""
    sources: tuple[str, ...] = ()
    """Repositories that it is pulled from."""
    refused: str = ""
    """Why it can never be pulled or used here; empty: it can."""
    can: tuple[str, ...] = ()
    """What works: fields of `Capabilities`, and `controlnet:KIND`."""
    cannot: dict[str, str] = {}
    """What does not, with the reason in words."""
    needs: dict[str, str] = {}
    """What works once another thing is pulled, with that thing's name."""
    brand_models: tuple[str, ...] = ()
    """Brand models that draw only with this base."""
