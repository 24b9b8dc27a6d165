"""Z-Image through the engine: as the stock pipelines, alone or in a batch, with guidance, control and inpaint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import studio.generate.engine as engine_module
from studio.errors import CapabilityError, FaultsError
from studio.generate.engine import Engine
from studio.generate.prompt_length import PromptLengths
from studio.models import ComponentKey, ModelCache, Registry
from studio.models.families.z_image import Z_IMAGE
from studio.models.families.z_image_calls import FRAME
from studio.presets import Presets
from studio.records.generation import ControlPicture, GenerationRequest, Inpaint
from studio.records.pose import Framing
from tests.generate.conftest import draw_control, pose
from tests.tiny_z_image import CONTROLNET, install_tiny_controlnet, z_image_presets

SIZE = Framing(width_px=64, height_px=96)
SHORT, LONG = "a red dress", "a woman in a knee-length navy dress with short sleeves and a crew neckline, walking, " * 2
Latents = Callable[..., list[torch.Tensor]]


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Presets:
    root = tmp_path_factory.mktemp("z_image")
    install_tiny_controlnet(root / "models")
    return Presets(z_image_presets(root / "presets"), root / "none", root / "models")


@pytest.fixture(scope="module")
def cache(presets: Presets) -> ModelCache:
    return ModelCache(Registry(presets), 2**30)


@pytest.fixture(scope="module")
def stock(presets: Presets) -> Any:
    from diffusers import ZImagePipeline

    pipeline = ZImagePipeline.from_pretrained(presets.base_folder("z-image"))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def stock_control(presets: Presets, stock: Any) -> Any:
    from diffusers import ZImageControlNetModel, ZImageControlNetPipeline

    controlnet = ZImageControlNetModel.from_pretrained(presets.addon_folder(CONTROLNET))
    pipeline = ZImageControlNetPipeline(**stock.components, controlnet=controlnet)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def latents_of(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> Latents:
    """The latents (C, h, w) that the engine decodes, in the order of the requests."""

    def drawn(requests: Sequence[GenerationRequest], *, pictures: Any = None, **options: Any) -> list[torch.Tensor]:
        decoded: list[torch.Tensor] = []
        decode = engine_module.decode

        def kept(architecture: Any, vae: Any, latents: torch.Tensor) -> list[Image.Image]:
            decoded.extend(latents)
            return decode(architecture, vae, latents)

        with monkeypatch.context() as patch:
            patch.setattr(engine_module, "decode", kept)
            order = [picture.index for picture in engine(cache, pictures=pictures, **options).run(requests)]
        return [decoded[order.index(place)] for place in range(len(requests))]

    return drawn


def engine(cache: ModelCache, *, pictures: Any = None, batch_size: int = 1, dtype: str = "fp32") -> Engine:
    return Engine(
        cache, device="cpu", dtype=dtype, adapters=lambda name: pytest.fail(name), draw_control=draw_control,
        read_picture=(pictures or {}).__getitem__, batch_size=batch_size,
    )  # fmt: skip


def request(seed: int = 1, **fields: Any) -> GenerationRequest:
    defaults: dict[str, Any] = {
        "base": "z-image", "prompt": SHORT, "num_inference_steps": 4, "framing": SIZE, "guidance_scale": 4.0,
    }  # fmt: skip
    return GenerationRequest(**(defaults | {"seed": seed} | fields))


def stock_draw(pipeline: Any, asked: GenerationRequest, output_type: str = "latent", **options: Any) -> Any:
    return pipeline(
        asked.prompt, negative_prompt=asked.negative_prompt or None, num_inference_steps=asked.num_inference_steps,
        guidance_scale=asked.guidance_scale, generator=torch.Generator().manual_seed(asked.seed),
        width=asked.framing.width_px, height=asked.framing.height_px, output_type=output_type, **options,
    ).images  # fmt: skip


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs.reshape(ours.shape)).abs().max())


@pytest.mark.parametrize("guidance_scale", [0.0, 4.0])
def test_latents_and_pictures_equal_the_stock_pipelines(
    cache: ModelCache, stock: Any, latents_of: Latents, guidance_scale: float
) -> None:
    asked = request(seed=3, guidance_scale=guidance_scale, negative_prompt="blurred, grey")
    [ours] = latents_of([asked])
    assert difference(ours, stock_draw(stock, asked)) <= 1e-4
    [picture] = engine(cache).run([asked])
    theirs = np.asarray(stock_draw(stock, asked, "pil")[0]).astype(int)
    assert np.abs(np.asarray(picture.image).astype(int) - theirs).max() <= 1
    [other] = latents_of([asked.model_copy(update={"prompt": LONG})])
    assert difference(ours, other) > 0.01, "the prompt must count, or nothing is compared"


def test_texts_of_any_length_are_drawn_in_a_batch_as_alone(latents_of: Latents, stock: Any) -> None:
    asked = [request(seed, prompt=text) for seed, text in enumerate((SHORT, LONG, LONG[:60]), start=5)]
    for together, one in zip(latents_of(asked, batch_size=3), asked, strict=True):
        assert difference(together, stock_draw(stock, one)) <= 1e-4


def test_a_shift_that_follows_the_size_is_the_stock_pipelines(stock: Any) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas

    ours, theirs = (FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True) for _ in range(2))
    theirs.set_timesteps(sigmas=get_default_z_image_sigmas(5), mu=calculate_shift(8 * 6))
    found = Z_IMAGE.architecture.timesteps(ours, 5, (16, 16, 12), "cpu")
    assert torch.equal(found, theirs.timesteps)


def test_control_equals_the_stock_pipeline_and_leaves_the_cache_as_it_was(
    cache: ModelCache, stock: Any, stock_control: Any, latents_of: Latents
) -> None:
    plain, asked = request(seed=7), request(seed=7, pose=pose(), controlnet_conditioning_scale=0.8)
    [before] = latents_of([plain])
    with cache.use(ComponentKey(CONTROLNET, "controlnet")) as controlnet:
        names = [name for name, _ in controlnet.named_parameters()]
    [ours] = latents_of([asked])
    picture = Image.fromarray(draw_control(pose(), SIZE))
    theirs = stock_draw(stock_control, asked, control_image=picture, controlnet_conditioning_scale=0.8)
    assert difference(ours, theirs) <= 1e-4
    assert difference(ours, before) > 0.01
    with cache.use(ComponentKey(CONTROLNET, "controlnet")) as controlnet:
        assert [name for name, _ in controlnet.named_parameters()] == names
        assert controlnet.noise_refiner is None
        assert controlnet.x_pad_token is None
    [after] = latents_of([plain])
    assert torch.equal(before, after)


def test_each_picture_of_a_batch_has_its_own_map_scale_and_range(stock_control: Any, latents_of: Latents) -> None:
    """The stock pipeline knows no range: outside, its scale is set to zero from without."""
    asked = [
        request(8, prompt=LONG, pose=pose(), controlnet_conditioning_scale=0.4),
        request(9, pose=pose("other", 20), controlnet_conditioning_scale=1.0, control_guidance_end=0.5),
        request(10, prompt=LONG[:70], pose=pose(), controlnet_conditioning_scale=0.9, control_guidance_start=0.25),
    ]
    for ours, one in zip(latents_of(asked, batch_size=3), asked, strict=True):
        picture = Image.fromarray(draw_control(one.pose, SIZE))  # type: ignore[arg-type]
        with _range(stock_control, one):
            theirs = stock_draw(
                stock_control, one, control_image=picture,
                controlnet_conditioning_scale=one.controlnet_conditioning_scale,
            )  # fmt: skip
        assert difference(ours, theirs) <= 1e-4


class _range:
    """Inside, the stock pipeline's ControlNet counts only in the steps of a request's range."""

    def __init__(self, pipeline: Any, asked: GenerationRequest) -> None:
        self._controlnet, self._asked, self._step = pipeline.controlnet, asked, 0

    def __enter__(self) -> None:
        forward, steps, asked = self._controlnet.forward, self._asked.num_inference_steps, self._asked

        def ranged(*args: Any, conditioning_scale: float, **options: Any) -> Any:
            begin, end = self._step / steps, (self._step + 1) / steps
            self._step += 1
            inside = begin >= asked.control_guidance_start and end <= asked.control_guidance_end
            return forward(*args, conditioning_scale=conditioning_scale if inside else 0.0, **options)

        self._controlnet.forward = ranged

    def __exit__(self, *_: object) -> None:
        del self._controlnet.forward


def test_two_maps_of_one_network_are_added(latents_of: Latents) -> None:
    dots = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 64, 3), np.uint8))
    edges = ControlPicture(kind="canny", picture_sha256="a" * 64, controlnet_conditioning_scale=0.7)
    both = request(11, pose=pose(), controls=(edges,))
    without = edges.model_copy(update={"controlnet_conditioning_scale": 0.0})
    one, two, posed = latents_of(
        [both, both, both.model_copy(update={"controls": (without,)})], pictures={"a" * 64: dots}, batch_size=3
    )
    [alone] = latents_of([request(11, pose=pose())])
    assert torch.equal(one, two)
    assert difference(posed, alone) <= 1e-5
    assert difference(one, posed) > 0.01


def test_inpaint_equals_the_stock_pipeline(stock: Any, latents_of: Latents) -> None:
    from diffusers import ZImageInpaintPipeline

    pipeline = ZImageInpaintPipeline(**stock.components)
    pipeline.set_progress_bar_config(disable=True)
    old = Image.fromarray(np.random.default_rng(1).integers(0, 255, (96, 64, 3), np.uint8))
    mask = Image.new("L", (64, 96), 0)
    mask.paste(255, (16, 24, 48, 72))
    for strength in (1.0, 0.5):
        fill = Inpaint(picture_sha256="a" * 64, mask_sha256="b" * 64, strength=strength)
        asked = request(12, inpaint=fill)
        [ours] = latents_of([asked], pictures={"a" * 64: old, "b" * 64: mask})
        theirs = stock_draw(pipeline, asked, image=old, mask_image=mask, strength=strength)
        assert difference(ours, theirs) <= 1e-4, strength


def test_half_precision_draws_the_same_picture_roughly(latents_of: Latents) -> None:
    asked = [request(13, pose=pose()), request(14, prompt=LONG, pose=pose(), control_guidance_end=0.5)]
    for half, whole in zip(latents_of(asked, batch_size=2, dtype="bf16"), latents_of(asked), strict=True):
        assert half.dtype == torch.float32
        assert float((half - whole).abs().mean() / whole.abs().mean()) < 0.1


def test_a_prompt_may_have_512_tokens_with_the_chat_around_it(presets: Presets, cache: ModelCache, stock: Any) -> None:
    """The form's early check, the job and the real tokenizer count alike, and name the same lost words."""
    lengths = PromptLengths(presets)
    for sentence in ("A woman in a  red dress, it's white.\n", "\n紺色の水玉のワンピース、£9.99 \U0001f457 "):
        text, told = sentence, 0
        while told < 3:
            chat = [{"role": "user", "content": text}]
            framed = stock.tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=True, enable_thinking=True
            )
            assert framed == FRAME.around(text)
            tokens = len(stock.tokenizer(framed).input_ids)
            early = lengths.too_long("z-image", text)
            with cache.use(ComponentKey("z-image", "tokenizer")) as tokenizer:
                late = Z_IMAGE.architecture.unread({"tokenizer": tokenizer}, text)
            if tokens <= 512:
                assert early is None
                assert late is None
            else:
                assert early is not None
                assert tuple(early) == late == (tokens, 512, early.text)
                assert text.endswith(early.text)
                assert len(stock.tokenizer(FRAME.around(text.removesuffix(early.text))).input_ids) in range(505, 513)
                told += 1
            text += sentence if tokens < 480 or told else sentence[:3]
    with pytest.raises(FaultsError, match=r"tokens of at most 512; not read"):
        next(engine(cache).run([request(prompt=text)]))


def test_what_it_cannot_do_is_said_in_words(cache: ModelCache, presets: Presets) -> None:
    with pytest.raises(CapabilityError, match="multiples of 16, not 72x96"):
        next(engine(cache).run([request(framing=Framing(width_px=72, height_px=96))]))
    registry = Registry(presets)
    with pytest.raises(CapabilityError, match=r"line drawings"):
        registry.control("z-image", "lineart")
    with pytest.raises(CapabilityError, match=r"reads text alone"):
        registry.reference("z-image")
    assert all("." in c.reason for c in (registry.capabilities("z-image").reference_image,))


def test_each_base_has_the_controlnet_that_was_made_for_it(tmp_path: Path, presets: Presets) -> None:
    root = z_image_presets(tmp_path / "presets")
    turbo = root / "bases" / "z-image-turbo"
    (root / "bases" / "z-image").rename(turbo)
    card = turbo / "card.yaml"
    card.write_text(card.read_text(encoding="utf-8").replace("name: z-image", "name: z-image-turbo"), encoding="utf-8")
    install_tiny_controlnet(tmp_path / "models")
    with pytest.raises(CapabilityError, match="z-image-turbo-controlnet-union"):
        Registry(Presets(root, tmp_path / "none", tmp_path / "models")).control("z-image-turbo", "openpose")
