"""The tokenizer of croquis: CLIP's byte-level BPE, trained on captions of the grammar in English and Japanese.

    python -m foundry.tokenizer --out DIR

All 256 bytes are in the vocabulary, inside a word and at its end, so any Unicode text has tokens of its own and
nothing becomes "unknown" (which in CLIP is the end-of-text token and would cut the caption off).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import pre_tokenizers, trainers
from transformers import CLIPTokenizer

from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes
from studio.wording import VOCABULARY, Language, caption

VOCABULARY_SIZE = 2048
MAX_LENGTH = 77
"""Tokens with start and end, CLIP's own number: at 64, 4 full English captions of 1,000 would be cut off."""
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"
_MIN_FREQUENCY = 100
"""Lies between how often two Japanese words meet in `corpus` (below 20) and how often each occurs (1,600)."""
_TRIGGER_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def random_attributes(rng: random.Random) -> FigureAttributes:
    """Attributes drawn evenly; a dress has one colour."""
    values = {name: rng.choice(options) for name, options in ATTRIBUTE_VALUES.items()}
    if values["garment"] == "dress":
        values["lower_colour"] = values["colour"]
    return FigureAttributes.model_validate(values)


def random_language(rng: random.Random) -> Language:
    """English more often, because more of its wordings exist."""
    return "ja" if rng.random() < 0.4 else "en"


def random_trigger(rng: random.Random) -> str:
    """A made-up word such as people choose for a trigger token."""
    return "".join(rng.choice(_TRIGGER_LETTERS) for _ in range(rng.randint(3, 7)))


def captions(count: int, seed: int = 0) -> Iterator[str]:
    """`count` full captions in both languages with phrasings that training may use."""
    rng = random.Random(seed)
    for _ in range(count):
        yield caption(random_attributes(rng), phrasing=rng.randrange(1_000_000), language=random_language(rng))


def corpus(seed: int = 0, *, english: int = 20_000, each_word: int = 1_600) -> Iterator[str]:
    """What the merges are learnt from: English captions, and the Japanese words of the grammar in random rows.

    Japanese has no spaces, so captions would teach tokens that run across words ("dots with short sleeves" as one).
    In random rows every neighbourhood is rare, and merges stop where words do.
    """
    rng = random.Random(seed)
    words = sorted(word for word in VOCABULARY if not word.isascii())
    for _ in range(english):
        yield caption(random_attributes(rng), phrasing=rng.randrange(1_000_000))
    for _ in range(each_word * len(words) // 8):
        yield "".join(rng.choices(words, k=8)) + "、"


def train_tokenizer(
    texts: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE, max_length: int = MAX_LENGTH
) -> CLIPTokenizer:
    """Learn the merges from `texts` and build the tokenizer.

    Ids follow CLIP: bytes, bytes at a word's end, merges, start of text, end of text. The end of text has the highest
    id and pads as well, so `CLIPTextModel` finds it by id and by argmax alike.
    """
    backend = CLIPTokenizer().backend_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            min_frequency=_MIN_FREQUENCY,
            initial_alphabet=alphabet,
            end_of_word_suffix=_WORD_END,
            show_progress=False,
        ),
    )
    learnt: Sequence[Sequence[str]] = json.loads(backend.to_str())["model"]["merges"]
    # The trainer adds a byte with a word's end only where it met one; here all are in, and merges fill the rest.
    tokens = [*alphabet, *(letter + _WORD_END for letter in alphabet)]
    merges = [(left, right) for left, right in learnt][: vocabulary_size - len(tokens) - 2]
    tokens += [left + right for left, right in merges]
    vocabulary = {token: index for index, token in enumerate([*tokens, BOS, EOS])}
    # Annotated for strings, but the backend takes pairs, and its own loader passes pairs.
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=max_length)  # type: ignore[arg-type]


def length_statistics(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> dict[str, float]:
    """Token counts of `texts` with start and end, and the share that does not fit `model_max_length`."""
    lengths = sorted(len(ids) for ids in tokenizer(list(texts), truncation=False)["input_ids"])
    return {
        "mean": sum(lengths) / len(lengths),
        "p99": lengths[int(0.99 * (len(lengths) - 1))],
        "max": lengths[-1],
        "share_too_long": sum(length > tokenizer.model_max_length for length in lengths) / len(lengths),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, save in the folder layout of diffusers, print the length statistics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the tokenizer")
    options = parser.parse_args(arguments)
    tokenizer = train_tokenizer(corpus())
    tokenizer.save_pretrained(options.out)
    print(json.dumps({"vocabulary": len(tokenizer)} | length_statistics(tokenizer, list(captions(5_000, seed=1)))))


if __name__ == "__main__":
    main()
