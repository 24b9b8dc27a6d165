"""What label hands back: the report of an ingest, and the numbers of a dataset."""

from __future__ import annotations

from studio.records.base import Record
from studio.records.photo import Dataset, Finding, Photo


class FileFinding(Record):
    """What happened to a file that did not simply become a photo. `file_name` is data: escape it before showing."""

    file_name: str
    finding: Finding


class Layout(Record):
    """A folder named `<repeats>_<trigger> <class>`, as the common trainers lay out their data."""

    repeats: int
    trigger_token: str
    class_word: str = ""


class IngestReport(Record):
    """What came of one ingest.

    Attributes:
        photos: the photos that were added, in the order they were read.
        files: files that were refused, skipped or left out, each with its reason.
        layouts: trainer folders that were recognised.
    """

    dataset: Dataset
    photos: tuple[Photo, ...] = ()
    files: tuple[FileFinding, ...] = ()
    layouts: tuple[Layout, ...] = ()

    @property
    def refused(self) -> tuple[FileFinding, ...]:
        """The files that could not be used."""
        return tuple(f for f in self.files if f.finding.level == "refused")

    @property
    def warnings(self) -> int:
        """Warnings on the photos that were added."""
        return sum(f.level == "warning" for photo in self.photos for f in photo.findings)

    def sentence(self) -> str:
        """One line for a person."""
        others = len(self.files) - len(self.refused)
        return (
            f"{len(self.photos)} photos added to {self.dataset.name} with {self.warnings} warnings; "
            f"{len(self.refused)} files refused, {others} left out."
        )


class DatasetStatistics(Record):
    """A dataset in numbers, with advice in words."""

    photos: int
    train: int
    held_out: int
    captioned: int
    rights_cleared: int
    licences: dict[str, int]
    """Licence text -> photos; photos without one stand under the empty text."""
    findings: dict[str, int]
    """Code of a check -> photos on which it warns."""
    sizes: dict[str, int]
    """`768x1024` -> photos."""
    buckets: dict[str, int] = {}
    """Size that training crops photos to -> photos, the commonest first."""
    base: str = ""
    """The base whose sizes those are."""
    unknown_words: dict[str, int]
    """Words in captions that the base's grammar does not know -> captions, the commonest first."""
    near_duplicate_groups: tuple[tuple[str, ...], ...]
    """Ids of photos that show nearly the same."""
    advice: tuple[str, ...]
