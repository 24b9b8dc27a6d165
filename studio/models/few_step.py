"""Few-step weights: a LoRA that a base brings for its live previews, with the scheduler and the steps it was made for.

They lie in the base's folder `few_step/`: `pytorch_lora_weights.safetensors` as diffusers writes it, with the base's
guidance distilled into it, `scheduler/scheduler_config.json`, and `few_step.json`, which says in how many steps they
draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from studio.errors import FaultsError, GateError, StudioError
from studio.presets import faults_of, read_mapping
from studio.records.base import Record

if TYPE_CHECKING:
    from studio.models.lora_file import LoraFile

FEW_STEP = "few_step"
"""The folder in a base, and the component that is loaded from it."""
CARD, LORA, SCHEDULER = "few_step.json", "pytorch_lora_weights.safetensors", "scheduler/scheduler_config.json"
_WITHOUT = "Install the base again, or remove its folder few_step/: previews are then drawn with the base alone."


class FewStepCard(Record):
    """What `few_step.json` says."""

    num_inference_steps: int = Field(ge=1, le=16)


@dataclass(frozen=True)
class FewStep:
    """Few-step weights that were loaded; guidance stays off beside them."""

    lora: LoraFile
    scheduler: Any


def few_steps_of(folder: Path) -> int:
    """In how many steps the weights in a base's `few_step/` draw. Loads no torch.

    Raises:
        GateError: the folder is not whole.
        FaultsError: its card cannot be used.
    """
    missing = [name for name in (CARD, LORA, SCHEDULER) if not (folder / name).is_file()]
    if missing:
        raise GateError(f"The few-step weights in {folder} are not whole: {', '.join(missing)} missing.", _WITHOUT)
    try:
        return FewStepCard.model_validate(read_mapping(folder / CARD)).num_inference_steps
    except ValidationError as error:
        raise FaultsError("The few-step weights", faults_of(str(folder / CARD), error), _WITHOUT) from error
    except StudioError as error:
        raise GateError(f"{folder / CARD} {error.message}", _WITHOUT) from error


def read_few_step(folder: Path, scheduler: Any) -> FewStep:
    """The weights in a base's `few_step/`, for the scheduler that was loaded beside them.

    Raises:
        GateError, FaultsError: as `few_steps_of`, or they change more than the denoiser.
        CapabilityError: no LoRA that can be applied.
    """
    from studio.models.lora_file import read_lora

    few_steps_of(folder)
    lora = read_lora(folder / LORA)
    if lora.changes_text:
        raise GateError(f"The few-step weights in {folder} change the text encoder too.", _WITHOUT)
    return FewStep(lora, scheduler)
