"""The form of a training run: dataset, base, preset as cards, three fields and the rest, with what is wrong and the
expected time and memory beside it.
"""

from __future__ import annotations

import re
from typing import Any

from studio.errors import Fault, FaultsError, StudioError
from studio.records.photo import Dataset
from studio.records.training import TrainingConfig
from studio.studio import Studio
from studio.ui.piece import Piece

HIDDEN = ("name", "dataset_id", "base")
"""Fields of TrainingConfig that the form asks for in its own way."""


class TrainForm(Piece):
    """Asks what to train, checks it as it is written, and starts a run."""

    def __init__(self, studio: Studio, **settings: Any) -> None:
        self._studio = studio
        actions = {"options": self._options, "check": self._check, "start": self._start}
        super().__init__(actions=actions, fill=True, **settings)

    def _options(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Everything that can be chosen from, and the defaults of all fields."""
        taken = {run.config.name for run in self._studio.store.training_runs.find()}
        taken |= set(self._studio.presets.brand_models())
        states = self._studio.installed.base_states()
        bases = [
            {
                "name": card.name, "title": card.title, "size": [card.width_px, card.height_px],
                "preset": card.training_preset, "licence": card.licence, "state": states[card.name],
                "cannot": self._cannot_train(card.name),
            }
            for card in self._studio.presets.bases().values()
        ]  # fmt: skip
        presets = [
            {
                "name": preset.name, "title": preset.title, "purpose": " ".join(preset.purpose.split()),
                "bases": {base: values.model_dump() for base, values in preset.bases.items()},
            }
            for preset in self._studio.presets.trainings().values()
        ]  # fmt: skip
        defaults = TrainingConfig(name="x", dataset_id="x").model_dump(mode="json", exclude=set(HIDDEN))
        datasets = [self._dataset(dataset, taken) for dataset in reversed(self._studio.label.datasets())]
        return {"datasets": datasets, "bases": bases, "presets": presets, "defaults": defaults}

    def _cannot_train(self, base: str) -> str:
        """Why no LoRA can be trained on a base; empty where one can."""
        try:
            able = self._studio.cache.registry.capabilities(base).lora_train
        except StudioError as error:
            return error.message
        return "" if able.supported else able.reason

    def _dataset(self, dataset: Dataset, taken: set[str]) -> dict[str, Any]:
        photos = self._studio.label.photos(dataset.id)
        return {
            "id": dataset.id, "name": dataset.name, "token": dataset.trigger_token, "photos": len(photos),
            "held_out": sum(photo.split == "held-out" for photo in photos),
            "free_name": free_name(dataset.name, taken),
        }  # fmt: skip

    def _check(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """What is wrong with the form's values, and what the run and each preset's run would take.

        Message: `{"values": {...}, "presets": {name: fields of TrainingConfig}}`.
        """
        values = dict(message["values"])
        answer = self._faults(values)
        plain = {"name": "check", "dataset_id": values.get("dataset_id"), "base": values.get("base")}
        presets = dict(message.get("presets") or {})
        answer["estimates"] = {name: self._estimate(plain | settings) for name, settings in presets.items()}
        answer["estimate"] = self._estimate(values | {"name": "check"})
        return answer

    def _faults(self, values: dict[str, Any]) -> dict[str, Any]:
        try:
            found = self._studio.train.faults(self._studio.train.config(values))
        except FaultsError as error:
            return {"rights": [], "faults": [_row(fault) for fault in error.faults]}
        except StudioError as error:
            return {"rights": [], "faults": [_row(Fault("", error.message, error.next_step))]}
        return {"rights": [_row(f) for f in found.rights], "faults": [_row(f) for f in found.others]}

    def _estimate(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """None where the values are not whole yet, or the base's weights are not there."""
        try:
            return self._studio.train.estimate(self._studio.train.config(values)).model_dump()
        except StudioError:
            return None  # the faults say why

    def _start(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """`{"run_id"}`, or the faults as `check` tells them."""
        answer = self._faults(message["values"])
        if answer["rights"] or answer["faults"]:
            return answer
        run = self._studio.train.prepare(self._studio.train.config(message["values"]))
        self._studio.jobs.submit("train", {"run_id": run.id}, owner=person)
        return {"run_id": run.id}


def free_name(wish: str, taken: set[str]) -> str:
    """A name for a brand model that nothing has yet: `spring`, else `spring-2`, `spring-3` ..."""
    slug = re.sub(r"[^a-z0-9_]+", "-", wish.lower()).strip("-_")[:56] or "brand-model"
    number = 1
    while (name := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return name


def _row(fault: Fault) -> dict[str, str]:
    return fault._asdict()
