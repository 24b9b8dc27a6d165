"""The one training loop of the foundry: a time budget, EMA, atomic checkpoints, stop and resume.

Every stage gives a loss for a step; everything random in it derives from the step number, so a resumed run
continues as if it had never stopped.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from safetensors.torch import load_file, save_file
from torch import nn

Losses = dict[str, torch.Tensor]


def pick_device() -> torch.device:
    """CUDA when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """bf16 where the machine multiplies it natively; a CPU without avx512_bf16 is faster in fp32."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=native)


@dataclass(frozen=True)
class FitConfig:
    """How long and how fast.

    Attributes:
        minutes: the time budget of the whole stage, over all resumes; the learning rate decays along it.
        floor: the learning rate's last value, as a share of `learning_rate`.
    """

    folder: Path
    minutes: float
    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.02
    floor: float = 0.02
    ema_decay: float = 0.999
    report_every_s: float = 60.0


def schedule(progress: float, config: FitConfig) -> float:
    """Learning rate factor at `progress` in [0, 1]: linear warm-up, then cosine."""
    if progress < config.warmup:
        return max(progress / config.warmup, 0.02)
    along = (progress - config.warmup) / (1 - config.warmup)
    return config.floor + (1 - config.floor) * 0.5 * (1 + math.cos(math.pi * min(along, 1.0)))


class Ema:
    """Exponential moving average of the trained parameters, faster while young."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves the average towards the model after optimiser step `step`."""
        keep = min(self.decay, (1 + step) / (10 + step))
        parameters = {n: p.detach() for n, p in model.named_parameters() if n in self.values}
        torch._foreach_lerp_(list(self.values.values()), list(parameters.values()), 1 - keep)  # type: ignore[attr-defined]

    def copy_to(self, model: nn.Module) -> None:
        """Writes the average into the model."""
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in self.values:
                    parameter.copy_(self.values[name])


def _save(
    folder: Path, model: nn.Module, ema: Ema, optimizer: torch.optim.Optimizer, progress: dict[str, float]
) -> None:
    tensors = {f"model.{n}": p.detach().contiguous() for n, p in model.named_parameters() if p.requires_grad}
    tensors |= {f"ema.{n}": v.contiguous() for n, v in ema.values.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value.contiguous() for key, value in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "state.safetensors.tmp"
    save_file(tensors, temporary, metadata={"progress": json.dumps(progress)})
    os.replace(temporary, folder / "state.safetensors")
    (folder / "progress.json").write_text(json.dumps(progress))


def _load(folder: Path, model: nn.Module, ema: Ema, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    path = folder / "state.safetensors"
    if not path.is_file():
        return {"step": 0, "elapsed_s": 0.0}
    tensors = load_file(path, device=str(next(model.parameters()).device))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (
                parameter.requires_grad and f"model.{name}" in tensors
            ):  # a part that is newer than the state starts anew
                parameter.copy_(tensors[f"model.{name}"])
                ema.values[name].copy_(tensors[f"ema.{name}"])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, field = key.split(".")
            state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    progress: dict[str, float] = json.loads((folder / "progress.json").read_text())
    return progress


def rank() -> int:
    """Number of this worker; 0 alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def _work(worker: int, workers: int, port: int, main: Callable[[], None]) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # zero-initialised layers breed denormal numbers, which a CPU multiplies slowly
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=worker, world_size=workers)
    main()
    dist.destroy_process_group()


def run_workers(main: Callable[[], None], workers: int, port: int = 29517) -> None:
    """Runs `main` in `workers` processes of one thread each that average their gradients once a step.

    On a busy CPU this beats as many threads in one process, which wait for each other at every operation.
    """
    if workers == 1:
        main()
    else:
        multiprocessing.spawn(_work, args=(workers, port, main), nprocs=workers)


def _average(parameters: list[nn.Parameter]) -> None:
    """Replaces gradients by their mean over the workers."""
    if not dist.is_initialized():
        return
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    dist.all_reduce(flat)
    offset = 0
    for parameter in parameters:
        if parameter.grad is not None:
            count = parameter.grad.numel()
            parameter.grad.copy_(flat[offset : offset + count].view_as(parameter.grad) / dist.get_world_size())
            offset += count


def _shared(elapsed_s: float) -> float:
    """The first worker's clock. All stop after the same step: one that went on would wait for the others for ever."""
    if not dist.is_initialized():
        return elapsed_s
    clock = torch.tensor([elapsed_s], dtype=torch.float64)
    dist.broadcast(clock, 0)
    return float(clock)


def fit(
    model: nn.Module,
    loss_of_step: Callable[[int], Losses],
    config: FitConfig,
    evaluate: Callable[[], dict[str, float]] | None = None,
) -> None:
    """Trains `model` until the budget is spent and leaves the EMA weights in it.

    Args:
        loss_of_step: step -> named losses; their sum is minimised.
        evaluate: called on the EMA weights at the end; its numbers go to `metrics.jsonl`.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay, foreach=True
    )
    ema = Ema(model, config.ema_decay)
    progress = _load(config.folder, model, ema, optimizer)
    step, elapsed, budget = int(progress["step"]), progress["elapsed_s"], config.minutes * 60
    config.folder.mkdir(parents=True, exist_ok=True)
    last_report, recent = elapsed, {}
    while elapsed < budget:
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(elapsed / budget, config)
        losses = loss_of_step(step)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        _average(parameters)
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        ema.update(model, step)
        step += 1
        elapsed = _shared(elapsed + time.perf_counter() - started)
        values = {k: float(v.detach()) for k, v in losses.items()}
        recent = {k: 0.98 * recent.get(k, v) + 0.02 * v for k, v in values.items()}
        if rank() == 0 and (elapsed - last_report >= config.report_every_s or elapsed >= budget):
            last_report = elapsed
            _save(config.folder, model, ema, optimizer, {"step": step, "elapsed_s": elapsed})
            words = ", ".join(f"{k} {v:.5f}" for k, v in recent.items())
            print(f"step {step}, {elapsed / 60:.1f} of {config.minutes:g} min, {words}", flush=True)
            with (config.folder / "metrics.jsonl").open("a") as log:
                log.write(json.dumps({"step": step, "elapsed_s": round(elapsed, 1), **recent}) + "\n")
    ema.copy_to(model)
    if evaluate is not None:
        numbers = evaluate()
        print(json.dumps(numbers), flush=True)
        with (config.folder / "metrics.jsonl").open("a") as log:
            log.write(json.dumps({"step": step, "evaluation": numbers}) + "\n")
