"""The label stage: photos are taken in, checked, captioned, given rights and split."""

from studio.label.report import DatasetStatistics, FileFinding, IngestReport, Layout
from studio.label.service import LabelService

__all__ = ["DatasetStatistics", "FileFinding", "IngestReport", "LabelService", "Layout"]
