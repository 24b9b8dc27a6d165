"""Seconds a picture with pose control: the studio's engine against a plain loop over the stock pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.pictures import presets_of, requests_of, watched
from benchmarks.plan import Plan
from benchmarks.rounds import Case, Work
from benchmarks.subject import main
from studio.compose import draw_openpose
from studio.models import ComponentKey, ModelCache, Registry
from studio.models.family import torch_dtype
from studio.presets import Presets
from studio.records.generation import GenerationRequest

LIMIT = 1e-4
CACHE_BYTES = 2**34
SHORT_RANGE = 0.6
"""`control_guidance_end` of the second comparison; the stock pipeline runs its ControlNet on, at a scale of zero."""
STOCK, STUDIO = "stock pipeline, a plain loop", "studio's engine"


class StockLora(NamedTuple):
    """A LoRA as the stock pipeline loads it."""

    name: str
    file: Path
    adapter_weight: float


def cases(plan: Plan, folder: Path) -> Sequence[Case]:
    """Control over all steps, and over a part of them."""
    return [
        case("whole", "The pose is controlled in all steps", plan, requests_of(plan)),
        case(
            "part",
            f"The pose is controlled in the first {SHORT_RANGE:.0%} of the steps",
            plan,
            requests_of(plan, control_guidance_end=SHORT_RANGE),
        ),
    ]


def case(key: str, title: str, plan: Plan, requests: list[GenerationRequest]) -> Case:
    """Both arms on the same requests."""
    arms = {
        STOCK: partial(stock_arm, plan, requests),
        STUDIO: partial(studio_arm, presets_of(plan), requests, plan.threads),
    }
    return Case(key, title, "picture", len(requests), arms, "latents, and pixels in [0, 1] before rounding", LIMIT)


def stock_options(request: GenerationRequest) -> dict[str, Any]:
    """A request as the stock ControlNet pipeline takes it, without its map and its generator."""
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "num_inference_steps": request.num_inference_steps,
        "guidance_scale": request.guidance_scale,
        "controlnet_conditioning_scale": request.controlnet_conditioning_scale,
        "control_guidance_start": request.control_guidance_start,
        "control_guidance_end": request.control_guidance_end,
    }


@contextmanager
def stock_arm(
    plan: Plan, requests: list[GenerationRequest], dtype: str = "fp32", loras: Sequence[StockLora] = ()
) -> Iterator[Work]:
    """The unmodified pipeline, one picture after the other. Its control maps and LoRAs are there beforehand."""
    import torch
    from diffusers import StableDiffusionControlNetPipeline
    from PIL import Image

    torch.set_num_threads(plan.threads)
    folder = presets_of(plan).base_folder(plan.base)
    kind: Any = StableDiffusionControlNetPipeline
    pipeline = kind.from_pretrained(folder, dtype=torch_dtype(dtype), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    with_loras(pipeline, loras)
    maps = [Image.fromarray(draw_openpose(r.pose, r.framing)) for r in requests if r.pose is not None]

    def draw(_: int) -> list[int]:
        for request, control in zip(requests, maps, strict=True):
            generator = torch.Generator().manual_seed(request.seed)
            start = {} if dtype == "fp32" else {"latents": noise_of(pipeline, request)}
            pipeline(image=control, generator=generator, **start, **stock_options(request))
        return list(range(len(requests)))

    with watched(pipeline.vae) as seen:
        yield Work(draw, seen.take)


def with_loras(pipeline: Any, loras: Sequence[StockLora]) -> None:
    """LoRAs on a stock pipeline, by its own public way."""
    if not loras:
        return
    with warnings.catch_warnings():  # peft points out that another adapter is there; so it shall be
        warnings.filterwarnings("ignore", "Already found a `peft_config`")
        for name, file, _ in loras:
            pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name=name, local_files_only=True)
    pipeline.set_adapters([lora.name for lora in loras], [lora.adapter_weight for lora in loras])


def noise_of(pipeline: Any, request: GenerationRequest) -> Any:
    """The noise of a seed as fp32 draws it, rounded: torch draws other noise in another dtype."""
    import torch

    factor, framing = pipeline.vae_scale_factor, request.framing
    shape = (1, pipeline.unet.config.in_channels, framing.height_px // factor, framing.width_px // factor)
    return torch.randn(shape, generator=torch.Generator().manual_seed(request.seed)).to(pipeline.unet.dtype)


@contextmanager
def studio_arm(
    presets: Presets, requests: list[GenerationRequest], threads: int, dtype: str = "fp32"
) -> Iterator[Work]:
    """The engine as the generate stage makes it, its components in the cache."""
    import torch

    torch.set_num_threads(threads)
    cache = ModelCache(Registry(presets), CACHE_BYTES)
    engine = engine_of(cache, presets, dtype)

    def draw(_: int) -> list[int]:
        return [drawn.index for drawn in engine.run(requests)]

    with cache.use(ComponentKey(requests[0].base, "vae", dtype)) as vae, watched(vae) as seen:
        yield Work(draw, seen.take)


def engine_of(cache: ModelCache, presets: Presets, dtype: str, device: str = "cpu", **options: Any) -> Any:
    """An engine as the generate stage makes it."""
    from studio.generate.adapters import load_adapter
    from studio.generate.engine import Engine

    return Engine(
        cache, device=device, dtype=dtype, adapters=partial(load_adapter, presets), draw_control=draw_openpose,
        read_picture=_no_picture, **options,
    )  # fmt: skip


def _no_picture(sha256: str) -> Any:
    raise KeyError(f"no request of this benchmark names a picture, {sha256}")


def conditions(plan: Plan) -> dict[str, str]:
    """What is drawn."""
    requests = requests_of(plan)
    framing, first = requests[0].framing, requests[0]
    return {
        "base": plan.base,
        "pictures in a round": f"{len(requests)} of {framing.width_px}x{framing.height_px} px, each with its own seed",
        "steps": str(first.num_inference_steps),
        "guidance": str(first.guidance_scale),
        "number format": "fp32",
        "threads": str(plan.threads),
    }


if __name__ == "__main__":
    main("images", __doc__, conditions, cases)
