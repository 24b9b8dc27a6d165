"""Holds a training config against its dataset and its base before anything is started, and collects every fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from pydantic import ValidationError

from studio.errors import Fault, FaultsError, RightsError
from studio.records.capabilities import Capability
from studio.records.photo import Dataset, Photo
from studio.records.training import TrainingConfig
from studio.train.buckets import Bucket, assign
from studio.train.snapshot import Snapshot, photo_size

_PLAIN = {
    "string_pattern_mismatch": "takes lower case letters, digits, - and _ only, at most 64.",
    "int_parsing": "is no whole number.",
    "int_from_float": "is no whole number.",
    "float_parsing": "is no number.",
    "extra_forbidden": "is not known here.",
}
"""What is said instead of pydantic's own words."""


class ConfigFaults(NamedTuple):
    """All that keeps a config from being trained: photos without rights, and everything else."""

    rights: list[Fault]
    others: list[Fault]


def read_config(values: Mapping[str, Any]) -> TrainingConfig:
    """The config that a form's values make.

    Raises:
        FaultsError: every value that cannot be used, named by its field.
    """
    try:
        return TrainingConfig.model_validate(dict(values))
    except ValidationError as error:
        faults = [
            Fault(".".join(map(str, e["loc"])), _PLAIN.get(e["type"]) or f"{e['msg'].replace('Input ', '')}.")
            for e in error.errors()
        ]
        raise FaultsError("The settings", faults) from error


def complete(config: TrainingConfig, dataset: Dataset, lora_targets: tuple[str, ...]) -> TrainingConfig:
    """The config with the dataset's trigger token and the family's layers where it names none itself."""
    return config.model_copy(
        update={
            "trigger_token": config.trigger_token or dataset.trigger_token,
            "target_modules": config.target_modules or lora_targets,
        }
    )


def rights_faults(photos: Sequence[Photo], today: date) -> list[Fault]:
    """One fault for each photo that may not be used for training, held-out photos too."""
    return [
        Fault(photo.file_name, f"rights missing: {', '.join(gaps)}.")
        for photo in photos
        if (gaps := photo.rights.missing(today))
    ]


def withdrawn_faults(snapshot: Snapshot, photos: Sequence[Photo], today: date) -> list[Fault]:
    """One fault for each photo of a prepared run that may not be used any more."""
    present = {photo.id: photo for photo in photos}
    gone = [i.file_name for i in snapshot.items if i.photo_id not in present]
    kept = [present[i.photo_id] for i in snapshot.items if i.photo_id in present]
    return [Fault(name, "was taken out of the dataset.") for name in gone] + rights_faults(kept, today)


def config_faults(
    config: TrainingConfig,
    dataset: Dataset,
    photos: Sequence[Photo],
    lora_train: Capability,
    buckets: Sequence[Bucket],
) -> list[Fault]:
    """Everything but rights that keeps this config from being trained."""
    faults: list[Fault] = []
    if not lora_train.supported:
        faults.append(Fault("base", f"{config.base} cannot train a LoRA: {lora_train.reason}", "Choose another base."))
    if dataset.trigger_token and config.trigger_token != dataset.trigger_token:
        faults.append(
            Fault(
                "trigger_token",
                f"the config says {config.trigger_token!r}, the dataset {dataset.trigger_token!r}.",
                "Leave it out of the config, or change the dataset's.",
            )
        )
    if config.lr_warmup_steps >= config.max_train_steps:
        faults.append(
            Fault(
                "lr_warmup_steps",
                f"{config.lr_warmup_steps} steps of warm-up fill all {config.max_train_steps} steps.",
                "Warm up for at most a tenth of the run.",
            )
        )
    if not any(photo.split == "train" for photo in photos):
        faults.append(Fault("dataset", f"{dataset.name} has no photos to train on.", "Ingest 20 to 30 of them."))
    for photo in photos:
        faults.extend(_photo_faults(photo, config.trigger_token, buckets))
    return faults


def _photo_faults(photo: Photo, trigger_token: str, buckets: Sequence[Bucket]) -> list[Fault]:
    faults = [
        Fault(photo.file_name, f"refused by a check: {finding.message}", "Mend it or take it out.")
        for finding in photo.findings
        if finding.level == "refused"
    ]
    if not photo.caption.strip():
        faults.append(Fault(photo.file_name, "has no caption.", "Write one, or fill it from the template."))
    elif trigger_token and trigger_token not in photo.caption:
        faults.append(
            Fault(photo.file_name, f"its caption lacks the trigger token {trigger_token!r}.", "Add it to the caption.")
        )
    width, height = photo_size(photo)
    if width < 1 or height < 1:
        faults.append(Fault(photo.file_name, f"its crop {photo.crop_px} is empty.", "Draw the crop again."))
        return faults
    bucket = assign(width, height, buckets).bucket
    if width < bucket.width_px or height < bucket.height_px:
        faults.append(
            Fault(
                photo.file_name,
                f"{width}x{height} px would have to be enlarged to {bucket.width_px}x{bucket.height_px}.",
                "Give a larger photo, crop less, or take it out.",
            )
        )
    return faults


def refuse(name: str, rights: Sequence[Fault], others: Sequence[Fault]) -> None:
    """Raise one error for all that is wrong, or return.

    Raises:
        RightsError: photos lack rights; names every one, and the other faults below them.
        FaultsError: rights are in order, something else is not.
    """
    if rights:
        photos = "1 photo" if len(rights) == 1 else f"{len(rights)} photos"
        lines = [f"{name} cannot be trained: {photos} without cleared rights", *map(_line, rights)]
        if others:
            lines += ["also to mend", *map(_line, others)]
        raise RightsError(
            "\n".join(lines), "\nFill in source, owner, licence and model release, or take the photos out."
        )
    if others:
        raise FaultsError(f"{name} cannot be trained", others)


def _line(fault: Fault) -> str:
    return f"  {fault.where}: {fault.what} {fault.next_step}".rstrip()
