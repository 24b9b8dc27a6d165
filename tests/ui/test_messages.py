"""The catalogue of what services say: nothing that can be said is missing, and both languages fill in the same."""

from __future__ import annotations

import ast
import re

from studio.presets import Presets
from studio.ui.page import head
from studio.ui.words import all_messages
from tests.ui.message_source import ROOT, spoken, templates, texts

PLACE = re.compile(r"\{(\w+)!?\}")
ASSEMBLED = frozenset({
    "{} is cropped away at {}.{}", "{} of the subject is {}", "{} Nothing is upscaled here.", "{}; {} answers for it",
    "a HEIC, AVIF or video file", "{} is {}.", "The model folder {} was refused:\n{}", "looks like a copy of",
    "nearest is", "{} training photo {} ({} of 64 hash bits differ)",
})  # fmt: skip
"""Parts of longer messages: the catalogue holds what is made of them."""
FOR_SHOPS = frozenset({"worn by {}", "This picture was generated with AI."})
"""Written into packages, in the shop's language."""


def known() -> set[str]:
    return {PLACE.sub("{}", english) for english, _ in all_messages()}


def forms(template: str) -> tuple[str, ...]:
    """How the catalogue may hold a template: with its full stop, behind a file's name, as the head of a list of faults,
    and as the end of the two sentences that checks and measurements begin."""
    return (
        template, f"{template}.", f"{{}} {template}.", f"{template}: {{}} to mend",
        f"{{}} of the subject is {template}", f"not measured: {template}",
    )  # fmt: skip


def test_everything_that_services_can_say_has_its_japanese() -> None:
    english, apart = known(), ASSEMBLED | FOR_SHOPS
    lacking = [t for t in templates() if t.text not in apart and not english.intersection(forms(t.text))]
    assert not lacking, "add to studio/ui/words/messages/: " + "; ".join(f"{t.place}: {t.text!r}" for t in lacking)


def test_the_exceptions_are_still_in_the_source() -> None:
    assert {template.text for template in templates()} >= ASSEMBLED | FOR_SHOPS


def test_both_languages_fill_in_the_same_and_no_message_stands_twice() -> None:
    pairs = all_messages()
    for english, japanese in pairs:
        places = {name for name in PLACE.findall(english) if not name.startswith("_")}
        assert places == set(PLACE.findall(japanese)), english
    assert len({english for english, _ in pairs}) == len(pairs)


def test_what_the_shipped_presets_say_of_themselves_has_its_japanese() -> None:
    presets = Presets(ROOT / "presets", ROOT / "brand_models")
    said = {base.title for base in presets.bases().values()}
    said |= {values.source for training in presets.trainings().values() for values in training.bases.values()}
    for channel in presets.channels().values():
        said |= {*channel.human_checks, channel.refuses_generated} - {""}
    names = {*presets.poses(), *presets.looks()}
    said |= {name.replace("-", " ").capitalize() for name in names}
    sentences = {sentence for text in said for sentence in re.split(r"(?<=[.]) (?=[A-Z])", " ".join(text.split()))}
    english = {re.sub(r"\d{4}-\d{2}-\d{2}", "{day}", sentence) for sentence in sentences}
    assert english <= {english for english, _ in all_messages()}


def test_a_new_message_would_be_found_and_a_docstring_or_a_log_line_is_none() -> None:
    source = (
        'def f(name):\n    """A docstring that is not said."""\n'
        '    what = f"{name} is odd" if name else "has no name"\n'
        '    _LOG.info("a log line is not said.")\n'
        '    raise InputError(f"{name!r} cannot be used.", "Take another one.")\n'
    )
    found = {text for node in spoken(ast.parse(source), "label/new.py") for text in texts(node)}
    assert found == {"{} is odd", "has no name", "{} cannot be used.", "Take another one."}


def test_no_message_ends_the_script_that_carries_it() -> None:
    script = head()
    assert script.count("<script>") == script.count("</script>") == 1
    assert "__MESSAGES__" not in script
    assert "__WORDS__" not in script
