"""Pictures that requests name: held against the studio's limits, and kept in the file store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.measure.pictures import encode_png, open_picture

if TYPE_CHECKING:
    from studio.settings import Settings
    from studio.store import Store


def keep_picture(store: Store, settings: Settings, path: Path) -> str:
    """Keep a picture in the file store. Returns the sha256 by which requests name it.

    Byte for byte, unless it had to be turned or converted to be read: then as a PNG of what was read, so that a mask
    that is painted on it fits.

    Raises:
        InputError: it is not there, or no picture that can be used.
        ResourceError: no room on the disk.
    """
    opened = open_picture(path, max_pixels=settings.max_image_pixels, max_bytes=settings.max_upload_bytes)
    if not opened.notes:
        return store.files.put_file(path)
    return store.files.put_bytes(encode_png(opened.image), ".png")
