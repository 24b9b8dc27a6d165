"""A live preview: with the few-step weights that a base brings, with the base alone, and the full schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.images import CACHE_BYTES, LIMIT, conditions, engine_of
from benchmarks.pictures import presets_of, requests_of, watched
from benchmarks.plan import Plan
from benchmarks.rounds import Case, Work
from benchmarks.subject import main
from studio.generate import quick
from studio.models import ComponentKey, ModelCache, Registry
from studio.records.generation import GenerationRequest

FULL, ALONE, FEW = "studio's engine, full schedule", "studio's preview, the base alone", "studio's preview, few-step"


def cases(plan: Plan, folder: Path) -> Sequence[Case]:
    """The same poses, looks and seeds in three ways."""
    requests, few_steps = requests_of(plan), few_steps_of(plan)
    arms = {
        FULL: partial(arm, plan, requests, few_step=False),
        ALONE: partial(arm, plan, [quick(request) for request in requests], few_step=False),
    }
    differs, absent = {ALONE: "fewer steps"}, {FEW: "the base brings no few-step weights"}
    if few_steps is not None:
        arms[FEW] = partial(arm, plan, [quick(request, few_steps) for request in requests], few_step=True)
        differs[FEW], absent = f"{few_steps} steps, guidance is in the weights", {}
    return [
        Case(
            "pose", "From a pose to its picture, one at a time", "picture", len(requests), arms,
            "latents, and pixels in [0, 1] before rounding", LIMIT, differs,
            absent,
        )
    ]  # fmt: skip


def few_steps_of(plan: Plan) -> int | None:
    """The steps of the base's own few-step weights; None where it brings none."""
    return Registry(presets_of(plan)).few_steps(plan.base)


@contextmanager
def arm(plan: Plan, requests: list[GenerationRequest], *, few_step: bool) -> Iterator[Work]:
    """The engine as live previews call it: each picture alone."""
    import torch

    torch.set_num_threads(plan.threads)
    presets = presets_of(plan)
    cache = ModelCache(Registry(presets), CACHE_BYTES)
    engine = engine_of(cache, presets, "fp32")

    def draw(_: int) -> list[int]:
        for request in requests:
            list(engine.run([request], few_step=few_step))
        return list(range(len(requests)))

    with cache.use(ComponentKey(plan.base, "vae", "fp32")) as vae, watched(vae) as seen:
        yield Work(draw, seen.take)


if __name__ == "__main__":
    main("preview", __doc__, conditions, cases)
