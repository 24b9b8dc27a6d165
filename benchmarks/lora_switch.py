"""Switching between two LoRAs that are in memory: the studio's slot against what diffusers offers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.images import LIMIT
from benchmarks.lora_step import config_of
from benchmarks.pictures import presets_of
from benchmarks.plan import Plan
from benchmarks.results import Figure
from benchmarks.rounds import Case, Outcome, Work
from benchmarks.subject import main

if TYPE_CHECKING:
    from torch import Tensor

LOADED, RESIDENT = "load_lora_weights, then unload_lora_weights", "set_adapters between two residents"
STUDIO = "studio's slot, copied in and zeroed"
MERGED = "studio's fp32 way, added to the weights and put back"
STRENGTH = 0.05
"""Spread of the random matrices: enough for the two LoRAs to change what the UNet answers, without blowing it up."""

LoraWeights = dict[str, "Tensor"]


def cases(plan: Plan, folder: Path) -> Sequence[Case]:
    """One comparison of four arms."""
    arms = {LOADED: loaded_arm, RESIDENT: resident_arm, STUDIO: studio_arm}
    opened = {name: partial(arm, plan) for name, arm in arms.items()} | {MERGED: partial(studio_arm, plan, merge=True)}
    compares = "the UNet's answer under each LoRA"
    return [Case("switch", "One LoRA on and off again", "switch", plan.switches, opened, compares, LIMIT)]


def random_loras(plan: Plan) -> list[LoraWeights]:
    """Two LoRAs on all layers that the base is trained on, in peft's naming, alpha equal to rank."""
    import torch

    from studio.train.loop_adapter import lora_attached

    with lora_attached(_unet(plan), config_of(plan)) as parameters:
        shapes = {name: parameter.shape for name, parameter in parameters.items()}
    rng = torch.Generator().manual_seed(0)
    return [{name: torch.randn(s, generator=rng) * STRENGTH for name, s in shapes.items()} for _ in range(2)]


@contextmanager
def loaded_arm(plan: Plan) -> Iterator[Work]:
    """The stock pipeline is given the matrices, from memory, and drops them again."""
    import torch

    torch.set_num_threads(plan.threads)
    pipeline, loras = _pipeline(plan), _for_diffusers(random_loras(plan))

    @contextmanager
    def applied(number: int) -> Iterator[None]:
        pipeline.load_lora_weights(dict(loras[number % 2]))
        yield
        pipeline.unload_lora_weights()

    yield _work(plan, pipeline.unet, applied)


@contextmanager
def resident_arm(plan: Plan) -> Iterator[Work]:
    """Both LoRAs stay on the stock pipeline, in its memory and in its layers; one of them is chosen."""
    import warnings

    import torch

    torch.set_num_threads(plan.threads)
    pipeline = _pipeline(plan)
    with warnings.catch_warnings():  # peft points out that another adapter is there; so it shall be
        warnings.filterwarnings("ignore", "Already found a `peft_config`")
        for number, lora in enumerate(_for_diffusers(random_loras(plan))):
            pipeline.load_lora_weights(lora, adapter_name=f"lora{number}")

    def applied(number: int) -> AbstractContextManager[None]:
        pipeline.set_adapters([f"lora{number % 2}"], [1.0])
        return nullcontext()

    yield _work(plan, pipeline.unet, applied)


@contextmanager
def studio_arm(plan: Plan, *, merge: bool = False) -> Iterator[Work]:
    """As the engine does it for every batch: `merge` in fp32, the slot in half precision.

    The slot itself is made in the round that warms up, and stays.
    """
    import torch

    from studio.models.lora_slot import adapters_applied
    from studio.models.lora_stack import parts_of

    torch.set_num_threads(plan.threads)
    unet, alpha = _unet(plan), float(plan.lora_rank)
    parts = [part for part, _ in parts_of([(lora, alpha, 1.0) for lora in random_loras(plan)])]  # as a file is read

    def applied(number: int) -> AbstractContextManager[None]:
        return adapters_applied(unet, [(parts[number % 2], alpha, 1.0)], merge=merge)

    yield _work(plan, unet, applied)


def _work(plan: Plan, unet: Any, applied: Callable[[int], AbstractContextManager[None]]) -> Work:
    """Switches as many times as the plan asks; afterwards, untimed, asks the UNet under both LoRAs."""

    def switch(_: int) -> None:
        for number in range(plan.switches):
            with applied(number):
                pass

    def outcome(_: None) -> Outcome:
        answers = []
        for number in range(2):
            with applied(number):
                answers.append(answer(unet))
        return np.stack(answers)

    return Work(switch, outcome)


def answer(unet: Any) -> Outcome:
    """What the UNet says to a fixed question at its own size."""
    import torch

    rng, config = torch.Generator().manual_seed(1), unet.config
    size = config.sample_size if isinstance(config.sample_size, int) else min(config.sample_size)
    sample = torch.randn((1, config.in_channels, size, size), generator=rng)
    texts = torch.randn((1, 8, config.cross_attention_dim), generator=rng)
    with torch.no_grad():
        predicted: Outcome = unet(sample, 500, encoder_hidden_states=texts).sample.numpy()
    return predicted


def _for_diffusers(loras: list[LoraWeights]) -> list[LoraWeights]:
    return [{f"unet.{name}": value for name, value in lora.items()} for lora in loras]


def _unet(plan: Plan) -> Any:
    from diffusers import UNet2DConditionModel

    folder = presets_of(plan).base_folder(plan.base)
    kind: Any = UNet2DConditionModel
    return kind.from_pretrained(folder, subfolder="unet", local_files_only=True).requires_grad_(False).eval()


def _pipeline(plan: Plan) -> Any:
    from diffusers import StableDiffusionPipeline

    folder = presets_of(plan).base_folder(plan.base)
    kind: Any = StableDiffusionPipeline
    return kind.from_pretrained(folder, local_files_only=True)


def figures(plan: Plan, folder: Path) -> Sequence[Figure]:
    """What reading a LoRA's file through the gate costs, once a job, which no switch shows."""
    from safetensors.torch import save_file

    from studio.models.weights import load_weights

    path = folder / "lora.safetensors"
    save_file(random_loras(plan)[0], path)
    load_weights(path)
    began = time.perf_counter()
    load_weights(path)
    return [Figure(what="reading the LoRA's file through the gate, once a job", value=time.perf_counter() - began)]


def conditions(plan: Plan) -> dict[str, str]:
    """What is switched."""
    return {
        "base": plan.base,
        "LoRA": f"two of rank {plan.lora_rank} on {', '.join(config_of(plan).target_modules)}, in memory",
        "switches in a round": str(plan.switches),
        "number format": "fp32",
        "threads": str(plan.threads),
    }


if __name__ == "__main__":
    main("lora_switch", __doc__, conditions, cases, figures)
