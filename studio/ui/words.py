"""The words of the page in English and Japanese, one file an area: `words/review.yaml` holds `approve: {en:, ja:}`.

A key is `area.name`, such as `review.approve`. Scripts say `t("review.approve")`, Python says `say("review.approve")`.
What services say has no keys: `words/messages/` holds their sentences as templates, and scripts say `plain(text)`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import yaml

LANGUAGES = ("en", "ja")
FOLDER = Path(__file__).parent / "words"


def _read(path: Path) -> Any:
    # By libyaml where PyYAML has it: all words take 0.03 s at every start instead of 0.47 s.
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def all_words() -> dict[str, dict[str, str]]:
    """Language -> key -> words."""
    found: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    for path in sorted(FOLDER.glob("*.yaml")):
        for name, texts in _read(path).items():
            for language in LANGUAGES:
                found[language][f"{path.stem}.{name}"] = texts[language]
    return found


@cache
def all_messages() -> tuple[tuple[str, str], ...]:
    """What services say: pairs of an English template and its Japanese, as `frame.yaml` explains them."""
    return tuple(
        (entry["en"], entry["ja"]) for path in sorted((FOLDER / "messages").glob("*.yaml")) for entry in _read(path)
    )


@cache
def translations() -> gr.I18n:
    """The words as Gradio takes them; the browser chooses the language."""
    # Gradio nests keys at dots, so they are written with underscores there.
    flat: Any = {
        language: {key.replace(".", "_"): text for key, text in words.items()}
        for language, words in all_words().items()
    }
    return gr.I18n(**flat)


def say(key: str) -> Any:
    """The words of a key, for labels of Gradio's own components. Raises KeyError."""
    all_words()["en"][key]
    return translations()(key.replace(".", "_"))
