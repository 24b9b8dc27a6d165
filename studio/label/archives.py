"""Zips from outside: every member is judged by the table of contents before a single byte is unpacked.

Nothing is ever unpacked to disk; members are read into memory one at a time, each with its own limit.
"""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

from studio.errors import Fault, FaultsError, InputError
from studio.label.names import shown

MAX_MEMBERS = 10_000
MIN_BOMB_BYTES = 1024 * 1024
"""Below this a high ratio is a text file, no bomb."""
_DRIVE = re.compile(r"^[A-Za-z]:")


class ZipLimits(NamedTuple):
    """Bytes unpacked in all, unpacked over packed, and bytes of one member."""

    total_bytes: int
    ratio: float
    member_bytes: int


def open_archive(path: Path, limits: ZipLimits) -> zipfile.ZipFile:
    """Open a zip after judging all of its members; the caller closes it.

    Raises:
        FaultsError: every member that makes the archive unsafe.
        InputError: no zip, or damaged.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, OSError, ValueError) as error:
        raise InputError(f"{shown(path.name)} cannot be read as a zip ({error}).", "Pack it again.") from error
    faults = _faults(archive, path.stat().st_size, limits)
    if faults:
        archive.close()
        raise FaultsError(
            f"The zip {shown(path.name)} was refused and nothing was taken from it",
            faults,
            "Pack only the photos, with plain names, and try again.",
        )
    return archive


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files in an archive that `open_archive` let through, in their order."""
    return [info for info in archive.infolist() if not info.is_dir()]


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: ZipLimits) -> bytes:
    """One member's bytes; its checksum is verified.

    Raises:
        InputError: larger than one file may be, or damaged.
    """
    if info.file_size > limits.member_bytes:
        raise InputError(
            f"{shown(info.orig_filename)} has {info.file_size / 1e6:.0f} MB unpacked; "
            f"the limit is {limits.member_bytes / 1e6:.0f} MB.",
            "Make the picture smaller.",
        )
    try:
        # zipfile stops at the size that the table of contents states, whatever the packed data would grow to.
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{shown(info.orig_filename)} is damaged inside the zip.", "Pack it again.") from error


def _faults(archive: zipfile.ZipFile, packed_bytes: int, limits: ZipLimits) -> list[Fault]:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        return [Fault("zip", f"holds {len(infos)} entries; the limit is {MAX_MEMBERS}.")]
    total = sum(info.file_size for info in infos)
    faults = []
    if total > limits.total_bytes:
        faults.append(Fault("zip", f"unpacks to {total / 1e6:.0f} MB; the limit is {limits.total_bytes / 1e6:.0f} MB."))
    if total > MIN_BOMB_BYTES and total > limits.ratio * packed_bytes:
        faults.append(Fault("zip", f"unpacks to {total // max(packed_bytes, 1)} times its size, as a zip bomb does."))
    seen: set[str] = set()
    for info in infos:
        where = shown(info.orig_filename)
        faults += [Fault(where, what) for what in _member_faults(info, limits)]
        # Two names that differ in case or in how accents are written are one file on many disks.
        key = unicodedata.normalize("NFC", info.orig_filename.replace("\\", "/")).casefold()
        if key in seen:
            faults.append(Fault(where, "occurs twice."))
        seen.add(key)
    return faults + _overlaps(infos, packed_bytes)


def _member_faults(info: zipfile.ZipInfo, limits: ZipLimits) -> list[str]:
    name = info.orig_filename.replace("\\", "/")
    kind = stat.S_IFMT(info.external_attr >> 16)
    wrong = {
        "leads out of the folder (`..`).": ".." in name.split("/"),
        "is an absolute path.": name.startswith("/"),
        "names a drive.": bool(_DRIVE.match(name)),
        "has no name.": not name.strip("/"),
        "is a symbolic link.": kind == stat.S_IFLNK,
        "is no ordinary file.": kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK),
        "is encrypted.": bool(info.flag_bits & 0x1),
        "is packed by an uncommon method.": info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        "grows too much when unpacked, as a zip bomb does.": (
            info.file_size > MIN_BOMB_BYTES and info.file_size > limits.ratio * max(info.compress_size, 1)
        ),
    }
    return [what for what, is_so in wrong.items() if is_so]


def _overlaps(infos: list[zipfile.ZipInfo], packed_bytes: int) -> list[Fault]:
    """Members that share packed bytes: the trick by which a small zip states few bytes and unpacks to many."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in ordered[1:]] + [packed_bytes]
    return [
        Fault(shown(info.orig_filename), "overlaps another entry.")
        for info, end in zip(ordered, ends, strict=True)
        if info.header_offset + info.compress_size > end
    ]
