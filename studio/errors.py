"""The one exception tree. Every error says what happened and what to do next.

StudioError
├── InputError          what was given cannot be used (a file, a config, a request)
│   ├── FaultsError     several faults of one dataset or config, collected and reported together
│   └── GateError       a weights file or model folder was refused before any library saw it
├── RightsError         something may not be used: rights missing, expired, licence not commercial
├── NotFoundError       no such record, file, base or brand model
├── ConflictError       the state does not allow it (not approved, already running, same key, other body)
├── CapabilityError     the chosen base cannot do this
├── ResourceError       disk full, out of memory, queue full, device busy
└── Cancelled           a person stopped the job; nothing was lost
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class StudioError(Exception):
    """Base of all expected errors.

    Args:
        message: what happened, in plain words, naming the file or record.
        next_step: what the person can do about it.
    """

    slug = "error"
    exit_code = 1

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class InputError(StudioError):
    """What was given cannot be used."""

    slug = "invalid-input"
    exit_code = 2


class Fault(NamedTuple):
    """One thing that is wrong: where, what, and what to do."""

    where: str
    what: str
    next_step: str = ""


class FaultsError(InputError):
    """All faults of one dataset, config or request, reported at once."""

    slug = "faults"

    def __init__(self, subject: str, faults: Sequence[Fault], next_step: str = "") -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  {f.where}: {f.what} {f.next_step}".rstrip() for f in self.faults)
        super().__init__(f"{subject}: {len(self.faults)} to mend\n{lines}", next_step)


class GateError(InputError):
    """Weights or a model folder were refused before any library opened them."""

    slug = "refused-weights"


class RightsError(StudioError):
    """Rights or licence do not allow the use."""

    slug = "rights"
    exit_code = 3


class NotFoundError(StudioError):
    """No such record, file, base or brand model."""

    slug = "not-found"
    exit_code = 4


class ConflictError(StudioError):
    """The present state does not allow it."""

    slug = "conflict"
    exit_code = 5


class CapabilityError(StudioError):
    """The chosen base cannot do this."""

    slug = "not-supported"
    exit_code = 6


class ResourceError(StudioError):
    """Disk, memory, queue or device has no room."""

    slug = "no-room"
    exit_code = 7


class Cancelled(StudioError):
    """A person stopped the job."""

    slug = "cancelled"
    exit_code = 130
