"""The text encoder of croquis: a small CLIPTextModel that learns to say which attributes a caption states.

    python -m foundry.text_encoder --steps 1200 --out DIR [--resume]

The UNet cross-attends to `last_hidden_state` (B, 77, 192), frozen, padding included. So that is what is trained: a
probe of one learned query per attribute attends over all positions, a second one sees only their mean, and each names
the value of every attribute, or "not stated". The probes are thrown away afterwards. A step depends on its number and
the seed alone, so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from foundry.tokenizer import (
    captions,
    corpus,
    length_statistics,
    random_attributes,
    random_language,
    random_trigger,
    train_tokenizer,
)
from studio.records.attributes import ATTRIBUTE_VALUES
from studio.wording import HELD_OUT_PHRASINGS, Language, caption, stated

_NAMES = tuple(ATTRIBUTE_VALUES)
_CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Recipe:
    """Settings of the pretraining; the defaults take about five minutes on one core that has nothing else to do."""

    steps: int = 1200
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_share: float = 0.08
    weight_decay: float = 0.01
    token_dropout: float = 0.05
    """Share of the words' tokens that vanish, in half of the captions."""
    bf16: bool = False
    """Autocast; worth it on CUDA, ten times slower on processors without bf16 arithmetic."""
    checkpoint_every: int = 250
    judged_per_phrasing: int = 20
    """Captions read back for each held-out phrasing, half of them Japanese."""
    layers: int = 2
    seed: int = 0


class Probe(nn.Module):
    """Reads every attribute from hidden states (B, L, C) in two ways: by attention and from the mean alone.

    Returns:
        Two tensors (B, 16, classes): logits over the values in their order and, last used, "not stated"; attributes
        with fewer values than the longest list leave their last columns at -inf.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        counts = [len(values) + 1 for values in ATTRIBUTE_VALUES.values()]
        self.queries = nn.Parameter(torch.randn(len(counts), width) * 0.02)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.read = nn.Parameter(torch.randn(len(counts), width, max(counts)) * width**-0.5)
        self.mean_read = nn.Linear(width, len(counts) * max(counts))
        unused = torch.arange(max(counts))[None] >= torch.tensor(counts)[:, None]
        self.register_buffer("unused", unused, persistent=False)
        self.unused: Tensor

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """hidden: (B, L, C)."""
        queries = self.queries.expand(len(hidden), -1, -1)
        seen = functional.scaled_dot_product_attention(queries, self.key(hidden), self.value(hidden))
        by_attention = torch.einsum("bqc,qcn->bqn", seen, self.read).float()
        from_mean = self.mean_read(hidden.mean(dim=1)).float().view_as(by_attention)
        hide = float("-inf")
        return by_attention.masked_fill(self.unused, hide), from_mean.masked_fill(self.unused, hide)


def new_text_encoder(tokenizer: CLIPTokenizer, layers: int = 2) -> CLIPTextModel:
    """Random weights in the shape that croquis uses; ids of start, end and padding are the tokenizer's."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_attention_heads=3,
        num_hidden_layers=layers,
        projection_dim=192,
        max_position_embeddings=tokenizer.model_max_length,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    return CLIPTextModel(config)


def targets(said: dict[str, str]) -> list[int]:
    """Class index per attribute; the index behind the last value means "not stated"."""
    return [
        ATTRIBUTE_VALUES[name].index(said[name]) if name in said else len(ATTRIBUTE_VALUES[name]) for name in _NAMES
    ]


def training_batch(tokenizer: CLIPTokenizer, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Ids (B, 77) and targets (B, 16) of a step; the same step always gives the same batch."""
    rng = random.Random(f"{recipe.seed} {step}")
    texts, labels = [], []
    for _ in range(recipe.batch_size):
        attributes, keep = random_attributes(rng), None
        if rng.random() < 0.5:
            share = rng.choice((0.0, 0.3, 0.6, 0.8, 0.9))
            keep = frozenset(name for name in _NAMES if rng.random() < share)
        trigger = random_trigger(rng) if rng.random() < 0.25 else ""
        phrasing = rng.randrange(1_000_000)
        text = caption(attributes, phrasing=phrasing, language=random_language(rng), trigger=trigger, keep=keep)
        said = stated(attributes, keep)
        texts.append(text if said or trigger else rng.choice((text, "")))  # the empty prompt of guidance
        labels.append(targets(said))
    rows = tokenizer(texts, truncation=True, max_length=tokenizer.model_max_length)["input_ids"]
    return _padded(tokenizer, [_thinned(ids, recipe, rng) for ids in rows]), torch.tensor(labels)


def _thinned(ids: list[int], recipe: Recipe, rng: random.Random) -> list[int]:
    if rng.random() < 0.5:
        return ids
    return [ids[0], *(token for token in ids[1:-1] if rng.random() >= recipe.token_dropout), ids[-1]]


def _padded(tokenizer: CLIPTokenizer, rows: Sequence[Sequence[int]]) -> Tensor:
    length, pad = tokenizer.model_max_length, int(tokenizer.pad_token_id)
    return torch.tensor([[*ids, *[pad] * (length - len(ids))] for ids in rows])


class Pretraining:
    """Text encoder, probe and optimiser of one run, and their checkpoint in `folder`."""

    def __init__(self, recipe: Recipe, tokenizer: CLIPTokenizer, folder: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.tokenizer, self.folder = recipe, tokenizer, folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = new_text_encoder(tokenizer, recipe.layers)
        self.model.to(self.device)  # type: ignore[arg-type]  # the decorated method loses its self
        self.probe = Probe(self.model.config.hidden_size).to(self.device)
        weights = [*self.model.parameters(), *self.probe.parameters()]
        self.optimizer = torch.optim.AdamW(weights, recipe.learning_rate, weight_decay=recipe.weight_decay)
        warmup = max(1, round(recipe.steps * recipe.warmup_share))
        self.schedule = torch.optim.lr_scheduler.SequentialLR(
            self.optimizer,
            [
                torch.optim.lr_scheduler.LinearLR(self.optimizer, 0.01, total_iters=warmup),
                torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, max(1, recipe.steps - warmup), eta_min=1e-6),
            ],
            milestones=[warmup],
        )
        self.step = 0

    def run(self) -> Iterator[tuple[int, float]]:
        """Train up to the last step; yields (steps done, loss) and writes checkpoints on the way."""
        self.model.train()
        while self.step < self.recipe.steps:
            loss = self._one_step()
            self.step += 1
            if self.step % self.recipe.checkpoint_every == 0 or self.step == self.recipe.steps:
                self.save_checkpoint()
            yield self.step, loss

    def _one_step(self) -> float:
        ids, labels = training_batch(self.tokenizer, self.recipe, self.step)
        ids, labels = ids.to(self.device), labels.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16):
            logits = self.probe(self.model(ids).last_hidden_state)
        losses = [functional.cross_entropy(each.flatten(0, 1), labels.flatten()) for each in logits]
        loss = torch.stack(losses).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def save_checkpoint(self) -> None:
        """Write the state to a temporary file, then move it into place."""
        buffer = io.BytesIO()
        state = {name: getattr(self, name).state_dict() for name in ("model", "probe", "optimizer", "schedule")}
        torch.save({"step": self.step, **state}, buffer)
        temporary = self.folder / f"{_CHECKPOINT}.part"
        with temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / _CHECKPOINT)

    def load_checkpoint(self) -> bool:
        """Take up the run where its checkpoint stands; False where there is none."""
        path = self.folder / _CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step = state["step"]
        for name in ("model", "probe", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        return True

    @torch.inference_mode()
    def accuracy(self, phrasings: Sequence[int], seed: int = 7) -> dict[str, dict[str, float]]:
        """Share of attributes read rightly from full and shortened captions, in fp32.

        Returns:
            "attention" and "mean" (which probe) -> attribute -> share, and "worst", "mean" over all attributes.
        """
        self.model.train(False)
        rng, per_phrasing = random.Random(seed), self.recipe.judged_per_phrasing
        hits = torch.zeros(2, len(_NAMES))
        for phrasing in phrasings:
            texts, labels = [], []
            for number in range(per_phrasing):
                attributes, language = random_attributes(rng), ("en", "ja")[number % 2]
                keep = None if number % 4 < 2 else frozenset(name for name in _NAMES if rng.random() < 0.8)
                texts.append(caption(attributes, phrasing=phrasing, language=_language(language), keep=keep))
                labels.append(targets(stated(attributes, keep)))
            rows = self.tokenizer(texts, truncation=True, max_length=self.tokenizer.model_max_length)["input_ids"]
            logits = self.probe(self.model(_padded(self.tokenizer, rows).to(self.device)).last_hidden_state)
            read = torch.stack([each.argmax(dim=-1).cpu() for each in logits])
            hits += (read == torch.tensor(labels)).float().sum(dim=1)
        shares = (hits / (len(phrasings) * per_phrasing)).tolist()
        return {way: _summary(row) for way, row in zip(("attention", "mean"), shares, strict=True)}


def _language(name: str) -> Language:
    return "ja" if name == "ja" else "en"


def _summary(shares: Sequence[float]) -> dict[str, float]:
    named = {name: round(share, 4) for name, share in zip(_NAMES, shares, strict=True)}
    return {**named, "worst": min(named.values()), "average": round(sum(shares) / len(shares), 4)}


def pretrain(
    recipe: Recipe, folder: Path, *, tokenizer: CLIPTokenizer | None = None, resume: bool = False
) -> dict[str, object]:
    """Tokenizer and text encoder into `folder/tokenizer` and `folder/text_encoder`, the report into `report.json`.

    Args:
        tokenizer: None trains one.
        resume: take tokenizer and checkpoint from the folder where they are there.

    Returns:
        The report: accuracy per attribute on held-out phrasings, parameters, token lengths, seconds.
    """
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    if resume and (folder / "tokenizer").exists():
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    else:
        tokenizer = tokenizer or train_tokenizer(corpus())
        tokenizer.save_pretrained(folder / "tokenizer")
    run = Pretraining(recipe, tokenizer, folder)
    if resume and run.load_checkpoint():
        print(f"going on from step {run.step}", flush=True)
    for step, loss in run.run():
        if step % 50 == 0:
            print(f"step {step}/{recipe.steps}  loss {loss:.4f}  {time.monotonic() - started:.0f} s", flush=True)
    trained_s = time.monotonic() - started
    run.model.save_pretrained(folder / "text_encoder")
    report: dict[str, object] = {
        "steps": recipe.steps,
        "seconds": round(trained_s),
        "parameters": run.model.num_parameters(),
        "vocabulary": len(tokenizer),
        "token_lengths": length_statistics(tokenizer, list(captions(5_000, seed=1))),
        "held_out_phrasings": run.accuracy(HELD_OUT_PHRASINGS),
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    return report


def main(arguments: Sequence[str] | None = None) -> None:
    """Pretrain from the command line and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--batch-size", type=int, default=Recipe.batch_size)
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--out", type=Path, required=True, help="folder for text_encoder/, tokenizer/ and the report")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the folder")
    parser.add_argument("--bf16", action="store_true", help="autocast, for CUDA")
    options = parser.parse_args(arguments)
    recipe = Recipe(
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        bf16=options.bf16,
    )
    print(json.dumps(pretrain(recipe, options.out, resume=options.resume), indent=2))


if __name__ == "__main__":
    main()
