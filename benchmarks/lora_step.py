"""Seconds a LoRA step: the studio's trainer on kept encodings against a plain loop that encodes in every step, and
against diffusers' own script where its path is given.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.dreambooth import STARTED, ScriptRun, script_arm
from benchmarks.images import CACHE_BYTES, LIMIT
from benchmarks.pictures import presets_of
from benchmarks.plan import Plan
from benchmarks.results import Figure
from benchmarks.rounds import Case, Outcome, Work
from benchmarks.subject import main
from studio.errors import NotFoundError
from studio.models import ComponentKey, ModelCache, Registry
from studio.records.photo import Rights
from studio.records.training import TrainingConfig
from studio.train.cache import Encodings, Posterior
from studio.train.snapshot import TrainingItem

if TYPE_CHECKING:
    from studio.train.loop_trainer import EncodedPhoto

BATCHES = 2
"""Different batches; time does not depend on how many there are."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
PLAIN, STUDIO = "plain loop, encodes in every step", "studio's trainer, kept encodings"
SCRIPT = "train_dreambooth_lora.py"
COMPARES = "the loss of every step"
OWN_DRAWS = "the script draws noise, timesteps, crops and the start of its LoRA from torch's global generator."


def cases(plan: Plan, folder: Path) -> Sequence[Case]:
    """The same step twice; and the script's beside the studio's."""
    arms = {PLAIN: partial(plain_arm, plan), STUDIO: partial(studio_arm, plan, folder / "encodings")}
    return [
        Case("step", "One optimiser step", "step", plan.lora_steps, arms, COMPARES, LIMIT),
        script_case(plan, folder),
    ]


def script_case(plan: Plan, folder: Path) -> Case:
    """Both on square photos, which is all that the script cuts."""
    side = square_px(plan)
    studio = partial(studio_arm, plan, folder / "square_encodings", (side, side))
    title = f"One optimiser step beside diffusers' own script, {side}x{side} px"
    made = partial(Case, "script", title, "step", plan.lora_steps, compares=COMPARES, limit=LIMIT)
    if plan.dreambooth_script is None:
        return made(arms={STUDIO: studio}, absent={SCRIPT: "not run"})
    photos = folder / "script_photos"
    photos.mkdir(exist_ok=True)
    for _, path in items_of(plan):
        shutil.copyfile(path, photos / path.name)
    asked = ScriptRun(
        plan.dreambooth_script, presets_of(plan).base_folder(plan.base), photos, folder / "script_output", side,
        config_of(plan), plan.lora_steps, plan.threads,
    )  # fmt: skip
    arms = {SCRIPT: partial(script_arm, asked, folder / STARTED), STUDIO: studio}
    return made(arms=arms, differs={STUDIO: OWN_DRAWS})


def square_px(plan: Plan) -> int:
    """The side of a square with about as many pixels as the base draws, that every level of its UNet can halve."""
    card, unet = presets_of(plan).base(plan.base), presets_of(plan).base_folder(plan.base) / "unet" / "config.json"
    halvings = len(json.loads(unet.read_text(encoding="utf-8"))["block_out_channels"]) - 1
    multiple: int = Registry(presets_of(plan)).family(plan.base).architecture.multiple_px << halvings
    return max(1, round(math.sqrt(card.width_px * card.height_px) / multiple)) * multiple


def config_of(plan: Plan) -> TrainingConfig:
    """What both arms train: a constant rate and no caption dropout, so that a step is a step."""
    family = Registry(presets_of(plan)).family(plan.base)
    return TrainingConfig(
        name="benchmark", dataset_id="benchmark", base=plan.base, lora_rank=plan.lora_rank,
        lora_alpha=float(plan.lora_rank), learning_rate=1e-4, lr_scheduler="constant", lr_warmup_steps=0,
        max_train_steps=(plan.rounds + 1) * plan.lora_steps, train_batch_size=plan.lora_batch, caption_dropout=0.0,
        target_modules=family.lora_targets,
    )  # fmt: skip


def items_of(plan: Plan, size: tuple[int, int] | None = None) -> list[tuple[TrainingItem, Path]]:
    """The first photos of the folder, all cut to one size (the base's own), each with a caption of its own.

    Raises:
        NotFoundError: too few photos.
    """
    paths = sorted(p for p in plan.photo_folder.glob("*") if p.suffix.lower() in SUFFIXES)[: BATCHES * plan.lora_batch]
    if len(paths) < BATCHES * plan.lora_batch:
        what = f"{plan.photo_folder} holds {len(paths)} photos, {BATCHES * plan.lora_batch} are needed."
        raise NotFoundError(what, "Name another folder with --photos, or take a smaller --lora-batch.")
    card = presets_of(plan).base(plan.base)
    width_px, height_px = size or (card.width_px, card.height_px)
    return [
        (
            TrainingItem(
                photo_id=path.stem, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), file_name=path.name,
                caption=f"a photo of a dress, look {number}", split="train", rights=Rights(), crop_px=None,
                width_px=width_px, height_px=height_px, crop_loss=0.0,
            ),
            path,
        )
        for number, path in enumerate(paths)
    ]  # fmt: skip


def steps_of(plan: Plan, number: int) -> range:
    """The optimiser steps of a round, counted from 1 over all rounds."""
    return range(number * plan.lora_steps + 1, (number + 1) * plan.lora_steps + 1)


def losses(values: list[float]) -> Outcome:
    """A round's losses as an outcome."""
    return np.array(values)


@contextmanager
def studio_arm(plan: Plan, folder: Path, size: tuple[int, int] | None = None) -> Iterator[Work]:
    """Photos and captions encoded once, then the trainer of the train stage, as its jobs use it."""
    import torch

    from studio.train.loop_adapter import lora_attached
    from studio.train.loop_trainer import LoraTrainer

    torch.set_num_threads(plan.threads)
    cache, config = ModelCache(Registry(presets_of(plan)), CACHE_BYTES), config_of(plan)
    architecture = cache.registry.family(plan.base).architecture
    encodings = Encodings(folder, presets_of(plan).base_folder(plan.base), architecture)
    encode(plan, cache, encodings, size)
    photos = [_photo(encodings, item) for item, _ in items_of(plan, size)]
    with (
        cache.use_all(ComponentKey(plan.base, "scheduler"), ComponentKey(plan.base, "unet")) as (scheduler, unet),
        lora_attached(unet, config) as parameters,
    ):
        objective = architecture.objective(scheduler, config.snr_gamma)
        empty = encodings.text("")
        trainer = LoraTrainer(architecture, unet, parameters, objective, photos, empty, config, None)
        yield Work(lambda number: [trainer.step(step) for step in steps_of(plan, number)], losses)


def encode(
    plan: Plan, cache: ModelCache, encodings: Encodings, size: tuple[int, int] | None = None
) -> tuple[float, float]:
    """Encode all photos and captions as the train stage does; seconds a photo and a caption, without loading."""
    items = items_of(plan, size)
    keys = [ComponentKey(plan.base, name) for name in ("vae", "tokenizer", "text_encoder")]
    with cache.use_all(*keys) as (vae, tokenizer, encoder):
        began = time.perf_counter()
        for item, path in items:
            encodings.encode_latents(item, path, vae, mirrored=False)
        photos_s = time.perf_counter() - began
        captions = ["", *(item.caption for item, _ in items)]
        began = time.perf_counter()
        for caption in captions:
            encodings.encode_text(caption, {"tokenizer": tokenizer, "text_encoder": encoder})
        captions_s = time.perf_counter() - began
    return photos_s / len(items), captions_s / len(captions)


def _photo(encodings: Encodings, item: TrainingItem) -> EncodedPhoto:
    from studio.train.loop_trainer import EncodedPhoto

    factor, shift = encodings.scaling
    mean, std = encodings.latents(item, mirrored=False)
    scaled = Posterior((mean - shift) * factor, std * factor)
    return EncodedPhoto(item.sha256, item.bucket, (scaled,), encodings.text(item.caption))


@contextmanager
def plain_arm(plan: Plan) -> Iterator[Work]:
    """A loop in the manner of diffusers' own script; see `plain_loop.py`. Its photos are cut and in memory already."""
    import torch

    from benchmarks.plain_loop import PlainLoop
    from studio.train.cache import load_pixels

    torch.set_num_threads(plan.threads)
    items = items_of(plan)
    pixels = [load_pixels(path, item, mirrored=False) for item, path in items]
    base = presets_of(plan).base_folder(plan.base)
    loop = PlainLoop(base, config_of(plan), pixels, [item.caption for item, _ in items])
    yield Work(lambda number: [loop.step(step) for step in steps_of(plan, number)], losses)


def figures(plan: Plan, folder: Path) -> Sequence[Figure]:
    """What encoding once costs, which no step of the studio's trainer shows."""
    cache = ModelCache(Registry(presets_of(plan)), CACHE_BYTES)
    base = presets_of(plan).base_folder(plan.base)
    architecture = cache.registry.family(plan.base).architecture
    encode(plan, cache, Encodings(folder / "warm_up", base, architecture))
    photo_s, caption_s = encode(plan, cache, Encodings(folder / "counted", base, architecture))
    started = folder / STARTED
    script = [float(started.read_text(encoding="utf-8"))] if started.is_file() else []
    return [
        Figure(what="encoding one photo and keeping it, once for all runs", value=photo_s),
        Figure(what="encoding one caption and keeping it, once for all runs", value=caption_s),
        *(Figure(what=f"{SCRIPT}, from its start to its first step, in no step's time", value=s) for s in script),
    ]


def conditions(plan: Plan) -> dict[str, str]:
    """What is trained."""
    config, card = config_of(plan), presets_of(plan).base(plan.base)
    return {
        "base": plan.base,
        "batch": f"{plan.lora_batch} photos of {card.width_px}x{card.height_px} px",
        "LoRA": f"rank {config.lora_rank} on {', '.join(config.target_modules)}",
        "optimiser": f"AdamW, learning rate {config.learning_rate:g}, gradients clipped",
        "steps in a round": str(plan.lora_steps),
        "number format": "fp32",
        "threads": str(plan.threads),
    }


if __name__ == "__main__":
    main("lora_step", __doc__, conditions, cases, figures)
