"""Captions: written from a template, edited with a history that is never lost, read from `.txt` side files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from studio.errors import ConflictError, Fault, FaultsError, InputError
from studio.label.tables import read_table
from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes
from studio.records.look import Look
from studio.records.photo import CaptionRevision
from studio.records.product import Product
from studio.wording import caption, prompt

MAX_CHARACTERS = 2000
MAX_SIDE_FILE_BYTES = 64 * 1024
UNDO = "undo:"
"""Begins the author of a revision that takes the one before it back."""
_LOOK = ("age_group", "gender", "body", "skin", "hair", "hair_colour", "background")
_GARMENT = ("hem", "colour", "fabric", "garment")


def clean_caption(text: str) -> str:
    """A caption as it may be stored: one line, stripped at both ends; every other sign is literal.

    Raises:
        InputError: several lines, control characters, or too long.
    """
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"The caption has {len(text)} characters; the limit is {MAX_CHARACTERS}.", "Shorten it.")
    if len(text.splitlines()) > 1:
        raise InputError("The caption has several lines.", "Put it on one line.")
    if any(ord(c) < 32 or ord(c) == 127 or "\ud800" <= c <= "\udfff" for c in text):
        raise InputError("The caption holds control characters.", "Type it anew.")
    return text


def read_side_file(data: bytes, name: str) -> str:
    """The caption in a `.txt` side file.

    Raises:
        InputError: too large, not UTF-8, or no caption.
    """
    if len(data) > MAX_SIDE_FILE_BYTES:
        raise InputError(f"{name!r} is too large for a caption.", "Keep one line in it.")
    try:
        return clean_caption(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{name!r} is not UTF-8 text.", "Save it as UTF-8.") from error


def template_caption(trigger: str, product: Product | None = None, hints: Mapping[str, str] | None = None) -> str:
    """A first caption in the base's own words: trigger, product, and what is known of this photo.

    Args:
        hints: attribute name -> value (see `ATTRIBUTE_VALUES`). With all of them the caption states everything.
    """
    hints = hints or {}
    try:
        return caption(FigureAttributes.model_validate(dict(hints)), trigger=trigger)
    except ValidationError:
        pass
    garment = " ".join(hints[name] for name in _GARMENT if name in hints)
    if product is not None:
        garment = " ".join(f"{product.colourway} {product.name}".lower().split())
    if garment:
        garment = f"{'an' if garment[0] in 'aeiou' else 'a'} {garment}"
    look = Look.model_validate({"name": "photo", "garment": garment, **{n: hints[n] for n in _LOOK if n in hints}})
    return prompt(look, action=hints.get("action", ""), view=hints.get("view", ""), trigger=trigger)


def read_hints(data: bytes, name: str) -> dict[str, dict[str, str]]:
    """`hints.csv`: file name -> attribute -> value; columns are `file_name` and any attributes, empty cells allowed.

    Raises:
        FaultsError: every unknown column and every value that the base has no word for, with its line.
        InputError: not readable.
    """
    rows = read_table(data, name, ("file_name",))
    faults = [
        Fault(f"line 1, {column}", "is no attribute.", f"There are: {', '.join(ATTRIBUTE_VALUES)}.")
        for column in (rows[0].cells if rows else ())
        if column != "file_name" and column not in ATTRIBUTE_VALUES
    ]
    hints: dict[str, dict[str, str]] = {}
    for row in rows:
        given = {column: text for column, text in row.cells.items() if text and column in ATTRIBUTE_VALUES}
        faults += [
            Fault(f"line {row.line}, {column}", f"{text!r} is not one of {', '.join(ATTRIBUTE_VALUES[column])}.")
            for column, text in given.items()
            if text not in ATTRIBUTE_VALUES[column]
        ]
        hints[row.cells["file_name"]] = given
    if faults:
        raise FaultsError(f"Hints in {name!r}", faults)
    return hints


def standing(history: Sequence[CaptionRevision]) -> list[str]:
    """The captions that stand, oldest first: each undo takes back the last one that stood."""
    stack: list[str] = []
    for revision in history:
        if revision.author.startswith(UNDO):
            stack.pop()
        else:
            stack.append(revision.text)
    return stack


def before(history: Sequence[CaptionRevision]) -> str:
    """The caption that an undo brings back.

    Raises:
        ConflictError: there is none before the present one.
    """
    stack = standing(history)
    if len(stack) < 2:
        raise ConflictError("There is no earlier caption to go back to.", "Edit the caption instead.")
    return stack[-2]
