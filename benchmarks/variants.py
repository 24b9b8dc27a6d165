"""A day's variants: poses x looks x seeds under two LoRAs, the pose controlled in a part of the steps."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.images import LIMIT, SHORT_RANGE, StockLora, stock_arm, studio_arm
from benchmarks.plan import Plan
from benchmarks.rounds import Case
from benchmarks.subject import main
from studio.generate.matrix import matrix
from studio.presets import Presets, pick
from studio.records.generation import AdapterWeight, GenerationRequest

SECOND = "second-brand"
WEIGHTS = (1.0, 0.5)
"""Adapter weights of the shipped brand model and of the random one beside it."""
PLAIN, EXACT, DRAFT = "plain loop, fp32", "studio's engine, exact, fp32", "studio's engine, draft, fp32"
PLAIN_HALF, HALF = "plain loop, bf16", "studio's engine, exact, bf16"
OPENVINO = "OpenVINO"
EARLY = "guidance ends after 60 % of the steps."
ROUNDED = "rounded to bf16 throughout."
HALF_ROUNDS = 2


def cases(plan: Plan, folder: Path) -> Sequence[Case]:
    """Exact and draft in fp32; and bf16 beside them, on fewer pictures of fewer steps where the plan says so."""
    presets = presets_with_loras(plan, folder)
    compares, loras = "latents, and pixels in [0, 1] before rounding", stock_loras(presets, plan)
    requests = requests_of(plan, presets)
    arms = {
        PLAIN: partial(stock_arm, plan, requests, "fp32", loras),
        EXACT: partial(studio_arm, presets, requests, plan.threads),
        DRAFT: partial(studio_arm, presets, drafts(requests), plan.threads),
    }
    words = "Variants in fp32"
    fp32 = Case("fp32", words, "picture", len(requests), arms, compares, LIMIT, {DRAFT: EARLY}, {OPENVINO: openvino()})
    return [fp32, half_case(plan, presets, compares)] if plan.half_variants else [fp32]


def half_case(plan: Plan, presets: Presets, compares: str) -> Case:
    """The first of the same variants in bf16, and as drafts in fp32 beside them."""
    few = plan.model_copy(update={"steps": plan.half_steps})
    requests, loras = requests_of(few, presets)[: plan.half_variants], stock_loras(presets, plan)
    arms = {
        PLAIN: partial(stock_arm, plan, requests, "fp32", loras),
        DRAFT: partial(studio_arm, presets, drafts(requests), plan.threads),
        PLAIN_HALF: partial(stock_arm, plan, requests, "bf16", loras),
        HALF: partial(studio_arm, presets, requests, plan.threads, "bf16"),
    }
    differs = {DRAFT: EARLY, PLAIN_HALF: ROUNDED, HALF: ROUNDED}
    words = f"Variants in bf16, {len(requests)} of {plan.half_steps} steps"
    return Case(
        "bf16", words, "picture", len(requests), arms, compares, LIMIT, differs, beside=PLAIN_HALF, rounds=HALF_ROUNDS
    )


def requests_of(plan: Plan, presets: Presets) -> list[GenerationRequest]:
    """A part of all variants with as many of one text and pose as the whole has: sets of seeds of pose and look.

    Pose and look both go on from set to set, so that few sets hold as many of either as they can.

    Raises:
        NotFoundError: an unknown pose, look, base or brand model.
    """
    poses, looks = presets.poses(), presets.looks()
    cards = [pick(presets.brand_models(), name, "brand model") for name in (plan.brand_model, SECOND)]
    adapters = [AdapterWeight(brand_model=c.name, adapter_weight=w) for c, w in zip(cards, WEIGHTS, strict=True)]
    sets = [
        matrix(
            [pick(poses, plan.variant_poses[number % len(plan.variant_poses)], "pose")],
            [pick(looks, plan.variant_looks[number % len(plan.variant_looks)], "look")],
            range(plan.variant_seeds),
            card=presets.base(plan.base),
            triggers=[card.trigger_token for card in cards],
            adapters=tuple(adapters),
            num_inference_steps=plan.steps,
            control_guidance_end=SHORT_RANGE,
        )
        for number in range(max(1, plan.variants // plan.variant_seeds))
    ]
    return [request for one in sets for request in one]


def drafts(requests: list[GenerationRequest]) -> list[GenerationRequest]:
    """The same as drafts."""
    return [request.model_copy(update={"speed": "draft"}) for request in requests]


def presets_with_loras(plan: Plan, folder: Path) -> Presets:
    """The plan's presets with two brand models: the one that it names, and one of the same shapes, random."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save

    brand_models = folder / "brand_models"
    first = brand_models / plan.brand_model
    if not first.is_dir():
        shutil.copytree(plan.brand_models / plan.brand_model, first)
        card = Presets(plan.presets, brand_models).brand_models()[plan.brand_model]
        with safe_open(first / card.weights_file, "pt") as file:
            trained, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
        rng = torch.Generator().manual_seed(0)
        random = {n: torch.randn(t.shape, generator=rng) * t.float().std() for n, t in sorted(trained.items())}
        data = save(random, metadata)
        second = card.model_copy(update={"name": SECOND, "weights_sha256": hashlib.sha256(data).hexdigest()})
        (brand_models / SECOND).mkdir()
        (brand_models / SECOND / card.weights_file).write_bytes(data)
        (brand_models / SECOND / "card.json").write_text(json.dumps(second.model_dump(mode="json")), encoding="utf-8")
    return Presets(plan.presets, brand_models)


def stock_loras(presets: Presets, plan: Plan) -> list[StockLora]:
    """The same two as the stock pipeline loads them."""
    files = [
        presets.brand_model_folder(name) / presets.brand_models()[name].weights_file
        for name in (plan.brand_model, SECOND)
    ]
    names = (plan.brand_model, SECOND)
    return [StockLora(name, file, weight) for name, file, weight in zip(names, files, WEIGHTS, strict=True)]


def openvino() -> str:
    """Why it has no row of its own."""
    there = importlib.util.find_spec("openvino") is not None
    return "not run: the engine has no such path" if there else "not run: the package is not installed"


def conditions(plan: Plan) -> dict[str, str]:
    """What is drawn."""
    card = Presets(plan.presets, plan.brand_models).base(plan.base)
    sets, all_sets = max(1, plan.variants // plan.variant_seeds), len(plan.variant_poses) * len(plan.variant_looks)
    return {
        "base": plan.base,
        "variants": (
            f"{sets * plan.variant_seeds} in a round, of {all_sets * plan.variant_seeds} in the same mixture: "
            f"{sets} of {all_sets} pairs of pose and look, {plan.variant_seeds} seeds each"
        ),
        "size": f"{card.width_px}x{card.height_px} px",
        "steps": str(plan.steps or card.num_inference_steps),
        "guidance": str(card.guidance_scale),
        "pose": f"controlled in the first {SHORT_RANGE:.0%} of the steps",
        "LoRAs": f"{plan.brand_model} at {WEIGHTS[0]:g} and one of the same shapes, random, at {WEIGHTS[1]:g}",
        "threads": str(plan.threads),
    }


if __name__ == "__main__":
    main("variants", __doc__, conditions, cases)
