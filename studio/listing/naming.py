"""File names by a channel's pattern: safe on every system, and the same for the same listing every time."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Mapping, Sequence

from studio.errors import Fault, FaultsError

FIELDS = ("sku", "channel", "slot", "index", "colourway", "brand", "variant")
"""What a pattern may name; `index` is the position from 1 and takes a format such as `{index:02d}`."""

MAX_STEM_BYTES = 100
"""Well under the 255 bytes of common file systems, so that folders and suffixes still fit."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Device names that Windows refuses as file names."""


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that names unknown fields or reaches into objects.

    Raises:
        FaultsError: naming every fault.
    """
    faults = []
    try:
        parts = [(name, spec or "") for _, name, spec, _ in string.Formatter().parse(pattern) if name is not None]
    except ValueError as error:
        raise FaultsError(f"File name pattern '{pattern}'", [Fault("pattern", f"{error}.")]) from error
    for name, spec in parts:
        if name not in FIELDS:
            faults.append(Fault(f"{{{name}}}", "is not a field.", f"Use {', '.join(FIELDS)}."))
        elif spec and (name != "index" or not (spec.isascii() and spec.rstrip("d").isdigit() and len(spec) <= 3)):
            faults.append(Fault(f"{{{name}:{spec}}}", "is no format that is taken here.", "Only {index:02d} and such."))
    if faults:
        raise FaultsError(f"File name pattern '{pattern}'", faults)


def safe_stem(text: str) -> str:
    """A file name without suffix: unicode normalised (NFKC), letters, digits and `._-` only, never a path.

    Letters of any script stay. A name that Windows reserves gets a `_` in front; an empty one becomes `picture`.
    """
    normal = unicodedata.normalize("NFKC", text)
    kept = "".join(c if c in "._-" or unicodedata.category(c)[0] in "LNM" else "-" for c in normal)
    while "--" in kept:
        kept = kept.replace("--", "-")
    while ".." in kept:
        kept = kept.replace("..", ".")
    stem = kept.strip(".-").encode()[:MAX_STEM_BYTES].decode(errors="ignore").rstrip(".-") or "picture"
    return f"_{stem}" if stem.split(".")[0].lower() in _RESERVED else stem


def file_names(pattern: str, rows: Sequence[Mapping[str, str | int]], suffix: str) -> list[str]:
    """One name per row, in order; a name taken before (case ignored) gets `-2`, `-3` and so on.

    Raises:
        FaultsError: the pattern is not one that is taken here.
    """
    check_pattern(pattern)
    taken: set[str] = set()
    names = []
    for row in rows:
        stem = safe_stem(pattern.format(**row))
        name, count = f"{stem}{suffix}", 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem}-{count}{suffix}"
        taken.add(name.casefold())
        names.append(name)
    return names
