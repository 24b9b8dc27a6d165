"""Distils croquis's guided schedule into a few steps for live previews: `python -m foundry.few_step --minutes 12`.

From the same noise, caption and pose, a LoRA on the UNet learns to come in 3 steps without guidance to where the base
comes in 6 with it (which is within 3 levels of 255 of what 12 steps draw). Both go the deterministic way of DDIM, so a
preview shows the picture that its seed will give: steps as in Salimans and Ho 2022 (arXiv 2202.00512), guidance as in
Meng et al. 2023 (arXiv 2210.03142). The loss is taken after every step, and the student goes on from where its own
steps have led it, so that it learns to mend what it has done.

The teacher is the UNet of the base folder, without the LoRA: run it after `foundry.assemble`. It writes `few_step/`
into that folder; `--measure 200` compares with the full schedule on held-out items, as the scorecard does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from foundry.denoiser import BASE, captions
from foundry.fit import FitConfig, Losses, fit, pick_device, rank, run_workers
from foundry.latents import Latents
from studio.models.families.stable_diffusion import embedded_once
from studio.models.few_step import CARD, FEW_STEP, LORA, FewStepCard

Array = npt.NDArray[Any]
FOLDER = Path("artefacts/few_step")
STEPS, TEACHER_STEPS, GUIDANCE = 3, 6, 2.0
RANK = 16
"""2.6 MB in fp16 on all layers below."""
LAYERS = (
    "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out",
    "conv1", "conv2", "conv_shortcut", "time_emb_proj", "conv_in", "conv_out",
)  # fmt: skip
BATCH, NO_CONTROL = 8, 0.1
REMEMBERED = 1000
"""Courses of the teacher that are kept, of 150 KB each; one is new in every step."""
UNSEEN = range(10**6, 10**6 + 16)
"""Numbers of courses that training never reaches."""


class Networks:
    """The base's networks, with a LoRA on the UNet that learns; all else is frozen."""

    def __init__(self, base: Path, device: torch.device, *, lora_rank: int = RANK) -> None:
        self.device = device
        unet: Any = UNet2DConditionModel.from_pretrained(base / "unet", torch_dtype=torch.float32)
        config = LoraConfig(r=lora_rank, lora_alpha=lora_rank, target_modules=list(LAYERS))
        unet.requires_grad_(False).add_adapter(config)
        controlnet: Any = ControlNetModel.from_pretrained(base / "controlnet", torch_dtype=torch.float32)
        text: Any = CLIPTextModel.from_pretrained(base / "text_encoder", dtype=torch.float32)
        self.unet = unet.to(device)
        self.controlnet, self.text_encoder = (net.to(device).requires_grad_(False).eval() for net in (controlnet, text))
        self.tokenizer = CLIPTokenizer.from_pretrained(base / "tokenizer")
        self.scheduler = DDIMScheduler.from_pretrained(base / "scheduler")
        self.blank = self.encode([""])

    @torch.no_grad()
    def encode(self, texts: list[str]) -> torch.Tensor:
        """(B, L, D) hidden states, padded as the stock pipelines do."""
        limit = self.tokenizer.model_max_length
        tokens = self.tokenizer(texts, padding="max_length", max_length=limit, truncation=True, return_tensors="pt")
        hidden: torch.Tensor = self.text_encoder(tokens.input_ids.to(self.device)).last_hidden_state
        return hidden

    def teach(self, noise: torch.Tensor, text: torch.Tensor, maps: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """(B, STEPS, C, h, w): where the base without the LoRA, guided, is after each of the student's steps."""
        self.unet.disable_adapters()
        with torch.no_grad():
            found = self.draw(noise, text, maps, shown, steps=TEACHER_STEPS, guidance=GUIDANCE)
        self.unet.enable_adapters()
        share = TEACHER_STEPS // STEPS
        return torch.stack(found[share - 1 :: share], dim=1)

    def draw(
        self, noise: torch.Tensor, text: torch.Tensor, maps: torch.Tensor, shown: torch.Tensor, *, steps: int,
        guidance: float = 1.0,
    ) -> list[torch.Tensor]:  # fmt: skip
        """Latents (B, C, h, w) after each step of DDIM.

        Args:
            noise: (B, C, h, w).
            maps: (B, 3, H, W) in [0, 1].
            shown: (B,) 0 or 1: whether the pose counts.
        """
        scheduler = DDIMScheduler.from_config(self.scheduler.config)
        scheduler.set_timesteps(steps, device=self.device)
        latents, found = noise, []
        twice = 2 if guidance > 1 else 1
        text = torch.cat([self.blank.expand_as(text), text]) if guidance > 1 else text
        scale = shown.repeat(twice).view(-1, 1, 1, 1)
        with embedded_once(self.controlnet, [maps]) as (embedded,):
            embedded = embedded.repeat(twice, 1, 1, 1)
            for timestep in scheduler.timesteps:
                rows = latents.repeat(twice, 1, 1, 1)
                with torch.no_grad():  # the way back through the control is left out
                    down, middle = self.controlnet(
                        rows.detach(), timestep, text, embedded, conditioning_scale=scale, return_dict=False
                    )
                output = self.unet(
                    rows, timestep, text, down_block_additional_residuals=down, mid_block_additional_residual=middle
                ).sample
                if guidance > 1:
                    without, given = output.chunk(2)
                    output = without + guidance * (given - without)
                latents = scheduler.step(output, timestep, latents).prev_sample
                found.append(latents)
        return found


class Step:
    """Makes the loss of a step: in each one course of the teacher that is new, and others that are known."""

    def __init__(self, networks: Networks, data: Latents, batch: int) -> None:
        self.networks, self.data, self.batch = networks, data, batch
        self._known: OrderedDict[int, torch.Tensor] = OrderedDict()

    def __call__(self, step: int) -> Losses:
        rng = np.random.default_rng([step, rank(), 29])
        first = max(0, step - REMEMBERED // 2)
        others = first + rng.choice(step + self.batch - first, self.batch - 1, replace=False)
        return self.losses([step + self.batch, *map(int, others)])

    def losses(self, numbers: list[int], *, learned: bool = True) -> Losses:
        """Squared error after each of the student's steps, on the courses of these numbers.

        Args:
            learned: False: without the LoRA.
        """
        given = self._given(numbers)
        courses = self._courses(numbers, given)
        if not learned:
            self.networks.unet.disable_adapters()
        found = self.networks.draw(*given, steps=STEPS)
        self.networks.unet.enable_adapters()
        return {f"step {k + 1}": nn.functional.mse_loss(own, courses[:, k]) for k, own in enumerate(found)}

    def _given(self, numbers: list[int]) -> tuple[torch.Tensor, ...]:
        """Noise, text, maps and whether these are shown, all following from a course's number and the worker."""
        rngs = [np.random.default_rng([number, rank(), 31]) for number in numbers]
        rows = np.array([int(rng.integers(len(self.data))) for rng in rngs])
        _, control, attributes = self.data.batch(rows)
        said = np.zeros(1, bool)
        texts = [captions(attributes[i : i + 1], said, rng)[0] for i, rng in enumerate(rngs)]
        shape = self.data.latents[0].shape[1:]
        noise = np.stack([rng.standard_normal(shape, np.float32) for rng in rngs])
        shown = np.array([rng.random() >= NO_CONTROL for rng in rngs], np.float32)
        device = self.networks.device
        maps = torch.from_numpy(control).permute(0, 3, 1, 2).float().to(device) / 255
        return (
            torch.from_numpy(noise).to(device), self.networks.encode(texts), maps, torch.from_numpy(shown).to(device)
        )  # fmt: skip

    def _courses(self, numbers: list[int], given: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """(B, STEPS, C, h, w); those that are not known, as after a resume, are drawn."""
        missing = [place for place, number in enumerate(numbers) if number not in self._known]
        if missing:
            drawn = self.networks.teach(*(part[missing] for part in given))
            self._known |= {numbers[place]: course for place, course in zip(missing, drawn, strict=True)}
        courses = torch.stack([self._known[number] for number in numbers])
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return courses


def unseen_error(step: Step) -> dict[str, float]:
    """Squared error of the final latents on courses that training never saw, with the LoRA and without."""
    numbers, last = list(UNSEEN), f"step {STEPS}"
    with torch.no_grad():
        with_it, without = (float(step.losses(numbers, learned=learned)[last]) for learned in (True, False))
    return {"unseen": round(with_it, 5), "unseen_without": round(without, 5)}


def same_teacher(base: Path, folder: Path) -> None:
    """Raises ValueError: a state in `folder` has learned from another UNet than the base's."""
    digest = hashlib.sha256()
    for path in sorted((base / "unet").glob("*.safetensors")):
        digest.update(path.read_bytes())
    mark = folder / "teacher.txt"
    if mark.is_file() and mark.read_text() != digest.hexdigest():
        raise ValueError(f"{folder} was begun with another UNet: remove it")
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(digest.hexdigest())


def save(networks: Networks, folder: Path) -> None:
    """Writes what a base brings: LoRA, scheduler, and the number of steps."""
    state = get_peft_model_state_dict(networks.unet)
    layers = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in state.items()}
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=layers, weight_name=LORA)
    networks.scheduler.save_pretrained(folder / "scheduler")
    (folder / CARD).write_text(FewStepCard(num_inference_steps=STEPS).model_dump_json() + "\n")


def write(base: Path = BASE, folder: Path = FOLDER) -> None:
    """Puts the trained weights into a base's folder, in the place of those that were there."""
    shutil.rmtree(base / FEW_STEP, ignore_errors=True)
    shutil.copytree(folder / FEW_STEP, base / FEW_STEP)


def train(minutes: float, learning_rate: float, workers: int) -> None:
    """One worker's part of the stage."""
    torch.manual_seed(0)
    if rank() == 0:
        same_teacher(BASE, FOLDER)
    networks = Networks(BASE, pick_device())
    step = Step(networks, Latents.open("croquis"), BATCH // workers)
    evaluate = partial(unseen_error, step) if rank() == 0 else None
    fit(networks.unet, step, FitConfig(FOLDER, minutes, learning_rate, ema_decay=0.98), evaluate)
    if rank() == 0:
        save(networks, FOLDER / FEW_STEP)
        write()


def measure(count: int) -> dict[str, Any]:
    """The full schedule, the few steps and the same without the LoRA, on held-out items, as the judge reads them."""
    from foundry.judge import SHIPPED
    from foundry.scorecard import Items, draw
    from foundry.scorecard import measure as measured
    from studio.measure.judge import Judge

    def learned(pipeline: Any) -> None:
        pipeline.load_lora_weights(BASE / FEW_STEP, weight_name=LORA)
        pipeline.scheduler = DDIMScheduler.from_pretrained(BASE / FEW_STEP / "scheduler")

    items, judge = Items.load(count), Judge.load(SHIPPED)
    drawn = {
        "full": draw(items, 12, GUIDANCE, True),
        "few_step": draw(items, STEPS, 1.0, True, prepare=learned),
        "without_lora": draw(items, STEPS, 1.0, True),
    }
    full = np.stack(drawn["full"]).astype(np.float32)
    card: dict[str, Any] = {"items": count, "num_inference_steps": STEPS}
    for name, pictures in drawn.items():
        away = float(np.sqrt(np.mean((np.stack(pictures) - full) ** 2)))
        numbers = measured(items, judge.read(pictures), pictures, judge.trusted)
        card[name] = {**numbers, "rmse_to_full": round(away, 2)}
    card["joint_error_ratio"] = round(card["few_step"]["joint_mm_median"] / card["full"]["joint_mm_median"], 3)
    return card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=1 if torch.cuda.is_available() else 2)
    parser.add_argument(
        "--measure", type=int, default=0, metavar="ITEMS", help="train nothing; compare on held-out items"
    )
    arguments = parser.parse_args()
    if arguments.measure:
        card = measure(arguments.measure)
        (FOLDER / "scorecard.json").write_text(json.dumps(card, indent=1) + "\n")
        print(json.dumps(card, indent=1))
    else:
        run_workers(partial(train, arguments.minutes, arguments.learning_rate, arguments.workers), arguments.workers)


if __name__ == "__main__":
    main()
