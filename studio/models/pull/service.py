"""PullService: licences that people accept, and pulls by name, from a command line or as a job."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from studio.errors import ConflictError, InputError, RightsError
from studio.jobs import JobContext
from studio.models.installed import Installed
from studio.models.pull.fetch import fetch
from studio.models.pull.hub import Hub
from studio.models.pull.install import install
from studio.models.pull.local_folder import LocalFolder
from studio.models.pull.staging import Staging
from studio.models.pull.wanted import Source, Wanted, check_asked
from studio.presets import Presets, pick
from studio.records.base import new_id, now
from studio.records.pullable import Licence, LicenceAcceptance, Manifest, Pullable
from studio.store import Store

OnProgress = Callable[[int, int, str], None]
"""(bytes so far, bytes in all, what is read now)"""

CHECK_EVERY_S = 0.1
"""How often a job asks whether it is to stop: a chunk may be a few kilobytes."""
PASS_EVERY_S = 1.0
"""How often it looks whether other work waits that it can let pass."""


class PullService:
    """Fetches what the presets name."""

    def __init__(self, store: Store, presets: Presets, installed: Installed) -> None:
        self._store = store
        self._presets = presets
        self._installed = installed

    def accepted(self, name: str) -> LicenceAcceptance | None:
        """Who has accepted the licence as the preset states it now; None: nobody. Raises NotFoundError."""
        licence = self._item(name).licence
        said = self._store.licence_acceptances.find(name=name)
        return next((one for one in reversed(said) if one.licence == licence), None)

    def accept(self, name: str, *, by: str) -> LicenceAcceptance:
        """Records that a person has accepted the licence. Once is enough, until the preset's licence changes.

        Raises:
            NotFoundError: nothing that can be pulled is called so.
            InputError: no name of a person.
        """
        person = by.strip()
        if not person:
            raise InputError("A licence is accepted by a person.", "Give a name.")
        before = self.accepted(name)
        if before is not None:
            return before
        item = self._item(name)
        one = LicenceAcceptance(
            id=new_id("lic"), name=name, licence=item.licence, accepted_by=person, accepted_at=now()
        )
        self._store.licence_acceptances.add(one)
        return one

    def pull(
        self,
        name: str,
        *,
        folder: Path | None = None,
        progress: OnProgress = lambda done, total, note: None,
        check: Callable[[], None] = lambda: None,
    ) -> Manifest:
        """Fetches one thing, or finds it installed.

        Args:
            folder: take the files from here instead of from the hub.
            check: called before each chunk; what it raises ends the pull there, and the next one goes on.

        Raises:
            NotFoundError: nothing that can be pulled is called so; the hub or folder lacks a file.
            RightsError: nobody has accepted the licence; the hub asks for a person that it knows.
            GateError: a file is not what it should be, or may not be used.
            ConflictError: offline, cut, or being pulled already.
            ResourceError: no room on the disk.
        """
        item = self._item(name)
        self._demand_licence(item)
        check_asked(item)
        staging = Staging(self._installed.shelf.staging(item))
        if self._installed.state(name) == "installed":
            return self._installed.shelf.manifest(item)
        source: Hub | LocalFolder = LocalFolder(folder) if folder is not None else Hub.from_environment()
        with closing(source) if isinstance(source, Hub) else nullcontext(), staging.held():
            return self._fetch_all(item, source, staging, progress, check)

    def payload(self, name: str, folder: str = "") -> dict[str, Any]:
        """What a job of kind `pull` is submitted with, once everything that can be known before it is in order.

        Args:
            folder: absolute path of a folder of files on this machine; empty: the hub.

        Raises:
            NotFoundError: nothing that can be pulled is called so; there is no such folder.
            RightsError: nobody has accepted the licence.
            GateError: it asks for files that are never fetched.
            ConflictError: a person has set the studio offline.
            InputError: a path that depends on where the studio was started.
        """
        item = self._item(name)
        self._demand_licence(item)
        check_asked(item)
        if not folder:
            Hub.from_environment().close()
            return {"name": name}
        if not Path(folder).is_absolute():
            raise InputError(f"{folder} is not a whole path.", "Give it from / on, as it is on the studio's machine.")
        LocalFolder(Path(folder))
        return {"name": name, "folder": folder}

    def handle(self, context: JobContext, let_pass: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """The job of kind `pull`: payload `name`, and `folder` where the files come from one. Progress in MiB.

        Args:
            let_pass: does one piece of other waiting work; a download needs no device.
        """
        folder = str(context.payload.get("folder") or "")
        manifest = self.pull(
            str(context.payload["name"]),
            folder=Path(folder) if folder else None,
            progress=lambda done, total, note: context.progress(mebibytes(done), mebibytes(total), note),
            check=_checks(context, let_pass),
        )
        return {"name": manifest.name, "bytes": sum(file.size_bytes for file in manifest.files)}

    def handle_verify(self, context: JobContext, let_pass: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """The job of kind `verify`: payload `name`. Every byte is read again; progress in MiB. See `handle`."""
        check = _checks(context, let_pass)

        def tell(done: int, total: int, path: str) -> None:
            check()
            context.progress(mebibytes(done), mebibytes(total), path)

        name = str(context.payload["name"])
        return {"name": name, "files": len(self._installed.verify(name, tell))}

    def _fetch_all(
        self, item: Pullable, source: Source, staging: Staging, progress: OnProgress, check: Callable[[], None]
    ) -> Manifest:
        wanted = [file for part in item.sources for file in source.look_up(part)]
        staging.drop_foreign(wanted)
        staging.make_room(wanted)
        total = sum(file.size_bytes for file in wanted)
        before = 0

        def tell(file: Wanted, size: int) -> None:
            check()
            progress(before + size, total, file.path)

        for file in wanted:
            fetch(source, file, staging, tell)
            before += file.size_bytes
        return install(item, source.name, wanted, staging, self._installed.shelf)

    def _demand_licence(self, item: Pullable) -> None:
        if self.accepted(item.name) is None:
            raise RightsError(
                f"Nobody here has accepted the licence of {item.title} ({item.name}) yet: {item.licence.name}, "
                f"{commercial_words(item.licence)}. Where that was read: {item.licence.source}",
                f"Read it, then `python app.py models accept {item.name} --by YOUR-NAME`.",
            )

    def _item(self, name: str) -> Pullable:
        if name in self._presets.bases() and self._presets.base(name).pullable is None:
            raise ConflictError(f"{name} is part of the studio itself.", "There is nothing to pull.")
        return pick(self._presets.pullables(), name, "base or add-on to pull")


def _checks(context: JobContext, let_pass: Callable[[], bool]) -> Callable[[], None]:
    """What a job calls at every chunk: now and then it looks whether it is to stop, and lets other work pass."""
    checked_at = passed_at = time.monotonic()

    def check() -> None:
        nonlocal checked_at, passed_at
        if time.monotonic() - checked_at >= CHECK_EVERY_S:
            context.check()
            checked_at = time.monotonic()
        if time.monotonic() - passed_at >= PASS_EVERY_S:
            let_pass()
            passed_at = time.monotonic()

    return check


def mebibytes(count: int) -> int:
    """Bytes as whole MiB, rounded up: a job's progress is counted in numbers that every database holds."""
    return -(-count // 2**20)


def commercial_words(licence: Licence) -> str:
    """What the licence says of commercial use, in words."""
    if licence.commercial_use is None:
        return "commercial use unknown, export is blocked"
    return "commercial use allowed" if licence.commercial_use else "no commercial use, export is blocked"
