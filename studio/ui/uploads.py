"""Files that people gave to the page: where Gradio put them, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from gradio.utils import get_upload_folder

from studio.errors import InputError


def uploaded(path: str) -> Path:
    """A path that the page names, if it is a file that Gradio took up; no other file of the disk is read for a page.

    Raises:
        InputError: any other path.
    """
    folder, found = Path(get_upload_folder()).resolve(), Path(path).resolve()
    if not found.is_relative_to(folder) or not found.is_file():
        raise InputError("This file was not uploaded here.", "Drop it again.")
    return found
