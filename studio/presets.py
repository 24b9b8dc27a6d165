"""Reads and validates `presets/` and `brand_models/`: bases and what can be pulled for them, training settings, poses,
looks, channels, brand models.

Files are YAML or JSON, one record a file, and are looked at in every call, so that an edit counts at once; what has
not changed is not parsed again. A file's name is the record's name. All faults of one kind of preset are collected and
raised together; `check` collects those of all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from studio.errors import Fault, FaultsError, NotFoundError, StudioError
from studio.records.base import Record
from studio.records.brand_model import BrandModel
from studio.records.capabilities import BaseCard
from studio.records.listing import Channel
from studio.records.look import Look
from studio.records.pose import Pose
from studio.records.pullable import Pullable
from studio.records.training import TrainingConfig
from studio.shelf import Shelf

R = TypeVar("R", bound=BaseModel)

MAX_PRESET_BYTES = 4 * 2**20
"""No preset comes near this; it keeps a wrong file (weights named .yaml) out of the YAML parser."""
YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML has it: it takes a tenth of the time."""
SETTLED_NS = 10**9
"""A file that was written so lately is read anew: clocks of file systems are coarse, and it may be written again in the
same tick.
"""

ADDONS = {
    "controlnets": "controlnet",
    "ip_adapters": "ip_adapter",
    "annotators": "annotator",
    "tools": "tool",
}
"""Folder under `presets/` -> the kind of what its files describe."""


class BaseSettings(Record):
    """Training settings for one base, with where they come from."""

    source: str
    settings: dict[str, Any]


class TrainingPreset(Record):
    """`presets/training/<name>.yaml`: what it is for, and the settings for each base."""

    name: str
    title: str
    purpose: str
    bases: dict[str, BaseSettings]


class Presets:
    """The presets under two folders, read when asked.

    Args:
        models: folder of pulled models; None: none is looked for.
    """

    def __init__(self, presets: Path, brand_models: Path, models: Path | None = None) -> None:
        self._root = presets
        self._brand_models = brand_models
        self._kept = _Kept()
        self._shelf = Shelf(models or presets / "no-models")

    def bases(self) -> dict[str, BaseCard]:
        """All base models by name, bundled ones first. Raises FaultsError."""
        folder = self._root / "bases"
        return _read_all(
            BaseCard,
            lambda: self._cards(folder, "card.yaml", BaseCard),
            lambda: self._files(folder, BaseCard),
        )

    def pullables(self) -> dict[str, Pullable]:
        """All that can be pulled, by name: bases, ControlNets, IP-Adapters, annotators, tools. Raises FaultsError."""

        def of_bases() -> dict[str, Pullable]:
            return {name: card.pullable for name, card in self.bases().items() if card.pullable is not None}

        def of_folder(folder: str, kind: str) -> Callable[[], dict[str, Pullable]]:
            return lambda: _of_kind(self._files(self._root / folder, Pullable), folder, kind)

        return _read_all(Pullable, of_bases, *(of_folder(folder, kind) for folder, kind in ADDONS.items()))

    def base(self, name: str) -> BaseCard:
        """The base model of that name. Raises NotFoundError that lists the names there are."""
        return pick(self.bases(), name, "base model")

    def base_folder(self, name: str) -> Path:
        """The folder of a base's weights, bundled or pulled.

        Raises:
            NotFoundError: no such base, or a bundled one without its weights.
            CapabilityError: it has yet to be pulled, or to be pulled again; the next step names the command.
        """
        return self._folder_of(self.base(name))

    def model_folder(self, name: str) -> Path:
        """The folder of a base, or of what is pulled beside one. Raises as `base_folder` and `addon_folder`."""
        cards = self.bases()
        return self._folder_of(cards[name]) if name in cards else self.addon_folder(name)

    def _folder_of(self, card: BaseCard) -> Path:
        if card.pullable is not None:
            return self._shelf.folder(card.pullable)
        name, folder = card.name, self._root / "bases" / card.name / card.path
        if not folder.is_dir():
            raise NotFoundError(
                f"The weights of base model {name} are not at {folder}.",
                f"Put them there, or set `path` in {self._root / 'bases' / name / 'card.yaml'}.",
            )
        return folder

    def addon_folder(self, name: str) -> Path:
        """The folder of a pulled ControlNet, IP-Adapter, annotator or tool.

        Raises:
            NotFoundError: nothing is called so.
            CapabilityError: it has yet to be pulled, or to be pulled again; the next step names the command.
        """
        return self._shelf.folder(pick(self.pullables(), name, "add-on"))

    def trainings(self) -> dict[str, TrainingPreset]:
        """All training presets by name. Raises FaultsError, also for settings that `TrainingConfig` would refuse."""
        found = self._files(self._root / "training", TrainingPreset)
        faults = [fault for preset in found.values() for fault in _setting_faults(preset)]
        if faults:
            raise FaultsError("Training presets", faults)
        return found

    def training(self, name: str, base: str = "croquis") -> dict[str, Any]:
        """Fields of `TrainingConfig` that a preset sets for a base. Raises NotFoundError, FaultsError."""
        preset = pick(self.trainings(), name, "training preset")
        return dict(pick(preset.bases, base, f"base of training preset {name}").settings)

    def poses(self) -> dict[str, Pose]:
        """All poses by name. Raises FaultsError."""
        return self._files(self._root / "poses", Pose)

    def looks(self) -> dict[str, Look]:
        """All looks by name. Raises FaultsError."""
        return self._files(self._root / "looks", Look)

    def channels(self) -> dict[str, Channel]:
        """All sales channels by name. Raises FaultsError."""
        return self._files(self._root / "channels", Channel)

    def brand_models(self) -> dict[str, BrandModel]:
        """All trained brand models by name. Raises FaultsError."""
        return self._cards(self._brand_models, "card.json", BrandModel)

    def brand_model_folder(self, name: str) -> Path:
        """The folder of a trained brand model. Raises NotFoundError."""
        pick(self.brand_models(), name, "brand model")
        return self._brand_models / name

    def _files(self, folder: Path, model: type[R]) -> dict[str, R]:
        files = sorted(p for p in folder.glob("*") if p.suffix in (".yaml", ".json"))
        return _read(((path.stem, path) for path in files), model, self._kept)

    def _cards(self, folder: Path, card: str, model: type[R]) -> dict[str, R]:
        return _read(((path.parent.name, path) for path in sorted(folder.glob(f"*/{card}"))), model, self._kept)

    def check(self) -> None:
        """Reads everything. Raises FaultsError with the faults of all kinds together."""
        readers: tuple[Callable[[], object], ...] = (
            self.pullables,
            self.trainings,
            self.poses,
            self.looks,
            self.channels,
            self.brand_models,
        )
        faults: list[Fault] = []
        for read in readers:
            try:
                read()
            except FaultsError as error:
                faults.extend(error.faults)
        if faults:
            raise FaultsError("Presets", faults)


def pick(known: Mapping[str, R], name: str, what: str) -> R:
    """The record of that name. Raises NotFoundError that lists the names there are."""
    if name in known:
        return known[name]
    names = ", ".join(sorted(known)) or "none yet"
    raise NotFoundError(f"There is no {what} named {name!r}.", f"There are: {names}.")


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file. Raises StudioError in words that fit behind the file's name."""
    if path.stat().st_size > MAX_PRESET_BYTES:
        raise StudioError(f"is larger than {MAX_PRESET_BYTES // 2**20} MB.", "This is no preset.")
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=YAML)
    except (yaml.YAMLError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StudioError(f"cannot be read: {' '.join(str(error).split())}.", "Mend the file's notation.") from error
    if not isinstance(data, dict):
        raise StudioError("holds no mapping of names to values.", "Write `name: value` lines.")
    return data


def faults_of(where: str, error: ValidationError) -> list[Fault]:
    """One Fault for each thing that a record refused, named by file and field."""
    return [Fault(":".join((where, *map(str, e["loc"]))), f"{e['msg']}.") for e in error.errors()]


class _Kept:
    """Records of files that have not changed: one live preview asks a dozen times for its base's card."""

    def __init__(self) -> None:
        self._records: dict[tuple[Path, type[BaseModel]], tuple[tuple[int, ...], Any]] = {}

    def record(self, path: Path, model: type[R]) -> R:
        """The record in a file. Raises ValidationError, StudioError as `read_mapping`."""
        status = path.stat()
        written = status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
        known = self._records.get((path, model))
        if known is not None and known[0] == written:
            kept: R = known[1]
            return kept
        record = model.model_validate(read_mapping(path))
        if time.time_ns() - max(written[:2]) > SETTLED_NS:
            self._records[path, model] = written, record
        return record


def _read(files: Iterator[tuple[str, Path]], model: type[R], kept: _Kept) -> dict[str, R]:
    found: dict[str, R] = {}
    faults: list[Fault] = []
    for name, path in files:
        try:
            record = kept.record(path, model)
        except ValidationError as error:
            faults.extend(faults_of(str(path), error))
        except StudioError as error:
            faults.append(Fault(str(path), error.message, error.next_step))
        else:
            if getattr(record, "name", name) != name:
                faults.append(Fault(f"{path}:name", f"is not {name!r} as the file is called.", "Rename one of them."))
            found[name] = record
    if faults:
        raise FaultsError(f"Presets of {model.__name__}", faults)
    return found


def _read_all(model: type[R], *readers: Callable[[], dict[str, R]]) -> dict[str, R]:
    """What several readers find, under names of which each is given once; the faults of all together."""
    found: dict[str, R] = {}
    faults: list[Fault] = []
    for read in readers:
        try:
            records = read()
        except FaultsError as error:
            faults.extend(error.faults)
            continue
        twice = sorted(set(found) & set(records))
        faults.extend(Fault(name, "is the name of two presets.", "Rename one of them.") for name in twice)
        found |= records
    if faults:
        raise FaultsError(f"Presets of {model.__name__}", faults)
    return found


def _of_kind(found: dict[str, Pullable], folder: str, kind: str) -> dict[str, Pullable]:
    faults = [
        Fault(f"{folder}/{name}:kind", f"is {item.kind}, not {kind}.", "Move the file, or mend its kind.")
        for name, item in found.items()
        if item.kind != kind
    ]
    if faults:
        raise FaultsError("Presets of Pullable", faults)
    return found


def _setting_faults(preset: TrainingPreset) -> list[Fault]:
    faults: list[Fault] = []
    for base, values in preset.bases.items():
        try:
            TrainingConfig.model_validate({"name": "check", "dataset_id": "check"} | values.settings)
        except ValidationError as error:
            faults.extend(faults_of(f"training/{preset.name}:{base}", error))
    return faults
