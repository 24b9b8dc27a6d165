"""The engine draws what the stock pipelines draw, alone or in a batch, and stops when asked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionControlNetPipeline, StableDiffusionPipeline
from PIL import Image
from torch._dynamo.utils import counters

from studio.errors import Cancelled, CapabilityError, FaultsError, ResourceError
from studio.generate import Preview, Watch
from studio.generate.adapters import load_adapter
from studio.generate.engine import Engine
from studio.generate.engine.control import ControlPictures, controls_of
from studio.generate.engine.denoise import Conditions, Networks, denoise
from studio.generate.engine.text import encode_all
from studio.models import ComponentKey, ModelCache
from studio.models.families.croquis import CROQUIS
from studio.models.lora_slot import adapters_applied
from studio.presets import Presets
from studio.records.brand_model import BrandModel
from studio.records.generation import AdapterWeight, GenerationRequest
from tests.generate.conftest import SMALL, draw_control, pose, request

KEYS = {name: ComponentKey("croquis", name) for name in ("unet", "vae", "scheduler", "controlnet", "text_encoder")}


def no_adapters(name: str) -> Any:
    raise AssertionError(f"{name} was not asked for")


def no_pictures(sha256: str) -> Any:
    raise AssertionError(f"{sha256} was not asked for")


def engine(
    cache: ModelCache, *, batch_size: int | None = 1, dtype: str = "fp32", adapters: Any = no_adapters,
    pictures: Any = no_pictures,
) -> Engine:  # fmt: skip
    return Engine(
        cache, device="cpu", dtype=dtype, adapters=adapters, draw_control=draw_control, read_picture=pictures,
        batch_size=batch_size,
    )  # fmt: skip


def draw(made: Engine, requests: list[GenerationRequest], **options: Any) -> list[np.ndarray]:
    """Pictures as (H, W, 3) of int, in the order of the requests."""
    drawn = {picture.index: np.asarray(picture.image).astype(int) for picture in made.run(requests, **options)}
    return [drawn[index] for index in sorted(drawn)]


@pytest.fixture(scope="module")
def stock(tiny_base: Path) -> Any:
    return StableDiffusionControlNetPipeline.from_pretrained(tiny_base)


def stock_draw(pipeline: Any, asked: GenerationRequest, output_type: str) -> Any:
    """One picture of an unmodified stock pipeline."""
    options: dict[str, Any] = {"width": asked.framing.width_px, "height": asked.framing.height_px}
    if asked.pose is not None:
        options = {
            "image": Image.fromarray(draw_control(asked.pose, asked.framing)),
            "controlnet_conditioning_scale": asked.controlnet_conditioning_scale,
            "control_guidance_start": asked.control_guidance_start,
            "control_guidance_end": asked.control_guidance_end,
        }
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        asked.prompt, negative_prompt=asked.negative_prompt, num_inference_steps=asked.num_inference_steps,
        guidance_scale=asked.guidance_scale, generator=torch.Generator().manual_seed(asked.seed),
        output_type=output_type, **options,
    ).images  # fmt: skip


def our_latents(cache: ModelCache, asked: GenerationRequest, scheduler: Any, stack: Any = ()) -> torch.Tensor:
    """The latents that the engine would decode."""
    with cache.use_all(ComponentKey("croquis", "tokenizer"), KEYS["text_encoder"]) as (tokenizer, encoder):
        parts = {"tokenizer": tokenizer, "text_encoder": encoder}
        texts = encode_all(CROQUIS.architecture, parts, [asked.prompt, asked.negative_prompt])
    with cache.use_all(KEYS["controlnet"], KEYS["unet"], KEYS["vae"]) as (controlnet, unet, vae):
        networks = Networks(CROQUIS.architecture, unet, vae, scheduler)
        by_base = {("croquis", text): value for text, value in texts.items()}
        conditions = Conditions.of((asked,), by_base, networks)
        kinds, maps = asked.control_kinds, [ControlPictures(draw_control, no_pictures).asked(asked)]
        nets = [controlnet] * len(kinds)
        with (
            adapters_applied(unet, stack),
            controls_of(CROQUIS.architecture, nets, kinds, maps, unet, vae) as controls,
        ):
            return denoise(networks, conditions, controls, (0,), Watch())


SCHEDULERS = [
    "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler",
    "LCMScheduler",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("name", SCHEDULERS)
def test_latents_equal_the_stock_pipelines_with_any_scheduler(shared_cache: ModelCache, stock: Any, name: str) -> None:
    kind = getattr(diffusers, name)
    config = dict(stock.scheduler.config)
    if name == "DPMSolverMultistepScheduler":
        config["rescale_betas_zero_snr"] = False  # it stands it only with a final sigma of its own
    config["timestep_spacing"] = "linspace" if name == "HeunDiscreteScheduler" else config["timestep_spacing"]
    taken = {key: value for key, value in config.items() if key in inspect.signature(kind.__init__).parameters}
    stock.scheduler = kind(**taken)
    asked = request(
        seed=11, num_inference_steps=5, negative_prompt="blurred", controlnet_conditioning_scale=0.8,
        control_guidance_start=0.2, control_guidance_end=0.8,
    )  # fmt: skip
    ours = our_latents(shared_cache, asked, kind(**taken))
    assert (ours - stock_draw(stock, asked, "latent")).abs().max() <= 1e-4


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_pictures_equal_the_stock_pipelines(
    shared_cache: ModelCache, tiny_base: Path, stock: Any, guidance_scale: float
) -> None:
    plain = StableDiffusionPipeline.from_pretrained(tiny_base)
    stock.scheduler = plain.scheduler
    for pipeline, asked in (
        (stock, request(seed=3, guidance_scale=guidance_scale)),
        (plain, request(seed=3, guidance_scale=guidance_scale, pose=None)),
    ):
        with shared_cache.use(KEYS["scheduler"]) as scheduler:
            ours = our_latents(shared_cache, asked, scheduler)
        assert (ours - stock_draw(pipeline, asked, "latent")).abs().max() <= 1e-4
        [picture] = draw(engine(shared_cache), [asked])
        assert np.abs(picture - np.asarray(stock_draw(pipeline, asked, "pil")[0])).max() <= 1


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_two_brand_models_equal_the_stock_pipelines(
    shared_cache: ModelCache, tiny_base: Path, presets: Presets, brand_model: Callable[..., BrandModel]
) -> None:
    cards = [brand_model("one", seed=1), brand_model("two", seed=2, rank=2, alpha=1.0)]
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_base)
    for card in cards:
        pipeline.load_lora_weights(presets.brand_model_folder(card.name), adapter_name=card.name)
    pipeline.set_adapters(["one", "two"], [0.6, -0.4])
    pair = AdapterWeight(brand_model="one", adapter_weight=0.6), AdapterWeight(brand_model="two", adapter_weight=-0.4)
    asked = request(seed=5, pose=None, adapters=pair)
    made = engine(shared_cache, adapters=lambda name: load_adapter(presets, name))
    with_both, without = draw(made, [asked, asked.model_copy(update={"adapters": ()})])
    assert np.abs(with_both - np.asarray(stock_draw(pipeline, asked, "pil")[0])).max() <= 1
    assert np.abs(with_both - without).max() > 1
    pipeline.disable_lora()
    assert np.abs(without - np.asarray(stock_draw(pipeline, asked, "pil")[0])).max() <= 1


def test_alone_or_in_a_batch_a_seed_draws_the_same(shared_cache: ModelCache) -> None:
    requests = [
        request(seed=1),
        request(seed=2, guidance_scale=2.0, controlnet_conditioning_scale=0.3, prompt="a man, blue trousers"),
        request(seed=3, pose=pose("leaning", 20), control_guidance_start=0.3, control_guidance_end=0.8),
        request(seed=4, pose=None),
        request(seed=5, control_guidance_end=0.5, negative_prompt="grey"),
    ]
    alone = draw(engine(shared_cache), requests)
    together = draw(engine(shared_cache, batch_size=8), requests)
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() <= 1
    assert all(np.abs(alone[0] - other).max() > 8 for other in alone[1:])


def test_bf16_draws_alone_whatever_is_asked_with_it(shared_cache: ModelCache) -> None:
    made = engine(shared_cache, dtype="bf16", batch_size=None)
    requests = [request(seed, num_inference_steps=2) for seed in (1, 2)]
    [first, second] = draw(made, requests)
    assert np.array_equal(draw(made, requests[1:])[0], second)
    [exact] = draw(engine(shared_cache), requests[:1])
    assert np.abs(first - exact).mean() < 8


@contextmanager
def counting(cache: ModelCache, name: str, then: Callable[[int], None] = lambda rows: None) -> Iterator[list[int]]:
    """Rows of each call of a component, whose first argument has them."""
    calls: list[int] = []

    def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append(len(args[0] if args else kwargs["input_ids"]))
        then(calls[-1])

    with cache.use(KEYS[name]) as module:
        handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


def test_work_that_changes_nothing_is_not_done(shared_cache: ModelCache) -> None:
    requests = [
        request(seed=1, control_guidance_end=0.5),
        request(seed=2, control_guidance_end=0.5),
        request(seed=3, control_guidance_start=0.25),
    ]
    with counting(shared_cache, "controlnet") as control, counting(shared_cache, "text_encoder") as texts:
        draw(engine(shared_cache, batch_size=3), requests)
    assert control == [4, 6, 2, 2], "with guidance twice the pictures in whose range the step lies"
    assert texts == [1, 1], "one prompt and one empty negative prompt"


def test_a_cancel_stops_at_the_next_step(shared_cache: ModelCache) -> None:
    seen: list[float] = []

    def check() -> None:
        if len(seen) == 6:
            raise Cancelled("stopped")

    run = engine(shared_cache).run([request(1), request(2)], watch=Watch(check, lambda _, share: seen.append(share)))
    assert next(run).index == 0
    with pytest.raises(Cancelled):
        next(run)
    assert seen == [0.25, 0.5, 0.75, 1.0, 0.25, 0.5]
    with shared_cache.use(KEYS["controlnet"]) as controlnet:
        assert not isinstance(controlnet.controlnet_cond_embedding, torch.nn.Identity)


def test_previews_approach_the_picture(shared_cache: ModelCache) -> None:
    seen: list[Preview] = []
    watch = Watch(preview=seen.append, preview_every=1)
    [picture] = engine(shared_cache).run([request(1, num_inference_steps=6)], watch=watch)
    assert [round(p.share * 6) for p in seen] == [1, 2, 3, 4, 5]
    assert {p.image.size for p in seen} == {(SMALL.width_px // 2, SMALL.height_px // 2)}
    small = np.asarray(picture.image.resize(seen[0].image.size, Image.Resampling.BOX)).astype(float)
    errors = [np.abs(np.asarray(p.image) - small).mean() for p in seen]
    assert errors[-1] < errors[0]


def test_out_of_memory_halves_the_batch_once_and_says_so(shared_cache: ModelCache) -> None:
    def at_most(limit: int) -> Callable[[int], None]:
        def refuse(rows: int) -> None:
            if rows > limit:
                raise torch.OutOfMemoryError("no room")

        return refuse

    requests = [request(seed) for seed in (1, 2, 3)]
    made = engine(shared_cache, batch_size=3)
    exact = draw(made, requests)
    with counting(shared_cache, "unet", at_most(4)):
        drawn = list(made.run(requests))
    assert all("memory ran out with 3" in picture.note for picture in drawn)
    for picture, expected in zip(drawn, exact, strict=True):
        assert np.abs(np.asarray(picture.image).astype(int) - expected).max() <= 1
    with counting(shared_cache, "unet", at_most(1)), pytest.raises(ResourceError, match="no room"):
        list(made.run(requests))


def test_a_prompt_is_never_cut_silently_and_a_wrong_size_is_named(shared_cache: ModelCache) -> None:
    long = request(prompt="navy dots dress " * 60)
    with pytest.raises(FaultsError, match=r"tokens of at most 64; not read: .*dress"):
        list(engine(shared_cache).run([request(), long]))
    wide = request().model_copy(update={"framing": SMALL.model_copy(update={"width_px": 100})})
    with pytest.raises(CapabilityError, match="multiples of 8"):
        list(engine(shared_cache).run([wide]))


def test_prompts_are_only_text(shared_cache: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [picture] = draw(engine(shared_cache), [request(prompt="$(touch made) `touch made` {0} %s")])
    assert picture.shape == (SMALL.height_px, SMALL.width_px, 3)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_compiled_networks_draw_the_same_pictures_and_the_last_batch_is_filled_up(shared_cache: ModelCache) -> None:
    torch.compiler.reset()
    counters.clear()
    requests = [request(seed, num_inference_steps=2, control_guidance_end=0.5) for seed in range(3)]
    expected = draw(engine(shared_cache, batch_size=2), requests)
    made = Engine(
        shared_cache, device="cpu", dtype="fp32", adapters=no_adapters, draw_control=draw_control,
        read_picture=no_pictures, batch_size=2, compile_from=3, compile_backend="eager",
    )  # fmt: skip
    pictures = draw(made, requests)
    assert len(pictures) == 3
    assert max(np.abs(a - b).max() for a, b in zip(pictures, expected, strict=True)) <= 1
    assert counters["stats"]["unique_graphs"] == 3, "UNet with and without control, ControlNet; none for the rest"
    draw(made, requests[:2])
    assert counters["stats"]["unique_graphs"] == 3, "too few pictures are drawn without"
