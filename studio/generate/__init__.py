"""Generate: requests in, variants out. Nothing here imports torch before the first picture is drawn."""

from studio.generate.draft import DraftService
from studio.generate.matrix import framing_for, matrix
from studio.generate.pictures import Preview, Watch
from studio.generate.plan import Batch, plan
from studio.generate.png import restore, to_png
from studio.generate.preview import PreviewDesk, quick
from studio.generate.prompts import positive
from studio.generate.service import GenerateService

__all__ = [
    "Batch",
    "DraftService",
    "GenerateService",
    "Preview",
    "PreviewDesk",
    "Watch",
    "framing_for",
    "matrix",
    "plan",
    "positive",
    "quick",
    "restore",
    "to_png",
]
