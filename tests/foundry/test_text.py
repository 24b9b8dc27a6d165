"""Tokenizer and text encoder of croquis, trained for real at tiny size."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from foundry.text_encoder import Pretraining, Recipe, new_text_encoder, pretrain, targets, training_batch
from foundry.tokenizer import captions, corpus, length_statistics, random_attributes, train_tokenizer
from studio.records.attributes import ATTRIBUTE_VALUES
from studio.wording import stated

RECIPE = Recipe(steps=4, batch_size=4, checkpoint_every=2, layers=1, judged_per_phrasing=1)


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return train_tokenizer(corpus(english=3_000, each_word=200))


def test_saved_tokenizer_is_the_same(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    text = "kumo7, 紺の水玉のワンピース, a slim woman"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert loaded.model_max_length == 77
    assert len(loaded) <= 2_048


@pytest.mark.parametrize("text", ["zrxq7", "💃🏽", "Ω ñandú แมว", "x\u0301", "\x07\x00", "鬱", "'s <|endoftext|"])
def test_no_text_is_unknown(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenizer(text)["input_ids"]
    assert len(ids) > 2
    assert ids[0] == tokenizer.bos_token_id
    assert ids.index(tokenizer.eos_token_id) == len(ids) - 1, "the end of text stands at the end only"


def test_the_encoder_finds_the_end_by_id_and_by_argmax(tokenizer: CLIPTokenizer) -> None:
    batch = tokenizer(["a dress", "kumo7, 赤い"], padding="max_length", return_tensors="pt").input_ids
    ends = torch.tensor([len(tokenizer(text)["input_ids"]) - 1 for text in ("a dress", "kumo7, 赤い")])
    model = new_text_encoder(tokenizer, layers=1).eval()
    assert torch.equal(batch.argmax(dim=-1), ends)
    out = model(batch)
    torch.testing.assert_close(out.pooler_output, out.last_hidden_state[torch.arange(2), ends])
    assert out.last_hidden_state.shape == (2, 77, 192)


def test_length_statistics_count_start_and_end(tokenizer: CLIPTokenizer) -> None:
    statistics = length_statistics(tokenizer, ["", "a"])
    assert statistics["max"] == 3
    assert statistics["share_too_long"] == 0


def test_full_captions_fit_with_a_trigger_in_front(tokenizer: CLIPTokenizer) -> None:
    texts = [f"kumo7zx, {text}" for text in captions(2_000, seed=1)]
    assert length_statistics(tokenizer, texts)["share_too_long"] <= 0.001


def test_japanese_tokens_stop_where_words_do(tokenizer: CLIPTokenizer) -> None:
    ends, start = [], 0
    for word in (words := ("膝丈", "の", "紺", "の", "水玉", "の", "半袖", "ワンピース")):
        ends.append(start := start + len(word))
    spans = tokenizer("".join(words), add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert not [(left, right) for left, right in spans if any(left < end < right for end in ends)]


def test_targets_name_the_value_or_not_stated() -> None:
    attributes = random_attributes(random.Random(0))
    everything, nothing = targets(stated(attributes)), targets({})
    for index, (name, values) in enumerate(ATTRIBUTE_VALUES.items()):
        assert values[everything[index]] == getattr(attributes, name)
        assert nothing[index] == len(values)


def test_a_step_depends_on_its_number_alone(tokenizer: CLIPTokenizer) -> None:
    first, again = (training_batch(tokenizer, RECIPE, 3) for _ in range(2))
    assert all(torch.equal(left, right) for left, right in zip(first, again, strict=True))
    assert not torch.equal(first[0], training_batch(tokenizer, RECIPE, 4)[0])


def test_a_run_that_was_stopped_ends_with_the_same_weights(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    whole = Pretraining(RECIPE, tokenizer, tmp_path)
    list(whole.run())
    (tmp_path / "checkpoint.pt").unlink()

    stopped = Pretraining(RECIPE, tokenizer, tmp_path)
    assert not stopped.load_checkpoint()
    list(islice(stopped.run(), 3))  # the checkpoint stands at step 2
    resumed = Pretraining(RECIPE, tokenizer, tmp_path)
    assert resumed.load_checkpoint()
    assert resumed.step == 2
    list(resumed.run())
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name


def test_training_learns(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=40, batch_size=16, checkpoint_every=1_000)
    losses = [loss for _, loss in Pretraining(recipe, tokenizer, tmp_path).run()]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_pretraining_writes_what_diffusers_loads(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    report = pretrain(replace(RECIPE, steps=1), tmp_path, tokenizer=tokenizer)
    config = json.loads((tmp_path / "text_encoder" / "config.json").read_text())
    model = CLIPTextModel.from_pretrained(tmp_path / "text_encoder")
    loaded = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer")
    assert config["dtype"] == "float32"
    assert model.dtype == torch.float32
    assert config["hidden_act"] == "quick_gelu"
    assert config["vocab_size"] == len(loaded) == report["vocabulary"]
    assert config["eos_token_id"] == loaded.eos_token_id
    assert config["max_position_embeddings"] == loaded.model_max_length == 77
    held_out = report["held_out_phrasings"]
    assert isinstance(held_out, dict)
    assert set(held_out["attention"]) == {*ATTRIBUTE_VALUES, "worst", "average"}
