"""Switching between two bases: from asking for a picture to the first step, with both in memory, and with neither."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.images import CACHE_BYTES, LIMIT, engine_of
from benchmarks.pictures import presets_of
from benchmarks.plan import Plan
from benchmarks.rounds import Case, Outcome, Work
from benchmarks.subject import main
from studio.generate.matrix import matrix
from studio.models import ComponentKey, ModelCache, Registry
from studio.presets import Presets, pick
from studio.records.generation import GenerationRequest

if TYPE_CHECKING:
    from torch import Tensor

SECOND = "second-base"
STOCK, STUDIO = "stock pipelines, both in memory", "studio's cache, both in memory"
STOCK_COLD, STUDIO_COLD = "stock pipeline, from_pretrained", "studio's cache, empty"
COMPARES = "the UNet's first input: latents and texts"
Ask = Callable[[GenerationRequest], Outcome]


class FirstStep(Exception):
    """Raised in front of the UNet's first call: the switch is over."""


def cases(plan: Plan, folder: Path) -> Sequence[Case]:
    """Warm and cold."""
    presets, requests = two_bases(plan, folder), requests_of(plan, two_bases(plan, folder))
    warm = {
        STOCK: partial(arm, plan, requests, partial(stock_warm, presets), plan.switches),
        STUDIO: partial(arm, plan, requests, partial(studio_warm, presets), plan.switches),
    }
    cold = {
        STOCK_COLD: partial(arm, plan, requests, lambda: partial(stock_cold, presets), len(requests)),
        STUDIO_COLD: partial(arm, plan, requests, lambda: partial(studio_cold, presets), len(requests)),
    }
    return [
        Case("warm", "Both bases in memory, used in turn", "switch", plan.switches, warm, COMPARES, LIMIT),
        Case("cold", "Nothing in memory but the libraries", "switch", len(requests), cold, COMPARES, LIMIT),
    ]


def two_bases(plan: Plan, folder: Path) -> Presets:
    """The plan's base and a second one, whose text encoder answers otherwise, in a presets folder of their own."""
    from safetensors.torch import load_file, save_file

    root, base = folder / "presets", presets_of(plan).base_folder(plan.base)
    if not root.is_dir():
        for name in ("poses", "looks"):
            shutil.copytree(plan.presets / name, root / name)
        for name in (plan.base, SECOND):
            shutil.copytree(base, root / "bases" / name)
        card = root / "bases" / SECOND / "card.yaml"
        text = card.read_text(encoding="utf-8").replace(f"name: {plan.base}", f"name: {SECOND}", 1)
        card.write_text(text, encoding="utf-8")
        [weights] = (root / "bases" / SECOND / "text_encoder").glob("*.safetensors")
        changed = {n: t * 1.1 if t.is_floating_point() else t.clone() for n, t in load_file(weights).items()}
        save_file(changed, weights, {"format": "pt"})
    return Presets(root, root / "no-brand-models")


def requests_of(plan: Plan, presets: Presets) -> list[GenerationRequest]:
    """The same picture of either base, without a pose."""
    look = pick(presets.looks(), plan.looks[0], "look")
    return [
        matrix([None], [look], [0], card=presets.base(name), num_inference_steps=plan.steps)[0]
        for name in (plan.base, SECOND)
    ]


@contextmanager
def arm(plan: Plan, requests: list[GenerationRequest], opened: Callable[[], Ask], switches: int) -> Iterator[Work]:
    """Asks for the bases in turn; afterwards tells what either UNet was asked at last."""
    import torch

    torch.set_num_threads(plan.threads)
    ask = opened()

    def switch(_: int) -> dict[str, Outcome]:
        return {r.base: ask(r) for r in (requests[number % len(requests)] for number in range(switches))}

    yield Work(switch, lambda seen: np.stack([seen[name] for name in sorted(seen)]))


def stock_warm(presets: Presets) -> Ask:
    """Two pipelines that stay."""
    pipelines = {name: _pipeline(presets, name) for name in presets.bases()}
    return lambda request: _of_stock(pipelines[request.base], request)


def stock_cold(presets: Presets, request: GenerationRequest) -> Outcome:
    """A pipeline that is loaded for it."""
    return _of_stock(_pipeline(presets, request.base), request)


def studio_warm(presets: Presets) -> Ask:
    """One cache that has room for both."""
    cache = ModelCache(Registry(presets), CACHE_BYTES)
    return lambda request: _of_studio(cache, presets, request)


def studio_cold(presets: Presets, request: GenerationRequest) -> Outcome:
    """A cache that knows nothing: the base passes the gate and is loaded."""
    return _of_studio(ModelCache(Registry(presets), CACHE_BYTES), presets, request)


def _pipeline(presets: Presets, name: str) -> Any:
    from diffusers import StableDiffusionPipeline

    kind: Any = StableDiffusionPipeline
    pipeline = kind.from_pretrained(presets.base_folder(name), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _of_stock(pipeline: Any, request: GenerationRequest) -> Outcome:
    import torch

    def draw() -> None:
        framing, generator = request.framing, torch.Generator().manual_seed(request.seed)
        pipeline(
            request.prompt, negative_prompt=request.negative_prompt, num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale, width=framing.width_px, height=framing.height_px,
            generator=generator,
        )  # fmt: skip

    return _first_input(pipeline.unet, draw)


def _of_studio(cache: ModelCache, presets: Presets, request: GenerationRequest) -> Outcome:
    engine = engine_of(cache, presets, "fp32")
    with cache.use(ComponentKey(request.base, "unet")) as unet:
        return _first_input(unet, lambda: next(engine.run([request])))


def _first_input(unet: Any, draw: Callable[[], object]) -> Outcome:
    """What a UNet is asked first, flat; it does not answer."""
    seen: list[Tensor] = []

    def before(_: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        seen.extend((arguments[0], options["encoder_hidden_states"]))
        raise FirstStep

    hook = unet.register_forward_pre_hook(before, with_kwargs=True)
    try:
        draw()
    except FirstStep:
        pass
    finally:
        hook.remove()
    return np.concatenate([tensor.detach().float().cpu().numpy().ravel() for tensor in seen])


def conditions(plan: Plan) -> dict[str, str]:
    """What is switched."""
    return {
        "bases": f"{plan.base}, and a copy of it with other weights in the text encoder",
        "asked for": "one picture without a pose; the UNet's first call ends it",
        "switches in a round": f"{plan.switches} warm, 2 cold",
        "number format": "fp32",
        "threads": str(plan.threads),
    }


if __name__ == "__main__":
    main("model_switch", __doc__, conditions, cases)
