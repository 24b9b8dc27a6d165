"""Makes a brand model of a checkpoint: the LoRA as diffusers reads it, its card, and samples, in one folder.

Alpha is stored in the file (`lora_adapter_metadata`, which peft's config is rebuilt from), because a file without it is
read with alpha = rank and then acts weaker or stronger than it was trained.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import ConflictError
from studio.models.lora_export import MODELSPEC_ARCHITECTURES
from studio.records.base import now
from studio.records.brand_model import BrandModel
from studio.records.capabilities import BaseCard
from studio.records.training import TrainingConfig, TrainingRun
from studio.store import write_atomic
from studio.train.run_folder import RunFolder
from studio.train.samples import samples_near
from studio.train.snapshot import Snapshot

if TYPE_CHECKING:
    import torch

WEIGHTS_FILE = "pytorch_lora_weights.safetensors"
"""diffusers' own name, so that `load_lora_weights(folder)` finds it."""

_UNFINISHED = ".unfinished"
"""Subfolder in which a model is put together; no reader of brand models looks this deep."""
_ASIDE = ".old"


def publish(
    run: TrainingRun,
    folder: RunFolder,
    lora: dict[str, torch.Tensor],
    step: int,
    *,
    base: BaseCard,
    denoiser: str,
    prediction_type: str,
    brand_models: Path,
    replace: bool,
) -> BrandModel:
    """Write `brand_models/<name>/` and return its card.

    Args:
        folder: where the run lies.
        lora: matrices of the checkpoint of `step`.
        denoiser: the component that they belong to, `unet` or `transformer`.
        prediction_type: of the base's scheduler; empty where it has none, as in flow matching.
        replace: whether another model of that name may be replaced.

    Raises:
        ConflictError: another run's model has that name and `replace` is not set.
        ResourceError: the disk is full; an older model is untouched.
    """
    target = brand_models / run.config.name
    if target.exists() and not replace and run.brand_model != run.config.name:
        raise ConflictError(
            f"There is already a brand model {run.config.name}.", "Train under another name, or ask to replace it."
        )
    weights = lora_file(lora, run, base, denoiser, prediction_type)
    samples = samples_near(folder.samples, step)
    card = _card(run, folder.snapshot(), base, hashlib.sha256(weights).hexdigest(), step, samples)
    unfinished = brand_models / _UNFINISHED / f"{run.config.name}-{secrets.token_hex(4)}"
    try:
        write_atomic(unfinished / WEIGHTS_FILE, weights)
        for sample in samples:
            write_atomic(unfinished / "samples" / sample.name, sample.read_bytes())
        write_atomic(unfinished / "card.json", card.model_dump_json(indent=1).encode())
        _put_in_place(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return card


def _put_in_place(folder: Path, target: Path) -> None:
    """Rename `folder` to `target`; an older model is moved aside first and deleted when the new one is there."""
    aside = folder.with_name(f"{target.name}{_ASIDE}")
    if target.exists():
        os.rename(target, aside)
    try:
        os.rename(folder, target)
    except OSError:
        if aside.exists():
            os.rename(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def bring_back_moved_aside(brand_models: Path) -> None:
    """Undo a replacement that a crash stopped half-way: the older model takes its place again."""
    for aside in (brand_models / _UNFINISHED).glob(f"*{_ASIDE}"):
        target = brand_models / aside.name.removesuffix(_ASIDE)
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            os.rename(aside, target)


def lora_file(
    lora: dict[str, torch.Tensor], run: TrainingRun, base: BaseCard, denoiser: str, prediction_type: str
) -> bytes:
    """The file that `load_lora_weights` of the stock pipelines reads, with ModelSpec keys in its header."""
    from safetensors.torch import save

    tensors = {f"{denoiser}.{name}": value.contiguous() for name, value in lora.items()}
    data_sha256 = hashlib.sha256(b"".join(t.numpy().tobytes() for _, t in sorted(tensors.items()))).hexdigest()
    config = run.config
    header = {
        "format": "pt",
        "lora_adapter_metadata": json.dumps(_peft_config(config, denoiser), sort_keys=True),
        # https://github.com/Stability-AI/ModelSpec, which the common tools show beside a file
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{MODELSPEC_ARCHITECTURES.get(base.family, base.family)}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": config.name,
        "modelspec.resolution": f"{base.width_px}x{base.height_px}",
        "modelspec.trigger_phrase": config.trigger_token,
        "modelspec.license": base.licence,
        "modelspec.date": run.created_at.isoformat(timespec="seconds"),
        "modelspec.hash_sha256": f"0x{data_sha256}",
    }
    if prediction_type:
        header["modelspec.prediction_type"] = "v" if prediction_type == "v_prediction" else prediction_type
    return bytes(save(tensors, header))


def _peft_config(config: TrainingConfig, denoiser: str) -> dict[str, object]:
    """What `peft.LoraConfig` is rebuilt from; only these, so that other versions of peft know every key."""
    alpha = config.lora_alpha
    return {
        f"{denoiser}.r": config.lora_rank,
        f"{denoiser}.lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        f"{denoiser}.target_modules": list(config.target_modules),
    }


def _card(
    run: TrainingRun, snapshot: Snapshot, base: BaseCard, weights_sha256: str, step: int, samples: list[Path]
) -> BrandModel:
    config = run.config
    return BrandModel(
        name=config.name,
        base=config.base,
        base_licence=base.licence,
        trigger_token=config.trigger_token,
        weights_file=WEIGHTS_FILE,
        weights_sha256=weights_sha256,
        lora_rank=config.lora_rank,
        lora_alpha=config.lora_alpha,
        data_sha256=run.data_sha256,
        photo_count=len(snapshot.train),
        rights_summary=snapshot.rights_summary(),
        training=config,
        verdict=run.verdict,
        scorecard=_scorecard(run, step),
        samples=tuple(f"samples/{sample.name}" for sample in samples),
        training_sha256=tuple(sorted({item.sha256 for item in snapshot.train})),
        created_at=now(),
    )


def _scorecard(run: TrainingRun, step: int) -> dict[str, float]:
    """The published step and its losses on fixed noise and timesteps, with the untouched base's beside them."""
    scores = {"step": float(step)}
    if run.verdict is not None:
        for name, curve in (("held_out_loss", run.verdict.held_out_loss), ("train_loss", run.verdict.train_loss)):
            values = dict(curve)
            scores |= {name: values[step]} if step in values else {}
            scores |= {f"{name}_of_base": values[0]} if 0 in values else {}
    return scores
