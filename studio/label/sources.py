"""Files, folders and zips as one flat list of things to read. Zips are judged before anything is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from studio.errors import Fault, FaultsError, InputError
from studio.label.archives import ZipLimits, members, open_archive, read_member
from studio.label.names import as_data, file_name, suffix_of
from studio.label.report import FileFinding
from studio.records.photo import Finding

_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read.

    Attributes:
        root: the folder or zip that was given, for a loose file its parent; side files hold inside one root.
        folder: its folder inside the source, with `/`; empty at the top.
        name: its name as data.
        read: gives the bytes; raises InputError.
    """

    root: str
    folder: str
    name: str
    read: Callable[[], bytes]

    @property
    def stem(self) -> tuple[str, str, str]:
        """What a photo and its side file have in common."""
        return self.root, self.folder, self.name.rpartition(".")[0]


def gather(paths: Sequence[Path], limits: ZipLimits, stack: ExitStack) -> tuple[list[SourceFile], list[FileFinding]]:
    """All files of the sources, in a stable order, and what had to be left out or was refused.

    A zip that is refused does not stop what was given beside it.

    Args:
        stack: keeps opened zips until the caller is through.

    Raises:
        FaultsError: a source that does not exist, or nothing but zips that are refused; before anything was read.
    """
    files: list[SourceFile] = []
    left_out: list[FileFinding] = []
    faults: list[Fault] = []
    missing = False
    for path in paths:
        try:
            if path.is_dir():
                found, skipped = _folder(path, limits)
                files += found
                left_out += skipped
            elif not path.is_file():
                missing = True
                raise InputError("does not exist, or is neither file, folder nor zip.", "Check the path.")
            elif suffix_of(path.name) == ".zip":
                files += _zip(path, limits, stack)
            else:
                files.append(SourceFile(str(path.parent), "", file_name(path), partial(_read, path, limits)))
        except InputError as error:
            faults += _faults(file_name(path), error)
            left_out.append(refused(file_name(path), error))
    if missing or (faults and not files):
        raise FaultsError("Nothing was ingested", faults)
    return [f for f in files if not _is_clutter(f)], left_out


def _folder(path: Path, limits: ZipLimits) -> tuple[list[SourceFile], list[FileFinding]]:
    files, left_out = [], []
    for entry in _walk(path):
        name, inside = file_name(entry), as_data(entry.parent.relative_to(path).as_posix())
        # The folder that was given counts too: it may itself be named `10_trigger class`.
        folder = as_data(path.resolve().name) if inside == "." else inside
        mode = entry.lstat().st_mode
        if not stat.S_ISREG(mode):
            what = "a link" if stat.S_ISLNK(mode) else "no ordinary file"
            left_out.append(_left_out(name, f"is {what}: left out."))
        else:
            files.append(SourceFile(str(path), folder, name, partial(_read, entry, limits)))
    return files, left_out


def _walk(path: Path) -> Iterator[Path]:
    """Everything below a folder that is no folder; links to folders are not followed."""
    for folder, folders, names in os.walk(path):
        folders.sort()
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from (Path(folder) / name for name in sorted([*names, *linked]))


def _zip(path: Path, limits: ZipLimits, stack: ExitStack) -> list[SourceFile]:
    archive = stack.enter_context(open_archive(path, limits))
    files = []
    for info in members(archive):
        place = PurePosixPath(info.orig_filename.replace("\\", "/"))
        folder = "" if place.parent.as_posix() == "." else as_data(place.parent.as_posix())
        files.append(SourceFile(str(path), folder, as_data(place.name), partial(read_member, archive, info, limits)))
    return files


def _read(path: Path, limits: ZipLimits) -> bytes:
    try:
        with path.open("rb") as handle:
            data = handle.read(limits.member_bytes + 1)
    except OSError as error:
        raise InputError(f"{file_name(path)!r} cannot be read: {error.strerror}.", "Check its permissions.") from error
    if len(data) > limits.member_bytes:
        raise InputError(
            f"{file_name(path)!r} has more than {limits.member_bytes / 1e6:.0f} MB.", "Make the picture smaller."
        )
    return data


def _is_clutter(file: SourceFile) -> bool:
    """What operating systems leave behind."""
    parts = [*file.folder.split("/"), file.name]
    return file.name.startswith(".") or any(part.lower() in _CLUTTER for part in parts)


def _faults(name: str, error: InputError) -> list[Fault]:
    if isinstance(error, FaultsError):
        return [Fault(f"{name}: {f.where}", f.what, f.next_step) for f in error.faults]
    return [Fault(name, error.message, error.next_step)]


def refused(name: str, error: InputError) -> FileFinding:
    """A file that could not be used; the batch goes on without it."""
    return FileFinding(file_name=name, finding=Finding(code="refused", level="refused", message=str(error)))


def _left_out(name: str, message: str) -> FileFinding:
    return FileFinding(file_name=name, finding=Finding(code="left-out", level="warning", message=message))
