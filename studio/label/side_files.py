"""What lies beside the photos: captions in `.txt` files, rights, hints, and folders in the common trainers' layout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from studio.errors import Fault, FaultsError, InputError
from studio.label.captions import read_hints, read_side_file
from studio.label.names import suffix_of
from studio.label.report import FileFinding, Layout
from studio.label.rights import DEFAULT, FILE_NAMES, read_rights
from studio.label.sources import SourceFile, refused
from studio.measure.pictures import SUFFIXES
from studio.records.photo import Finding, Rights

HINTS_NAME = "hints.csv"
_LAYOUT = re.compile(r"^(?P<repeats>\d{1,4})_(?P<trigger>\S{1,64})(?: (?P<word>.{1,64}))?$")


@dataclass(slots=True)
class Gathered:
    """The files of one ingest, sorted by what they are for.

    Attributes:
        pictures: everything that claims to be a photo.
        captions: (root, folder, stem) -> caption of the side file.
        rights: per root, file name -> rights.
        hints: per root, file name -> attribute -> value.
        files: what was left out, and why.
    """

    pictures: list[SourceFile] = field(default_factory=list)
    captions: dict[tuple[str, str, str], str] = field(default_factory=dict)
    rights: dict[str, dict[str, Rights]] = field(default_factory=dict)
    hints: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)
    files: list[FileFinding] = field(default_factory=list)

    def rights_of(self, file: SourceFile, otherwise: Rights | None) -> Rights:
        """Rights of a photo: its own line, the side file's default, or what was given for all."""
        table = self.rights.get(file.root, {})
        return table.get(file.name) or table.get(DEFAULT) or otherwise or Rights()

    def trigger(self) -> str | None:
        """The trigger token that the folders name; None when there is none, or several."""
        tokens = {layout.trigger_token for layout in self.layouts.values()}
        return tokens.pop() if len(tokens) == 1 else None


def sort_files(files: Sequence[SourceFile], left_out: Sequence[FileFinding]) -> Gathered:
    """Sort files by their use and read all side files.

    Raises:
        FaultsError: every fault of every rights or hints file, before any photo is taken.
    """
    gathered = Gathered(files=list(left_out))
    faults: list[Fault] = []
    stems = {file.stem for file in files if suffix_of(file.name) in SUFFIXES}
    for file in files:
        lowered = file.name.lower()
        try:
            if lowered in FILE_NAMES:
                gathered.rights.setdefault(file.root, {}).update(read_rights(file.read(), file.name))
            elif lowered == HINTS_NAME:
                gathered.hints.setdefault(file.root, {}).update(read_hints(file.read(), file.name))
            elif lowered.endswith(".txt"):
                _caption(file, stems, gathered)
            else:
                gathered.pictures.append(file)
                _layout(file, gathered)
        except FaultsError as error:
            faults += [Fault(f"{file.name}: {f.where}", f.what, f.next_step) for f in error.faults]
        except InputError as error:
            faults.append(Fault(file.name, error.message, error.next_step))
    if faults:
        raise FaultsError("Nothing was ingested: the files beside the photos", faults)
    return gathered


def _caption(file: SourceFile, stems: set[tuple[str, str, str]], gathered: Gathered) -> None:
    if file.stem not in stems:
        finding = Finding(code="left-out", level="warning", message="A text file without a photo of the same name.")
        gathered.files.append(FileFinding(file_name=file.name, finding=finding))
        return
    try:
        gathered.captions[file.stem] = read_side_file(file.read(), file.name)
    except InputError as error:
        gathered.files.append(refused(file.name, error))


def _layout(file: SourceFile, gathered: Gathered) -> None:
    match = _LAYOUT.match(file.folder.rpartition("/")[2])
    if match:
        gathered.layouts[file.folder] = Layout(
            repeats=int(match["repeats"]), trigger_token=match["trigger"], class_word=match["word"] or ""
        )
