"""Plan: what is measured and how often; the same for every subject, from the command line and back to it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import Field, ValidationError

from studio.records.base import Record, Slug
from studio.settings import REPOSITORY


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Plan(Record):
    """Everything that decides a measurement, apart from the machine. On the CPU in fp32 where nothing else is said."""

    rounds: int = Field(default=5, ge=1, description="counted rounds; each runs every arm once, in turn")
    threads: int = Field(default_factory=_cores, ge=1, description="threads of torch; default: all cores")
    presets: Path = Field(default=REPOSITORY / "presets", description="folder of the presets")
    base: Slug = Field(default="croquis", description="base model")
    poses: tuple[Slug, ...] = Field(
        default=("standing-front", "hand-on-hip-front", "walking-three-quarter", "standing-back"),
        min_length=1,
        description="poses; pictures are poses x looks",
    )
    looks: tuple[Slug, ...] = Field(
        default=("studio-navy-dress", "street-denim", "summer-dots"), min_length=1, description="looks"
    )
    steps: int | None = Field(default=None, ge=1, description="denoising steps; default: the base's own")
    variant_poses: tuple[Slug, ...] = Field(
        default=(
            "standing-front", "hand-on-hip-front", "walking-three-quarter", "standing-back", "arms-crossed-front",
        ),
        min_length=1,
        description="poses of the variants",
    )  # fmt: skip
    variant_looks: tuple[Slug, ...] = Field(
        default=("studio-navy-dress", "street-denim", "summer-dots", "sample-studio"),
        min_length=1,
        description="looks of the variants",
    )
    variant_seeds: int = Field(default=5, ge=1, description="seeds of each pose with each look")
    variants: int = Field(default=5, ge=1, description="variants in a round: whole sets of seeds, in the same mixture")
    half_variants: int = Field(default=1, ge=0, description="variants in a round in bf16; 0: bf16 is not measured")
    half_steps: int = Field(default=3, ge=1, description="denoising steps of those")
    brand_models: Path = Field(default=REPOSITORY / "brand_models", description="folder of the brand models")
    brand_model: Slug = Field(default="atelier-uroko", description="brand model of the variants")
    dreambooth_script: Path | None = Field(
        default=None, description="diffusers' train_dreambooth_lora.py; default: it is not run"
    )
    photos: Path | None = Field(default=None, description="folder of training photos; default: the sample brand's")
    lora_steps: int = Field(default=10, ge=1, description="LoRA steps in a round")
    lora_batch: int = Field(default=4, ge=1, description="photos in a LoRA step")
    lora_rank: int = Field(default=8, ge=1, description="rank of the LoRA")
    gpu_families: tuple[Slug, ...] = Field(
        default=("sd15", "sdxl", "z-image"), description="families whose bases are measured on the GPU"
    )
    gpu_size: Literal["full", "tiny"] = Field(default="full", description="tiny: a dry run, on the CPU too")
    gpu_pictures: int = Field(default=4, ge=1, description="pictures in a round on the GPU")
    gpu_folder: Path | None = Field(
        default=None, description="folder that keeps the random bases (40 GB); default: in STUDIO_HOME"
    )
    switches: int = Field(default=20, ge=1, description="switches between two LoRAs in a round")

    @property
    def photo_folder(self) -> Path:
        """Where the training photos lie."""
        return self.photos or self.presets / "sample_brand" / "photos"

    def words(self) -> str:
        """The options that differ from the defaults, as the command line takes them; no folder is told in full."""
        changed = {name: value for name, value in self if value != Plan.model_fields[name].get_default()}
        changed["threads"] = self.threads  # its default differs from machine to machine
        named = {name: Path(value.name) if isinstance(value, Path) else value for name, value in changed.items()}
        return " ".join(_arguments(named))


def add_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of a Plan."""
    for name, field in Plan.model_fields.items():
        many = "+" if get_origin(field.annotation) is tuple else None
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, nargs=many, default=argparse.SUPPRESS, help=field.description)


def plan_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Plan:
    """The plan of a parsed command line; ends the program with a message where a value cannot be used."""
    given = {name: value for name, value in vars(options).items() if name in Plan.model_fields}
    try:
        return Plan.model_validate(given)
    except ValidationError as error:
        parser.error("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))


def arguments_of(plan: Plan) -> list[str]:
    """The command line that gives this plan."""
    return _arguments(dict(plan))


def _arguments(values: dict[str, Any]) -> list[str]:
    arguments: list[str] = []
    for name, value in values.items():
        if value is not None:
            several: Sequence[object] = value if isinstance(value, tuple) else (value,)
            arguments += [f"--{name.replace('_', '-')}", *map(str, several)]
    return arguments
