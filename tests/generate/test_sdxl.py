"""SDXL: the engine's latents equal the stock pipelines', with single ControlNets and with the Union one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from studio.errors import FaultsError
from studio.generate.adapters import load_adapter
from studio.models import ComponentKey, ModelCache
from studio.models.families.sdxl import SDXL
from studio.models.families.stable_diffusion_xl import UNION_MODES
from studio.presets import Presets
from studio.records.generation import AdapterWeight, GenerationRequest, Inpaint
from tests.brand_model import write_brand_model
from tests.generate.stock import (
    MASK,
    PICTURES,
    cache_of,
    difference,
    follow,
    our_latents,
    posed,
    presets_root,
    request,
    sha_of,
    stock_control,
    stock_latents,
)
from tests.tiny_sd15 import controlnet_for, shelve
from tests.tiny_sdxl import build_tiny_sdxl, union_controlnet

TOLERANCE = 1e-4
# diffusers' Euler scheduler under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
UNION = ComponentKey("sdxl-controlnet-union", "controlnet_union")


class Tiny(NamedTuple):
    """A tiny base, once with three single ControlNets on the shelf and once with the Union beside one of them."""

    root: Path
    single: ModelCache
    joint: ModelCache
    plain: Any
    controlnets: dict[str, Any]
    union: Any


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    from diffusers import StableDiffusionXLPipeline

    root = tmp_path_factory.mktemp("sdxl")
    base = presets_root(root, "sdxl", build_tiny_sdxl) / "bases" / "sdxl"
    plain = StableDiffusionXLPipeline.from_pretrained(base, add_watermarker=False)
    kinds, union = ("openpose", "canny", "depth"), union_controlnet(7)
    controlnets = {kind: controlnet_for(plain.unet, seed) for seed, kind in enumerate(kinds)}
    for kind, controlnet in controlnets.items():
        shelve(root / "single", f"sdxl-controlnet-{kind}", controlnet)
    shelve(root / "joint", "sdxl-controlnet-openpose", controlnets["openpose"])
    shelve(root / "joint", "sdxl-controlnet-union", union)
    (root / "brand_models").mkdir()
    caches = [cache_of(root, root / shelf, root / "brand_models") for shelf in ("single", "joint")]
    return Tiny(root, caches[0], caches[1], plain, controlnets, union)


def stock_of(tiny: Tiny, kind: str, **extra: Any) -> Any:
    """Another stock pipeline around the same networks."""
    import diffusers

    return getattr(diffusers, kind)(**tiny.plain.components, add_watermarker=False, **extra)


@pytest.mark.parametrize(
    ("scheduler", "guidance_scale", "negative_prompt"),
    [
        ("EulerDiscreteScheduler", 5.0, ""),
        ("EulerDiscreteScheduler", 1.0, ""),
        ("EulerAncestralDiscreteScheduler", 5.0, "blurred"),
        ("DPMSolverMultistepScheduler", 7.0, "blurred"),
        ("DDIMScheduler", 5.0, ""),
    ],
)
def test_latents_equal_the_stock_pipelines(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, scheduler: str, guidance_scale: float, negative_prompt: str
) -> None:
    import diffusers

    own = getattr(diffusers, scheduler).from_config(tiny.plain.scheduler.config)
    stock = stock_of(tiny, "StableDiffusionXLPipeline")
    stock.scheduler = own
    asked = request("sdxl", 3, guidance_scale=guidance_scale, negative_prompt=negative_prompt)
    [ours] = our_latents(monkeypatch, tiny.single, [asked], scheduler=own)
    assert difference(ours, stock_latents(stock, asked)) <= TOLERANCE


def test_the_base_says_what_an_absent_negative_prompt_is(tiny: Tiny, tmp_path: Path) -> None:
    for zeros in (True, False):
        base = tmp_path / str(zeros)
        shutil.copytree(tiny.root / "bases" / "sdxl" / "text_encoder_2", base / "text_encoder_2")
        (base / "model_index.json").write_text(json.dumps({"force_zeros_for_empty_prompt": zeros}), encoding="utf-8")
        second = SDXL.components["text_encoder_2"](base / "text_encoder_2", dtype="fp32", device="cpu")
        parts = {name: getattr(tiny.plain, name) for name in ("tokenizer", "tokenizer_2", "text_encoder")}
        stock = stock_of(tiny, "StableDiffusionXLPipeline", force_zeros_for_empty_prompt=zeros)
        with torch.no_grad():
            ours = SDXL.architecture.unprompted(SDXL.architecture.encode({**parts, "text_encoder_2": second}, ""))
            _, hidden, _, pooled = stock.encode_prompt("a coat")
        assert difference(ours["hidden"], hidden) <= 1e-5
        assert difference(ours["pooled"], pooled) <= 1e-5
        assert bool(hidden.any()) is not zeros


def test_alone_or_in_a_batch_a_seed_draws_the_same(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [
        request("sdxl", 1), request("sdxl", 2, guidance_scale=2.0, prompt="a man, blue trousers"),
        request("sdxl", 3, negative_prompt="grey"),
    ]  # fmt: skip
    together = our_latents(monkeypatch, tiny.single, requests, batch_size=3)
    for asked, ours in zip(requests, together, strict=True):
        assert difference(ours, stock_latents(tiny.plain, asked)) <= TOLERANCE


def test_single_controlnets_equal_the_stock_pipeline(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    one = request("sdxl", 4, controls=(follow("depth", 2, scale=0.7, start=0.2, end=0.8),))
    three = posed(
        "sdxl", 5, controlnet_conditioning_scale=0.6, control_guidance_end=0.6,
        controls=(follow("canny", 1, start=0.4), follow("depth", 2, scale=1.2)),
    )  # fmt: skip
    for asked, kinds in ((one, ("depth",)), (three, ("openpose", "canny", "depth"))):
        networks = [tiny.controlnets[kind] for kind in kinds]
        stock = stock_of(tiny, "StableDiffusionXLControlNetPipeline", controlnet=networks)
        [ours] = our_latents(monkeypatch, tiny.single, [asked])
        assert difference(ours, stock_latents(stock, asked, **stock_control(asked))) <= TOLERANCE
        bare = asked.model_copy(update={"controls": (), "pose": None})
        assert difference(ours, our_latents(monkeypatch, tiny.single, [bare])[0]) > 100 * TOLERANCE


def union_latents(tiny: Tiny, asked: GenerationRequest) -> torch.Tensor:
    stock = stock_of(tiny, "StableDiffusionXLControlNetUnionPipeline", controlnet=tiny.union)
    kinds = ["openpose"] * (asked.pose is not None) + [control.kind for control in asked.controls]
    modes = [UNION_MODES[kind] for kind in kinds]
    return stock_latents(stock, asked, control_mode=modes, **stock_control(asked, "control_image"))


ONE_MAP = posed("sdxl", 6, controlnet_conditioning_scale=0.5, control_guidance_start=0.2, control_guidance_end=0.8)
SEVERAL = (
    posed("sdxl", 7, controls=(follow("canny", 1, scale=0.5),)),
    posed("sdxl", 8, control_guidance_end=0.4, controlnet_conditioning_scale=0.3, controls=(follow("canny", 2),)),
    posed("sdxl", 9, control_guidance_end=0.6, controls=(follow("canny", 3, start=0.2, end=0.4),)),
)


@contextmanager
def rows_seen(cache: ModelCache) -> Iterator[list[int]]:
    """Rows of each run of the Union ControlNet."""
    rows: list[int] = []
    with cache.use(UNION) as network:
        handle = network.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    try:
        yield rows
    finally:
        handle.remove()


@pytest.mark.parametrize("asked", [ONE_MAP, *SEVERAL, request("sdxl", 2, controls=(follow("lineart", 1),))])
def test_the_union_controlnet_equals_the_stock_pipeline(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, asked: GenerationRequest
) -> None:
    [ours] = our_latents(monkeypatch, tiny.joint, [asked])
    assert difference(ours, union_latents(tiny, asked)) <= TOLERANCE


def test_the_union_controlnet_runs_once_for_all_maps_of_a_step(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, runs in ((ONE_MAP, 3), (SEVERAL[0], 5)):
        with rows_seen(tiny.joint) as rows:
            our_latents(monkeypatch, tiny.joint, [asked])
        assert rows == [2] * runs, "one run a step inside the range, both halves of guidance in it"


def test_pictures_of_other_scales_share_a_batch_of_the_union(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    with rows_seen(tiny.joint) as rows:
        together = our_latents(monkeypatch, tiny.joint, SEVERAL, batch_size=3)
    assert sum(rows) == 2 * 3 * 5, "each picture once a step"
    for asked, ours in zip(SEVERAL, together, strict=True):
        assert difference(ours, union_latents(tiny, asked)) <= TOLERANCE


def test_a_lora_equals_the_stock_pipelines(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    presets = Presets(tiny.root, tiny.root / "brand_models")
    write_brand_model(tiny.root / "brand_models", tiny.root / "bases" / "sdxl", "brand", base="sdxl")
    asked = request("sdxl", 5, adapters=(AdapterWeight(brand_model="brand", adapter_weight=0.7),))
    [ours] = our_latents(monkeypatch, tiny.single, [asked], adapters=lambda name: load_adapter(presets, name))
    bare = stock_latents(tiny.plain, asked)
    stock = stock_of(tiny, "StableDiffusionXLPipeline")
    stock.load_lora_weights(tiny.root / "brand_models" / "brand", adapter_name="brand")
    stock.set_adapters(["brand"], [0.7])
    expected = stock_latents(stock, asked)
    stock.unload_lora_weights()
    assert difference(ours, expected) <= TOLERANCE
    assert difference(ours, bare) > 100 * TOLERANCE


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_inpainting_equals_the_stock_pipeline(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, strength: float) -> None:
    asked = request("sdxl", 5, inpaint=Inpaint(picture_sha256=sha_of(1), mask_sha256=MASK, strength=strength))
    [ours] = our_latents(monkeypatch, tiny.single, [asked])
    stock = stock_of(tiny, "StableDiffusionXLInpaintPipeline")
    pictures = {"image": PICTURES[sha_of(1)], "mask_image": PICTURES[MASK]}
    assert difference(ours, stock_latents(stock, asked, strength=strength, **pictures)) <= TOLERANCE


def test_a_prompt_that_one_encoder_cannot_read_is_refused(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FaultsError, match="tokens of at most 64"):
        our_latents(monkeypatch, tiny.single, [request("sdxl", prompt="navy dots dress " * 60)])
