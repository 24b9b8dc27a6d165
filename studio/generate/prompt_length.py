"""How much of a prompt a base reads, asked of its tokenizer's file alone: without torch, in a millisecond."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from studio.models.architecture import Unread
from studio.models.families import FAMILIES
from studio.models.prompt_frame import PromptFrame

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from studio.presets import Presets


class _Reader(NamedTuple):
    """A tokenizer as its file was at `changed`, what it is given, and how many tokens of that are read."""

    changed: tuple[int, int]
    tokenizer: Tokenizer
    frame: PromptFrame
    limit: int


class PromptLengths:
    """Counts as the tokenizers of the bases do, begin and end of a text included. Safe to use from several threads."""

    def __init__(self, presets: Presets) -> None:
        self._presets = presets
        self._readers: dict[str, _Reader] = {}

    def too_long(self, base: str, text: str) -> Unread | None:
        """What of a text the base would not read; None when it reads all, or when only the job can tell.

        Raises:
            NotFoundError: no such base.
        """
        reader = self._reader(base)
        if reader is None:
            return None
        encoded = reader.tokenizer.encode(reader.frame.around(text))
        tokens = len(encoded.ids)
        if tokens <= reader.limit:
            return None
        return Unread(tokens, reader.limit, reader.frame.unread(text, encoded.offsets, reader.limit))

    def _reader(self, base: str) -> _Reader | None:
        """The base's tokenizer, read again when its file has changed; None where it has no such file."""
        folder = self._presets.base_folder(base) / "tokenizer"
        family = FAMILIES.get(self._presets.base(base).family)
        if family is None:
            return None
        try:
            status = (folder / "tokenizer.json").stat()
            changed = status.st_size, status.st_mtime_ns
            known = self._readers.get(base)
            if known is None or known.changed != changed:
                known = self._readers[base] = _read(folder, changed, family.frame)
        except Exception:  # the library raises nothing narrower; whoever loads the base tells in full what is wrong
            return None
        return known


def _read(folder: Path, changed: tuple[int, int], frame: PromptFrame) -> _Reader:
    from tokenizers import Tokenizer

    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    limit = frame.limit or int(config["model_max_length"])
    tokenizer = Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return _Reader(changed, tokenizer, frame, limit)
