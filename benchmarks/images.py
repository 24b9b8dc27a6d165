"""Seconds a picture with pose control: the studio's engine against a plain loop over the stock pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.pictures import presets_of, requests_of, watched
from benchmarks.plan import Plan
from benchmarks.rounds import Case, Work
from benchmarks.subject import main
from studio.compose import draw_openpose
from studio.models import ComponentKey, ModelCache, Registry
from studio.presets import Presets
from studio.records.generation import GenerationRequest

LIMIT = 1e-4
CACHE_BYTES = 2**34
SHORT_RANGE = 0.6
"""`control_guidance_end` of the second comparison; the stock pipeline runs its ControlNet on, at a scale of zero."""
STOCK, STUDIO = "stock pipeline, a plain loop", "studio's engine"


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
def stock_arm(plan: Plan, requests: list[GenerationRequest]) -> Iterator[Work]:
    """The unmodified pipeline, one picture after the other. Its control maps are drawn beforehand."""
    import torch
    from diffusers import StableDiffusionControlNetPipeline
    from PIL import Image

    torch.set_num_threads(plan.threads)
    folder = presets_of(plan).base_folder(plan.base)
    kind: Any = StableDiffusionControlNetPipeline
    pipeline = kind.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    maps = [Image.fromarray(draw_openpose(r.pose, r.framing)) for r in requests if r.pose is not None]

    def draw(_: int) -> list[int]:
        for request, control in zip(requests, maps, strict=True):
            generator = torch.Generator().manual_seed(request.seed)
            pipeline(image=control, generator=generator, **stock_options(request))
        return list(range(len(requests)))

    with watched(pipeline.vae) as seen:
        yield Work(draw, seen.take)


@contextmanager
def studio_arm(presets: Presets, requests: list[GenerationRequest], threads: int) -> Iterator[Work]:
    """The engine as the generate stage makes it, its components in the cache."""
    import torch

    from studio.generate.adapters import load_adapter
    from studio.generate.engine import Engine

    torch.set_num_threads(threads)
    cache = ModelCache(Registry(presets), CACHE_BYTES)
    adapters = partial(load_adapter, presets)
    engine = Engine(
        cache, device="cpu", dtype="fp32", adapters=adapters, draw_control=draw_openpose, read_picture=_no_picture
    )

    def draw(_: int) -> list[int]:
        return [drawn.index for drawn in engine.run(requests)]

    with cache.use(ComponentKey(requests[0].base, "vae")) as vae, watched(vae) as seen:
        yield Work(draw, seen.take)


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
