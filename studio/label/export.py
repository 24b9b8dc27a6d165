"""A dataset as a folder in the common trainers' layout: `<repeats>_<trigger> <class>/name.png` with `name.txt`."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from studio.errors import ConflictError, InputError, ResourceError
from studio.label.rights import write_rights
from studio.measure.pictures import encode_png
from studio.records.photo import Photo
from studio.store import write_atomic

_CLASS = re.compile(r"^[a-z][a-z -]{0,39}$")
HELD_OUT_FOLDER = "held-out"


def export_dataset(
    photos: Sequence[Photo],
    picture_of: Callable[[Photo], Image.Image],
    folder: Path,
    *,
    trigger: str,
    class_word: str,
    repeats: int,
) -> Path:
    """Write photos (upright sRGB PNG without metadata), captions and `rights.yaml`; the folder appears whole.

    Held-out photos lie in `held-out/`, where trainers do not look. Files are named by the photos' ids.

    Raises:
        ConflictError: the folder exists and holds something.
        InputError: a class word or a number of repeats that does not fit into a folder name.
        ResourceError: the folder cannot be written.
    """
    if not _CLASS.match(class_word):
        raise InputError(f"The class word {class_word!r} does not fit a folder name.", "Take a word such as `person`.")
    if not 1 <= repeats <= 1000:
        raise InputError(f"Repeats must lie between 1 and 1000, not {repeats}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} exists already.", "Name a new or empty folder.")
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    try:
        _write(partial, photos, picture_of, f"{trigger} {class_word}".strip(), repeats)
        os.replace(partial, folder)
    except OSError as error:
        raise ResourceError(
            f"{folder} cannot be written: {error.strerror}.", "Check the path and the free space."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def export_zip(folder: Path, name: str, write: Callable[[Path], Path]) -> Path:
    """What `write` makes of a new folder, as one zip in an existing one; pictures are packed already, so it only
    bundles. `name` is what the dataset is called.
    """
    plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
    unpacked = folder / secrets.token_hex(4) / "export"
    unpacked.parent.mkdir(parents=True)
    try:
        write(unpacked)
        return Path(shutil.make_archive(str(folder / (plain or "dataset")), "zip", unpacked))
    finally:
        shutil.rmtree(unpacked.parent, ignore_errors=True)


def _write(
    root: Path, photos: Sequence[Photo], picture_of: Callable[[Photo], Image.Image], concept: str, repeats: int
) -> None:
    sides = {"train": root / f"{repeats}_{concept}", "held-out": root / HELD_OUT_FOLDER / f"1_{concept}"}
    for photo in photos:
        target = sides[photo.split]
        target.mkdir(parents=True, exist_ok=True)
        image = picture_of(photo)
        if photo.crop_px is not None:
            image = image.crop(photo.crop_px)
        write_atomic(target / f"{photo.id}.png", encode_png(image))
        write_atomic(target / f"{photo.id}.txt", f"{photo.caption}\n".encode())
    root.mkdir(parents=True, exist_ok=True)
    write_atomic(root / "rights.yaml", write_rights({f"{photo.id}.png": photo for photo in photos}))
