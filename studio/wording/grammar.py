"""What both languages of the caption grammar share: templates, the choice of synonyms, held-out phrasings.

A template is a row of `{lead slot}` pieces, e.g. `{subject}{ with features}{, view}`. A piece whose slot is empty
vanishes together with its lead, so a caption stays a sentence whatever is left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes

Said = Mapping[str, str]
"""Attribute name -> value, only those that the caption states."""
Pick = Callable[[Sequence[str]], str]
"""Takes one of several ways to say the same."""
Forms = Mapping[str, tuple[str, ...]]
"""Value -> the ways to say it; the first is the usual one."""

HELD_OUT_PHRASINGS = range(1_000_000, 1_000_100)
"""Phrasings for judging only: their templates never occur under any other phrasing, so training never sees them."""

_FIXED = 8
"""Phrasings below this number take the n-th synonym everywhere; from here on they are drawn by the number as seed."""
_PIECE = re.compile(r"\{([^{}]*?)([a-z]+)\}")


@dataclass(frozen=True)
class Templates:
    """Sentence orders of one language; `held_out` ones belong to `HELD_OUT_PHRASINGS`."""

    usual: tuple[str, ...]
    held_out: tuple[str, ...]

    def choose(self, phrasing: int) -> tuple[str, Pick]:
        """The template of a phrasing and its way to pick synonyms; the same number always gives the same.

        Raises:
            ValueError: `phrasing` is negative.
        """
        if phrasing < 0:
            raise ValueError(f"phrasing must be 0 or more, not {phrasing}")
        if phrasing < _FIXED:
            return self.usual[phrasing % len(self.usual)], lambda options: options[phrasing % len(options)]
        # The generator is local and seeded: it chooses words, it protects nothing.
        choice = random.Random(phrasing).choice
        return choice(self.held_out if phrasing in HELD_OUT_PHRASINGS else self.usual), choice

    def leads(self) -> str:
        """All words that templates bring along themselves."""
        return " ".join(lead for text in (*self.usual, *self.held_out) for lead, _ in _PIECE.findall(text))


def fill(template: str, slots: Mapping[str, str]) -> str:
    """Put the slots into the template; an empty slot takes its lead with it."""
    text = ""
    for index, (lead, slot) in enumerate(_PIECE.findall(template)):
        if slots[slot]:
            text += (lead if text or index == 0 else "") + slots[slot]
    return text


def stated(attributes: FigureAttributes, keep: frozenset[str] | None = None) -> dict[str, str]:
    """The attributes that a caption with `keep` states, in words of the records.

    A dress has one colour, so `lower_colour` is stated with `colour`; without a garment there is nothing to hang
    `lower_colour` on, and it is left out.
    """
    said: dict[str, str] = {
        name: value for name, value in attributes.model_dump().items() if keep is None or name in keep
    }
    said.pop("lower_colour", None)
    if said.get("garment") == "dress":
        if "colour" in said:
            said["lower_colour"] = said["colour"]
    elif "garment" in said and (keep is None or "lower_colour" in keep):
        said["lower_colour"] = attributes.lower_colour
    return {name: said[name] for name in ATTRIBUTE_VALUES if name in said}


def joined(*words: str, by: str = " ") -> str:
    """The non-empty words, joined."""
    return by.join(word for word in words if word)
