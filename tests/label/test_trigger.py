"""Trigger tokens: made-up words only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.errors import FaultsError
from studio.label.trigger import check_trigger, suggest_trigger, tokenizer_words
from studio.wording import VOCABULARY


@pytest.mark.parametrize("token", ["qvzkdr", "sksbrand", "ohwx", "brand2024"])
def test_made_up_words_pass(token: str) -> None:
    check_trigger(token, frozenset({"cotton"}))


@pytest.mark.parametrize("token", ["dress", "navy", "crew", "skirts", "halfsleeved", "front"])
def test_words_of_captions_collide(token: str) -> None:
    with pytest.raises(FaultsError, match="collides with the caption word"):
        check_trigger(token)


def test_every_word_of_the_vocabulary_collides_or_is_misshapen() -> None:
    for word in VOCABULARY:
        with pytest.raises(FaultsError):
            check_trigger(word)


def test_words_of_the_tokenizer_collide() -> None:
    with pytest.raises(FaultsError, match="already knows"):
        check_trigger("cotton", frozenset({"cotton"}))


@pytest.mark.parametrize(
    "token", ["", "ab", "Qvzkdr", "two words", "1abc", "x" * 17, "a-b-c", "日本語", "$(id)", "qv\0z"]
)
def test_other_shapes_are_refused_with_a_proposal(token: str) -> None:
    with pytest.raises(FaultsError, match="for example"):
        check_trigger(token)


@pytest.mark.parametrize("name", ["summer", "夏", "x", "Dress", "\udcff"])
def test_proposals_are_free_and_always_the_same(name: str) -> None:
    check_trigger(suggest_trigger(name))
    assert suggest_trigger(name) == suggest_trigger(name)
    assert suggest_trigger(name, {suggest_trigger(name)}) != suggest_trigger(name)


def test_whole_words_are_read_from_a_clip_vocabulary(tmp_path: Path) -> None:
    assert tokenizer_words(tmp_path) == frozenset()
    (tmp_path / "tokenizer").mkdir()
    vocabulary = {"cotton</w>": 0, "cot": 1, "a</w>": 2, "<|endoftext|>": 3}
    (tmp_path / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    assert tokenizer_words(tmp_path) == {"cotton"}
