"""The trigger token: a made-up word that the base has no meaning for, so that only the brand model gives it one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path

from studio.errors import Fault, FaultsError
from studio.wording import VOCABULARY

_SHAPE = re.compile(r"^[a-z][a-z0-9]{2,15}$")
_CONSONANTS = "bcdfghjkmnpqrstvwxz"


def check_trigger(token: str, tokenizer_words: Collection[str] = ()) -> None:
    """Accept a trigger token or say everything that is wrong with it.

    Args:
        tokenizer_words: whole words that the base's tokenizer knows, as `tokenizer_words` reads them.

    Raises:
        FaultsError: its shape, or a word of the captions or of the tokenizer that it collides with.
    """
    faults = []
    if not _SHAPE.match(token):
        faults.append(Fault(repr(token), "must be 3 to 16 lower-case letters and digits, beginning with a letter."))
    lowered = token.lower()
    if clash := _clash(lowered, VOCABULARY):
        faults.append(Fault(repr(token), f"collides with the caption word {clash!r}."))
    elif clash := _clash(lowered, tokenizer_words):
        faults.append(Fault(repr(token), f"collides with {clash!r}, a word that the base already knows."))
    if faults:
        raise FaultsError("Trigger token", faults, f"Take a made-up word, for example {suggest_trigger(token)!r}.")


def suggest_trigger(name: str, tokenizer_words: Collection[str] = ()) -> str:
    """A free token for a dataset's name, always the same one: its consonants and a few more."""
    letters = [c for c in name.lower() if c in _CONSONANTS][:3]
    for attempt in range(100):
        digest = hashlib.sha256(f"{name}/{attempt}".encode("utf-8", "backslashreplace")).digest()
        token = "".join(letters) + "".join(_CONSONANTS[b % len(_CONSONANTS)] for b in digest[: 6 - len(letters)])
        if not _clash(token, VOCABULARY) and not _clash(token, tokenizer_words):
            break
    return token


def tokenizer_words(base_folder: Path) -> frozenset[str]:
    """Whole words of a base's CLIP tokenizer (`tokenizer/vocab.json`); empty where there is none."""
    path = base_folder / "tokenizer" / "vocab.json"
    if not path.is_file():
        return frozenset()
    tokens = json.loads(path.read_text(encoding="utf-8"))
    return frozenset(word for token in tokens if (word := token.removesuffix("</w>")) != token and len(word) > 2)


def _clash(token: str, words: Collection[str]) -> str:
    """The word that equals the token, hyphens and a plural s aside; empty when there is none."""
    if token in words:
        return token
    for word in words:
        parts = {word, word.replace("-", ""), *word.split("-")}
        if token in parts or token.removesuffix("s") in parts:
            return word
    return ""
