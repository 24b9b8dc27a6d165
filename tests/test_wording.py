"""The caption grammar: every phrasing states what it should, and can be read back."""

from __future__ import annotations

import random

import pytest

from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes
from studio.records.look import Look
from studio.wording import (
    HELD_OUT_PHRASINGS,
    VOCABULARY,
    Language,
    caption,
    en,
    ja,
    parse,
    prompt,
    stated,
    unknown_words,
)

LANGUAGES: tuple[Language, ...] = ("en", "ja")
DRESSED = FigureAttributes(
    age_group="30s",
    gender="woman",
    body="slim",
    skin="tan",
    hair="long",
    hair_colour="brown",
    garment="dress",
    sleeve="short",
    neckline="v-neck",
    hem="knee",
    fabric="dots",
    colour="navy",
    lower_colour="navy",
    view="three-quarter",
    action="walking",
    background="grey",
)


def _random(rng: random.Random) -> FigureAttributes:
    values = {name: rng.choice(options) for name, options in ATTRIBUTE_VALUES.items()}
    if values["garment"] == "dress":
        values["lower_colour"] = values["colour"]
    return FigureAttributes.model_validate(values)


def test_usual_wording() -> None:
    assert caption(DRESSED) == (
        "a slim woman in her 30s with long brown hair and tan skin, wearing a knee-length navy polka-dot dress with "
        "short sleeves and a v-neck, walking, three-quarter view, plain grey background"
    )
    assert caption(DRESSED, language="ja") == (
        "30代の細身の女性、長い茶色い髪、小麦色の肌、膝丈の紺の水玉の半袖Vネックワンピース、歩いている、斜め前、グレーの背景"
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
def test_what_is_written_can_be_read_back(language: Language, held_out: bool) -> None:
    rng = random.Random(3)
    for number in range(400):
        keep = frozenset(name for name in ATTRIBUTE_VALUES if rng.random() < 0.6) if number % 2 else None
        attributes = _random(rng)
        phrasing = rng.choice(HELD_OUT_PHRASINGS) if held_out else rng.randrange(3_000)
        text = caption(attributes, phrasing=phrasing, language=language, keep=keep)
        assert parse(text) == stated(attributes, keep), text
        assert unknown_words(text) == [], text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_is_said_and_read(language: Language) -> None:
    for name, values in ATTRIBUTE_VALUES.items():
        for value in values:
            garment = "skirt" if name == "lower_colour" else DRESSED.garment
            changed = DRESSED.model_copy(update={"garment": garment, name: value})
            for phrasing in range(8):
                assert parse(caption(changed, phrasing=phrasing, language=language))[name] == value


@pytest.mark.parametrize(("hem", "words"), [
    ("mini", "black shorts"), ("knee", "black knee-length shorts"),
    ("midi", "black cropped trousers"), ("ankle", "black full-length trousers"),
])  # fmt: skip
def test_lengths_of_trousers(hem: str, words: str) -> None:
    attributes = DRESSED.model_copy(update={"garment": "trousers", "hem": hem, "lower_colour": "black"})
    assert f"a v-neck and {words}," in caption(attributes)


def test_phrasings_differ_and_repeat() -> None:
    english = {caption(DRESSED, phrasing=number) for number in range(8)}
    japanese = {caption(DRESSED, phrasing=number, language="ja") for number in range(8)}
    assert len(english) == 8
    assert len(japanese) >= 4
    assert caption(DRESSED, phrasing=12_345) == caption(DRESSED, phrasing=12_345)
    with pytest.raises(ValueError, match="phrasing"):
        caption(DRESSED, phrasing=-1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_phrasings_are_a_hundred_that_training_never_writes(language: Language) -> None:
    held_out = {caption(DRESSED, phrasing=number, language=language) for number in HELD_OUT_PHRASINGS}
    usual = {caption(DRESSED, phrasing=number, language=language) for number in range(5_000)}
    assert len(HELD_OUT_PHRASINGS) == 100
    assert len(held_out) >= 90
    assert not held_out & usual
    for grammar in (en, ja):
        assert not set(grammar.TEMPLATES.usual) & set(grammar.TEMPLATES.held_out)


def test_left_out_parts_leave_a_sentence() -> None:
    assert caption(DRESSED, keep=frozenset()) == "a person"
    assert caption(DRESSED, keep=frozenset({"colour"})) == "a person, wearing a navy outfit"
    assert caption(DRESSED, keep=frozenset({"hair_colour", "view"})) == "a person with brown hair, three-quarter view"
    assert caption(DRESSED, keep=frozenset({"garment", "gender"}), language="ja") == "女性、ワンピース"


def test_a_dress_has_one_colour_and_nothing_has_a_lower_colour_without_a_garment() -> None:
    assert stated(DRESSED, frozenset({"garment", "lower_colour"})) == {"garment": "dress"}
    assert stated(DRESSED, frozenset({"garment", "colour"}))["lower_colour"] == "navy"
    assert stated(DRESSED, frozenset({"lower_colour"})) == {}


def test_trigger_stands_in_front() -> None:
    assert caption(DRESSED, trigger="Kumo7").startswith("Kumo7, a slim woman")


def test_prompt_of_a_look() -> None:
    garment = "a knee-length navy dots dress with short sleeves"
    look = Look(name="office", garment=garment, age_group="60s", gender="woman", hair="short", background="park")
    text = prompt(look, action="hand-on-hip", view="back", trigger="kumo7")
    assert text == f"kumo7, a woman in her 60s with short hair, wearing {garment}, hand on hip, back view, in a park"
    assert parse(text) == {
        "age_group": "60s", "gender": "woman", "hair": "short", "garment": "dress", "sleeve": "short", "hem": "knee",
        "fabric": "dots", "colour": "navy", "lower_colour": "navy", "view": "back", "action": "hand-on-hip",
        "background": "park",
    }  # fmt: skip


def test_prompt_keeps_free_text_and_names_the_trigger_once() -> None:
    look = Look(name="brand", garment="a Kumo7, dress")
    assert prompt(look, action="jumping", view="", trigger="kumo7") == "a person, wearing a Kumo7, dress, jumping"
    assert prompt(Look(name="empty")) == "a person"


def test_words_that_the_grammar_does_not_know() -> None:
    assert unknown_words("kumo7, a sequined dress, a cardigan, Sequined", trigger="kumo7") == ["sequined", "cardigan"]
    assert unknown_words("kumo7, a dress") == ["kumo7"]
    assert unknown_words("紺の着物、女性") == ["着物"]
    assert unknown_words("$(rm -rf) \x00 💃") == ["rm", "rf"]
    assert unknown_words("") == []
    assert {"dress", "navy-blue", "ワンピース"} <= VOCABULARY
    assert all(word == word.lower() for word in VOCABULARY)


@pytest.mark.parametrize("text", ["", "   ", "nothing known", "💃", "a" * 5_000, "a " * 5_000, "、" * 5_000])
def test_parse_takes_anything(text: str) -> None:
    assert parse(text) == {}
