"""Inpainting equals the stock pipelines, keeps what is outside the mask to the last bit, and refuses what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionControlNetInpaintPipeline, StableDiffusionInpaintPipeline
from PIL import Image

from studio.errors import InputError
from studio.generate.engine.control import ControlPictures, controls_of
from studio.generate.engine.denoise import Conditions, Networks, denoise
from studio.generate.engine.inpaint import originals_of
from studio.generate.engine.text import encode_all
from studio.generate.pictures import Watch
from studio.models import ComponentKey, ModelCache, Registry
from studio.models.families.croquis import CROQUIS
from studio.presets import Presets
from studio.records.generation import GenerationRequest, Inpaint
from tests.generate.conftest import SMALL, draw_control, request
from tests.generate.test_engine import draw, engine
from tests.tiny_base import build_tiny_base

PICTURE, MASK = "a" * 64, "b" * 64
SIZE = SMALL.width_px, SMALL.height_px


def picture() -> Image.Image:
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(0, 255, (8, 6, 3), np.uint8))
    return coarse.resize(SIZE, Image.Resampling.BICUBIC)


def mask() -> Image.Image:
    painted = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    painted[32:96, 24:72] = 255
    return Image.fromarray(painted)


def read(sha256: str) -> Image.Image:
    return {PICTURE: picture, MASK: mask}[sha256]()


def inpaint(seed: int = 7, strength: float = 1.0, **fields: Any) -> GenerationRequest:
    asked = Inpaint(picture_sha256=PICTURE, mask_sha256=MASK, strength=strength)
    return request(seed, inpaint=asked, **fields)


@pytest.fixture(scope="session", params=[None, 9], ids=["plain-unet", "inpainting-unet"])
def four_channels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A presets folder whose base has latents of four channels: the stock inpainting pipelines know no others."""
    root = tmp_path_factory.mktemp("presets")
    build_tiny_base(root / "bases" / "croquis", latent_channels=4, unet_channels=request.param)
    return root


def our_latents(presets: Path, asked: GenerationRequest) -> torch.Tensor:
    cache = ModelCache(Registry(Presets(presets, presets)), 2**30)
    names = ("tokenizer", "text_encoder", "scheduler", "unet", "vae", "controlnet")
    with cache.use_all(*(ComponentKey("croquis", name) for name in names)) as found:
        parts = dict(zip(names, found, strict=True))
        architecture = CROQUIS.architecture
        texts = encode_all(architecture, parts, [asked.prompt, asked.negative_prompt])
        networks = Networks(architecture, parts["unet"], parts["vae"], parts["scheduler"])
        by_base = {("croquis", text): value for text, value in texts.items()}
        conditions = Conditions.of((asked,), by_base, networks, originals_of([asked], read))
        kinds, maps = asked.control_kinds, [ControlPictures(draw_control, read).asked(asked)]
        nets = [parts["controlnet"]] * len(kinds)
        with controls_of(architecture, nets, kinds, maps, parts["unet"], parts["vae"]) as controls:
            return denoise(networks, conditions, controls, (0,), Watch())


@pytest.mark.parametrize("strength", [1.0, 0.6])
@pytest.mark.parametrize("posed", [False, True])
def test_latents_equal_the_stock_pipelines(four_channels: Path, strength: float, posed: bool) -> None:
    fields: dict[str, Any] = {"num_inference_steps": 5} if posed else {"num_inference_steps": 5, "pose": None}
    asked = inpaint(strength=strength, negative_prompt="blurred", **fields)
    kind: Any = StableDiffusionControlNetInpaintPipeline if posed else StableDiffusionInpaintPipeline
    folder = four_channels / "bases" / "croquis"
    stock = kind.from_pretrained(folder)
    stock.set_progress_bar_config(disable=True)
    options: dict[str, Any] = {}
    if asked.pose is not None:
        options["control_image"] = Image.fromarray(draw_control(asked.pose, SMALL))
        options["controlnet_conditioning_scale"] = asked.controlnet_conditioning_scale
    expected = stock(
        asked.prompt, negative_prompt=asked.negative_prompt, image=picture(), mask_image=mask(), width=SIZE[0],
        height=SIZE[1], strength=strength, num_inference_steps=5, guidance_scale=asked.guidance_scale,
        generator=torch.Generator().manual_seed(asked.seed), output_type="latent", **options,
    ).images  # fmt: skip
    assert (our_latents(four_channels, asked) - expected).abs().max() <= 1e-4


def test_outside_the_mask_not_a_bit_changes(shared_cache: ModelCache) -> None:
    [drawn] = draw(engine(shared_cache, pictures=read), [inpaint()])
    inside, old = np.asarray(mask()) > 0, np.asarray(picture()).astype(int)
    assert np.array_equal(drawn[~inside], old[~inside])
    assert np.abs(drawn[inside] - old[inside]).mean() > 8
    [gentle] = draw(engine(shared_cache, pictures=read), [inpaint(strength=0.25)])
    assert np.abs(gentle[inside] - old[inside]).mean() < np.abs(drawn[inside] - old[inside]).mean()


def test_alone_or_in_a_batch_the_same(shared_cache: ModelCache) -> None:
    requests = [inpaint(seed=1), inpaint(seed=2, prompt="a man, blue trousers"), request(seed=3)]
    alone = draw(engine(shared_cache, pictures=read), requests)
    together = draw(engine(shared_cache, pictures=read, batch_size=4), requests)
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() <= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p, m: (p, m.resize((10, 20))), "The mask has 10x20 px, its picture 96x128"),
        (lambda p, m: (p.crop((0, 0, 96, 96)), m.crop((0, 0, 96, 96))), "96x128 would stretch it"),
        (lambda p, m: (p, Image.new("L", p.size)), "mask is empty"),
    ],
)
def test_what_does_not_fit_is_said_before_a_step(
    shared_cache: ModelCache, change: Callable[[Image.Image, Image.Image], Any], words: str
) -> None:
    found = dict(zip((PICTURE, MASK), change(picture(), mask()), strict=True))
    with pytest.raises(InputError, match=words):
        list(engine(shared_cache, pictures=found.__getitem__).run([inpaint()]))
