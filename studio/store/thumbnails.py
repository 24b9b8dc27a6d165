"""Small WebP versions of stored pictures, made once and kept under `thumbnails/` of the home.

Whoever stores a picture that a grid will show makes its thumbnail too, so that a grid of hundreds never waits.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path

from PIL import Image, ImageOps

from studio.errors import InputError, StudioError
from studio.store.files import FileStore, write_atomic

SIDE_PX = 256
"""Longest side. 300 of them weigh about 1.5 MB together, where the originals weigh 19 MB."""
QUALITY = 82
_LOG = logging.getLogger(__name__)


class Thumbnails:
    """Thumbnails of one file store."""

    def __init__(self, files: FileStore, root: Path) -> None:
        self._files, self._root = files, root

    def path(self, sha256: str, crop_px: tuple[int, int, int, int] | None = None) -> Path:
        """Where the thumbnail of a stored picture lies; it is made when it is asked for the first time.

        Args:
            crop_px: left, top, right, bottom in the upright picture; None: all of it.

        Raises:
            NotFoundError: no such picture.
            InputError: the stored file is no picture, or the crop lies outside it.
        """
        source = self._files.path(sha256)
        name = sha256 if crop_px is None else f"{sha256}-{'-'.join(map(str, crop_px))}"
        target = self._root / sha256[:2] / f"{name}.webp"
        if not target.is_file():
            write_atomic(target, self._make(source, crop_px))
        return target

    def prepare(self, sha256: str) -> None:
        """Make the thumbnail of a picture beforehand. Where that fails, the work goes on that stored the picture: the
        thumbnail is made when it is asked for.
        """
        try:
            self.path(sha256)
        except (StudioError, OSError) as error:
            _LOG.warning("no thumbnail of %s yet: %s", sha256, error)

    def _make(self, source: Path, crop_px: tuple[int, int, int, int] | None) -> bytes:
        try:
            with Image.open(source) as opened:
                if crop_px is None:
                    opened.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))  # a JPEG is decoded at a fraction of its size
                image = ImageOps.exif_transpose(opened)
                if crop_px:
                    image = image.crop(_inside(crop_px, *image.size))
                image = image.convert("RGB")
                image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
        except (OSError, Image.DecompressionBombError) as error:
            raise InputError(f"{source.name} is no picture that can be shown.", "Restore it from a backup.") from error
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=QUALITY, method=4)
        return buffer.getvalue()


def _inside(crop_px: tuple[int, int, int, int], width_px: int, height_px: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = crop_px
    if not (0 <= left < right <= width_px and 0 <= top < bottom <= height_px):
        raise InputError(f"The crop {crop_px} does not lie in a picture of {width_px}x{height_px}.", "Crop inside it.")
    return crop_px
