"""File names from outside are data: kept as they came, never a path, shown without the power to mislead."""

from __future__ import annotations

from pathlib import Path


def as_data(name: str) -> str:
    """The name as storable text: bytes that were no UTF-8 on disk become `\\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def shown(name: str, limit: int = 80) -> str:
    """The name for a message: control characters and changes of writing direction spelt out, long names cut."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in as_data(name))
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 2 :]}"


def suffix_of(name: str) -> str:
    """Lower-case suffix with its dot; empty without one."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def file_name(path: Path) -> str:
    """The last part of a path as data."""
    return as_data(path.name)
