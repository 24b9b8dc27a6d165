"""Stable Diffusion 1.5: the engine's latents equal the stock pipelines', with several ControlNets at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from studio.errors import CapabilityError
from studio.generate.pictures import Watch
from studio.models import ModelCache
from tests.generate.stock import (
    cache_of,
    difference,
    engine_of,
    follow,
    our_latents,
    posed,
    presets_root,
    request,
    stock_control,
    stock_latents,
)
from tests.tiny_sd15 import build_tiny_sd15, controlnet_for, shelve

TOLERANCE = 1e-4
# diffusers' Euler scheduler under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


class Tiny(NamedTuple):
    """A tiny base with the ControlNets for poses and edges on the shelf."""

    cache: ModelCache
    plain: Any
    controlnets: dict[str, Any]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    from diffusers import StableDiffusionPipeline

    root = tmp_path_factory.mktemp("sd15")
    base = presets_root(root, "sd15", build_tiny_sd15) / "bases" / "sd15"
    plain = StableDiffusionPipeline.from_pretrained(base)
    controlnets = {kind: controlnet_for(plain.unet, seed) for seed, kind in enumerate(("openpose", "canny"))}
    for kind, controlnet in controlnets.items():
        shelve(root / "models", f"sd15-controlnet-{kind}", controlnet)
    return Tiny(cache_of(root, root / "models"), plain, controlnets)


def with_controlnets(tiny: Tiny, kinds: tuple[str, ...]) -> Any:
    from diffusers import StableDiffusionControlNetPipeline

    networks = [tiny.controlnets[kind] for kind in kinds]
    return StableDiffusionControlNetPipeline(
        **tiny.plain.components, controlnet=networks, requires_safety_checker=False
    )


@pytest.mark.parametrize("guidance_scale", [1.0, 7.5])
@pytest.mark.parametrize("scheduler", ["PNDMScheduler", "DDIMScheduler", "EulerDiscreteScheduler"])
def test_latents_equal_the_stock_pipelines(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, scheduler: str, guidance_scale: float
) -> None:
    import diffusers

    kind = getattr(diffusers, scheduler)
    tiny.plain.scheduler = kind.from_config(tiny.plain.scheduler.config)
    asked = request("sd15", 3, guidance_scale=guidance_scale, negative_prompt="blurred")
    [ours] = our_latents(monkeypatch, tiny.cache, [asked], scheduler=kind.from_config(tiny.plain.scheduler.config))
    assert difference(ours, stock_latents(tiny.plain, asked)) <= TOLERANCE


def test_several_controlnets_equal_the_stock_pipeline_alone_and_in_a_batch(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [
        posed("sd15", 4, controls=(follow("canny", 1, scale=0.7),)),
        posed(
            "sd15", 5, controlnet_conditioning_scale=0.4, control_guidance_end=0.5,
            controls=(follow("canny", 2, scale=1.3, start=0.2),),
        ),
        posed("sd15", 6, control_guidance_start=0.3, controls=(follow("canny", 3, end=0.6),), prompt="a man, grey"),
    ]  # fmt: skip
    tiny.plain.scheduler = type(tiny.plain.scheduler).from_config(tiny.plain.scheduler.config)
    stock = with_controlnets(tiny, ("openpose", "canny"))
    expected = [stock_latents(stock, asked, **stock_control(asked)) for asked in requests]
    scheduler = tiny.plain.scheduler
    alone = our_latents(monkeypatch, tiny.cache, requests, scheduler=scheduler)
    together = our_latents(monkeypatch, tiny.cache, requests, scheduler=scheduler, batch_size=3)
    for one, in_batch, theirs in zip(alone, together, expected, strict=True):
        assert difference(one, theirs) <= TOLERANCE
        assert difference(in_batch, theirs) <= TOLERANCE
    bare = our_latents(monkeypatch, tiny.cache, [requests[0].model_copy(update={"controls": ()})], scheduler=scheduler)
    assert difference(bare[0], expected[0]) > 100 * TOLERANCE, "the second map counts"


def test_two_maps_of_one_kind_add_up_as_two_controlnets_do(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request("sd15", 8, controls=(follow("canny", 1, end=0.5), follow("canny", 2, scale=0.5)))
    stock = with_controlnets(tiny, ("canny", "canny"))
    [ours] = our_latents(monkeypatch, tiny.cache, [asked], scheduler=tiny.plain.scheduler)
    assert difference(ours, stock_latents(stock, asked, **stock_control(asked))) <= TOLERANCE


def test_a_controlnet_that_is_not_here_is_named_with_its_remedy(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CapabilityError, match="models pull sd15-controlnet-depth"):
        our_latents(monkeypatch, tiny.cache, [request("sd15", controls=(follow("depth", 1),))])


def test_previews_come_from_a_tiny_autoencoder_where_there_is_one(tiny: Tiny, tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    torch.manual_seed(4)
    small = AutoencoderTiny(
        latent_channels=4, encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4,
    )  # fmt: skip
    shelve(tmp_path / "models", "sd15-taesd", small, "tool")
    root = presets_root(tmp_path, "sd15", build_tiny_sd15)
    seen: dict[str, list[Any]] = {}
    for name, models in (("without", tmp_path / "none"), ("with", tmp_path / "models")):
        made = engine_of(cache_of(root, models))
        previews: list[Any] = []
        [picture] = made.run([request("sd15", seed=2)], watch=Watch(preview=previews.append, preview_every=1))
        seen[name] = [picture.image, *(preview.image for preview in previews)]
    assert np.array_equal(*(np.asarray(images[0]) for images in seen.values())), "finished pictures never pass it"
    assert [image.size for image in seen["with"][1:]] == [image.size for image in seen["without"][1:]]
    assert not np.array_equal(*(np.asarray(images[-1]) for images in seen.values()))


def test_a_controlnet_of_another_family_is_named_and_the_next_picture_is_drawn(tiny: Tiny, tmp_path: Path) -> None:
    from diffusers import ControlNetModel, UNet2DConditionModel

    config = {**tiny.plain.unet.config, "cross_attention_dim": 48}
    stranger = ControlNetModel.from_unet(UNet2DConditionModel.from_config(config))
    shelve(tmp_path / "models", "sd15-controlnet-openpose", stranger)
    root = presets_root(tmp_path, "sd15", build_tiny_sd15)
    made = engine_of(cache_of(root, tmp_path / "models"))
    with pytest.raises(CapabilityError, match="sd15-controlnet-openpose was made for another family than sd15"):
        list(made.run([posed("sd15")]))
    [picture] = made.run([request("sd15")])
    assert picture.image.size
