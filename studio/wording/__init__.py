"""The caption grammar shared by renderer, labelling and generation: attributes to words and back.

One grammar for all three, because croquis understands exactly the words that its pictures were captioned with.
"""

from __future__ import annotations

from types import ModuleType
from typing import Literal

from studio.records.attributes import FigureAttributes
from studio.records.look import Look
from studio.wording import en, ja
from studio.wording.grammar import HELD_OUT_PHRASINGS, fill, stated
from studio.wording.parse import VOCABULARY, parse, unknown_words

__all__ = ["HELD_OUT_PHRASINGS", "VOCABULARY", "Language", "caption", "parse", "prompt", "stated", "unknown_words"]

Language = Literal["en", "ja"]
_GRAMMARS: dict[Language, ModuleType] = {"en": en, "ja": ja}


def caption(
    attributes: FigureAttributes,
    *,
    phrasing: int = 0,
    language: Language = "en",
    trigger: str = "",
    keep: frozenset[str] | None = None,
) -> str:
    """A sentence that states what the picture shows.

    Args:
        phrasing: 0 is the usual wording; each number is a wording of its own, from 8 on drawn with the number as
            seed. Numbers in `HELD_OUT_PHRASINGS` are for judging, never for training.
        trigger: put in front, as `prompt` does.
        keep: names of the attributes to state (see `stated`); None states all.

    Raises:
        ValueError: `phrasing` is negative.
    """
    grammar = _GRAMMARS[language]
    template, pick = grammar.TEMPLATES.choose(phrasing)
    text = fill(template, grammar.slots(stated(attributes, keep), pick))
    return f"{trigger}, {text}" if trigger else text


def prompt(look: Look, *, action: str = "", view: str = "", trigger: str = "") -> str:
    """The generation prompt of a look in the grammar of `caption`.

    Parts that are None or empty are left out; the garment is kept as it was written, and so are an action or a view
    that the grammar does not list. The trigger token goes in front unless the garment's text already has it.
    """
    said = {name: value for name, value in look.model_dump(exclude={"name", "garment"}).items() if value is not None}
    template, pick = en.TEMPLATES.choose(0)
    slots = en.slots(said, pick)
    slots["outfit"] = look.garment.strip()
    slots["action"] = pick(en.ACTION[action]) if action in en.ACTION else action
    slots["view"] = pick(en.VIEW[view]) if view in en.VIEW else view
    text = fill(template, slots)
    named = trigger.lower() in look.garment.lower().replace(",", " ").split()
    return text if not trigger or named else f"{trigger}, {text}"
