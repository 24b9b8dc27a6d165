"""Pullable: something that can be fetched from a model hub (a base, a ControlNet, an annotator, a tool), as data.

A file under `presets/` names where each file lies, at which revision, how large it is and what its licence allows;
whoever wants the thing asks for it by name. Nothing here has been downloaded yet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from studio.records.base import Record, Sha256, Slug

PullKind = Literal["base", "controlnet", "ip_adapter", "annotator", "tool"]


class Licence(Record):
    """What may be done with the weights. `commercial_use` None: nobody has read it yet, and export is blocked."""

    name: str
    commercial_use: bool | None
    source: str
    """Where it was read, and when."""


class HubFile(Record):
    """One file of a repository on the hub."""

    path: str
    """In the repository."""
    save_as: str = ""
    """Relative path where it is kept; empty: as in the repository."""
    size_bytes: int = Field(default=0, ge=0)
    """0: unknown; the hub is asked."""
    sha256: Sha256 | None = None
    """None: the hub's own digest of this revision is taken and recorded."""


class HubSource(Record):
    """Files of one repository at one revision."""

    repo: str
    revision: str
    """A commit; a branch's name only where no commit is known: its commit is recorded at the pull."""
    files: tuple[HubFile, ...]


class Pullable(Record):
    """One thing that can be pulled."""

    name: Slug
    title: str
    kind: PullKind
    licence: Licence
    sources: tuple[HubSource, ...]
    family: str = ""
    """For a ControlNet or an IP-Adapter: the family it belongs to. For a tool: what reads its weights, `esrgan` or
    `birefnet`."""
    notes: str = ""


class LicenceAcceptance(Record):
    """A person has accepted a licence as it stood in the preset then; another licence has to be accepted anew."""

    id: str
    name: str
    """Of the base or add-on."""
    licence: Licence
    accepted_by: str
    accepted_at: datetime


class PulledFile(Record):
    """One file that was pulled: where it is kept, what it is, and where it came from."""

    path: str
    """Relative path in the thing's folder."""
    size_bytes: int
    sha256: Sha256
    repo: str
    commit: str
    """The commit it was read at; empty where it came out of a folder and the card names none."""
    source_path: str
    """In the repository."""


class Manifest(Record):
    """What was pulled, written beside the files: with it, a thing is installed."""

    name: Slug
    kind: PullKind
    source: str
    """The hub's address, or the folder that the files came from."""
    pulled_at: datetime
    files: tuple[PulledFile, ...]
