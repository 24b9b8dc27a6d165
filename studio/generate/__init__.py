"""Generate: requests in, variants out. Nothing here imports torch before the first picture is drawn."""

from studio.generate.matrix import framing_for, matrix
from studio.generate.pictures import Preview, Watch
from studio.generate.plan import Batch, plan
from studio.generate.png import restore, to_png
from studio.generate.prompts import positive
from studio.generate.service import GenerateService

__all__ = [
    "Batch",
    "GenerateService",
    "Preview",
    "Watch",
    "framing_for",
    "matrix",
    "plan",
    "positive",
    "restore",
    "to_png",
]
