"""Reads a caption back: attributes from words, and words that no base of the grammar knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from studio.wording import en, ja
from studio.wording.grammar import Forms

_STOP = r"(?!(?:a|an|and|with|of|in|on|the|against|to)\b)"
# From a word's beginning and not far: the time to read a long text must not grow with its square.
_WORDS = rf"(?<![\w/'-])(?:{_STOP}[\w/'-]+ ){{0,6}}"
_SIGNS = "[^、,。]{0,40}"
_NON_ASCII_LETTER = re.compile(r"[^\W\d_a-zA-Z]")


def _merged(*tables: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Value -> all its forms in any of the tables."""
    values = dict.fromkeys(value for table in tables for value in table if value)
    return {value: tuple(form for table in tables for form in table.get(value, ())) for value in values}


def _bare_ages() -> Forms:
    """English ages without the pronoun."""
    return {age: tuple(form.replace("in {} ", "") for form in forms) for age, forms in en.AGE.items()}


_HEMS_EN = _merged(en.HEM, en.TROUSERS)
_PLACES_EN = {value: (*forms, value, *en.COLOUR.get(value, ())) for value, forms in en.BACKGROUND.items()}
_PLACES_JA = {value: (*forms, *ja.COLOUR.get(value, ())) for value, forms in ja.BACKGROUND.items()}

# One scope after the other: its pattern fences in the words that belong together ("long" of hair or of sleeves,
# "grey" of a skirt or of the wall). What a scope has read is taken out before the next one looks.
_Scope = tuple[str, dict[str, Forms]]
_SCOPES_EN: tuple[_Scope, ...] = (
    (rf"{_WORDS}hair\b", {"hair": en.HAIR, "hair_colour": en.HAIR_COLOUR}),
    (rf"{_WORDS}(?:skin|complexion)\b", {"skin": en.SKIN}),
    (rf"{_WORDS}(?:background|backdrop|wall|street|park|room)\b", {"background": _PLACES_EN}),
    (
        rf"{_WORDS}(?:trousers|pants|slacks|shorts|skirt)\b",
        {
            "garment": {"trousers": ("trousers", "pants", "slacks", "shorts"), "skirt": ("skirt",)},
            "hem": _HEMS_EN,
            "lower_colour": en.COLOUR,
        },
    ),
    (
        r".+",
        {
            "age_group": _bare_ages(),
            "gender": {"woman": (*en.PERSON["woman"], "female"), "man": (*en.PERSON["man"], "male")},
            "body": en.BODY,
            "garment": {"dress": en.DRESS},
            "sleeve": _merged(en.SLEEVE_ADJECTIVE, en.SLEEVE_NOUN),
            "neckline": _merged(en.NECKLINE_ADJECTIVE, en.NECKLINE_NOUN),
            "hem": en.HEM,
            "fabric": en.FABRIC,
            "colour": en.COLOUR,
            "view": en.VIEW,
            "action": en.ACTION,
        },
    ),
)
_SCOPES_JA: tuple[_Scope, ...] = (
    (rf"{_SIGNS}(?:髪|ヘア)", {"hair": ja.HAIR, "hair_colour": ja.HAIR_COLOUR}),
    (rf"{_SIGNS}肌", {"skin": ja.SKIN}),
    (rf"{_SIGNS}背景|街角|公園|室内", {"background": _PLACES_JA}),
    (
        r"[^、,。と]{0,40}(?:パンツ|ズボン|短パン|スカート)",
        {
            "garment": {"trousers": ("パンツ", "ズボン", "短パン"), "skirt": ("スカート",)},
            "hem": _merged(ja.HEM, ja.TROUSERS),
            "lower_colour": ja.COLOUR,
        },
    ),
    (
        r".+",
        {
            "age_group": ja.AGE,
            "gender": {"woman": ja.PERSON["woman"], "man": ja.PERSON["man"]},
            "body": ja.BODY,
            "garment": {"dress": ja.DRESS},
            "sleeve": ja.SLEEVE,
            "neckline": ja.NECKLINE,
            "hem": ja.HEM,
            "fabric": ja.FABRIC,
            "colour": ja.COLOUR,
            "view": ja.VIEW,
            "action": ja.ACTION,
        },
    ),
)


def parse(text: str) -> dict[str, str]:
    """The attributes that a caption states, as far as its words are in the grammar (English or Japanese).

    Returns:
        attribute name -> value; what is not recognised is missing. A dress has its colour as `lower_colour` too.
    """
    text = " ".join(text.lower().split())
    japanese = re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", text) is not None
    found: dict[str, str] = {}
    for pattern, attributes in _SCOPES_JA if japanese else _SCOPES_EN:
        for match in re.findall(pattern, text):
            for name, forms in attributes.items():
                value = _read(match, forms)
                if value is not None:
                    found.setdefault(name, value)
        text = re.sub(pattern, "|", text)
    if found.get("garment") == "dress" and "colour" in found:
        found["lower_colour"] = found["colour"]
    return found


def _read(text: str, forms: Forms) -> str | None:
    """The value whose form stands in the text; the longest form wins ("navy-blue" over "blue")."""
    pairs = ((form.lower(), value) for value, ways in forms.items() for form in ways)
    for form, value in sorted(pairs, key=lambda pair: -len(pair[0])):
        if _NON_ASCII_LETTER.search(form):
            if form in text:
                return value
        elif re.search(rf"(?<![\w-]){re.escape(form)}(?![\w-])", text):
            return value
    return None


def _vocabulary() -> frozenset[str]:
    """Every word that the grammar can write; Japanese in the pieces in which it is put together."""
    texts = [en.TEMPLATES.leads(), *en.SINGLE_WORDS, *ja.SINGLE_WORDS]
    texts += [form.replace("{}", "") for table in (*en.FORMS, *ja.FORMS) for ways in table.values() for form in ways]
    texts += [lead for lead in ja.TEMPLATES.leads().split() if lead.strip("、")]
    return frozenset(word.strip(",.") for text in texts for word in text.lower().split() if word.strip(",."))


VOCABULARY = _vocabulary()
"""Words of the caption grammar, lower case. A trigger token must not be one of them."""


@cache
def _japanese_words() -> re.Pattern[str]:
    words = sorted((word for word in VOCABULARY if _NON_ASCII_LETTER.search(word)), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, words)))


def unknown_words(text: str, trigger: str = "") -> list[str]:
    """Words outside the grammar, each once, in the order of the text; the trigger token is not one of them.

    Japanese has no spaces: what the grammar's words leave over counts as unknown.
    """
    text = text.lower()
    if trigger:
        text = re.sub(rf"(?<!\w){re.escape(trigger.lower())}(?!\w)", " ", text)
    rest = re.findall(r"[\w][\w/'-]*", _japanese_words().sub(" ", text))
    unknown = (word for word in rest if not ({word} <= VOCABULARY or set(word.split("-")) <= VOCABULARY))
    return list(dict.fromkeys(unknown))
