"""Ours beside the stock pipelines: the latents that the engine would decode, and those of an unmodified pipeline."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from studio.generate.engine import Engine
from studio.models import ModelCache, Registry
from studio.presets import Presets
from studio.records.generation import ControlPicture, GenerationRequest
from studio.records.pose import Framing
from tests.conftest import REPOSITORY
from tests.generate.conftest import draw_control, pose
from tests.tiny_sd15 import HEIGHT_PX, WIDTH_PX

FRAMING = Framing(width_px=WIDTH_PX, height_px=HEIGHT_PX)


def cache_of(root: Path, models: Path, brand_models: Path | None = None) -> ModelCache:
    """A cache over the tiny bases of a presets root and the add-ons on a shelf."""
    presets = Presets(root, brand_models or root / "no-brand-models", models)
    return ModelCache(Registry(presets), 2**30)


def presets_root(root: Path, family: str, build: Callable[[Path], Path]) -> Path:
    """A presets root with the real add-on cards and one tiny base."""
    for kind in ("controlnets", "tools"):
        shutil.copytree(REPOSITORY / "presets" / kind, root / kind)
    build(root / "bases" / family)
    return root


def map_picture(number: int) -> Image.Image:
    """A map of lines that differ from number to number, at the request's size."""
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    lines = (x * (number + 1) + y * (number + 2)) % (11 + number) < 3
    return Image.fromarray((lines[..., None] * [255, 255 - 40 * number, 90 * number % 256]).astype(np.uint8))


def sha_of(number: int) -> str:
    return hashlib.sha256(bytes([number])).hexdigest()


def mask_picture() -> Image.Image:
    """White in the middle."""
    painted = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    painted[24:72, 16:48] = 255
    return Image.fromarray(painted)


MASK = "f" * 64
PICTURES: Mapping[str, Image.Image] = {
    **{sha_of(number): map_picture(number) for number in range(4)},
    MASK: mask_picture(),
}


def follow(kind: Any, number: int, scale: float = 1.0, start: float = 0.0, end: float = 1.0) -> ControlPicture:
    """A control map of a request; `number` is that of `map_picture`."""
    return ControlPicture(
        kind=kind, picture_sha256=sha_of(number), controlnet_conditioning_scale=scale, control_guidance_start=start,
        control_guidance_end=end,
    )  # fmt: skip


def request(base: str, seed: int = 1, **fields: Any) -> GenerationRequest:
    defaults = {"prompt": "a woman in a red dress", "num_inference_steps": 5, "guidance_scale": 5.0, "framing": FRAMING}
    return GenerationRequest.model_validate(defaults | {"base": base, "seed": seed} | fields)


def posed(base: str, seed: int = 1, **fields: Any) -> GenerationRequest:
    return request(base, seed, pose=pose(), **fields)


def engine_of(cache: ModelCache, *, batch_size: int = 1, adapters: Any = None) -> Engine:
    """The engine over a cache, with the pictures of these tests."""
    return Engine(
        cache, device="cpu", dtype="fp32", adapters=adapters or pytest.fail, draw_control=draw_control,
        read_picture=PICTURES.__getitem__, batch_size=batch_size,
    )  # fmt: skip


def our_latents(
    patch: pytest.MonkeyPatch, cache: ModelCache, requests: Sequence[GenerationRequest], *, batch_size: int = 1,
    scheduler: Any = None, adapters: Any = None,
) -> list[torch.Tensor]:  # fmt: skip
    """What the engine would decode for each request, (1, C, h, w)."""
    from studio.generate import engine

    whole, found = engine.denoise, {}

    def spy(networks: Any, conditions: Any, controls: Any, indices: tuple[int, ...], watch: Any) -> torch.Tensor:
        if scheduler is not None:
            networks = dataclasses.replace(networks, scheduler=scheduler)
        latents = whole(networks, conditions, controls, indices, watch)
        found.update(zip(indices, latents.split(1), strict=True))
        return latents

    made = engine_of(cache, batch_size=batch_size, adapters=adapters)
    with patch.context() as patched:
        patched.setattr(engine, "denoise", spy)
        assert len(list(made.run(requests))) == len(requests)
    return [found[index] for index in range(len(requests))]


def stock_latents(pipeline: Any, asked: GenerationRequest, **options: Any) -> torch.Tensor:
    """Latents of an unmodified pipeline, (1, C, h, w)."""
    pipeline.set_progress_bar_config(disable=True)
    found = pipeline(
        asked.prompt, negative_prompt=asked.negative_prompt or None, num_inference_steps=asked.num_inference_steps,
        guidance_scale=asked.guidance_scale, generator=torch.Generator().manual_seed(asked.seed), output_type="latent",
        width=WIDTH_PX, height=HEIGHT_PX, **options,
    ).images  # fmt: skip
    return torch.as_tensor(found)


def maps_of(asked: GenerationRequest) -> list[tuple[Image.Image, float, float, float]]:
    """Picture, scale, start and end of every map of a request, its pose first."""
    drawn = []
    if asked.pose is not None:
        scale, end = asked.controlnet_conditioning_scale, asked.control_guidance_end
        image = Image.fromarray(draw_control(asked.pose, asked.framing))
        drawn.append((image, scale, asked.control_guidance_start, end))
    return drawn + [
        (
            PICTURES[control.picture_sha256], control.controlnet_conditioning_scale, control.control_guidance_start,
            control.control_guidance_end,
        )
        for control in asked.controls
    ]  # fmt: skip


def stock_control(asked: GenerationRequest, image: str = "image") -> dict[str, Any]:
    """The maps of a request as the stock ControlNet pipelines take several; `image`: what they call the pictures."""
    images, scales, starts, ends = (list(values) for values in zip(*maps_of(asked), strict=True))
    return {
        image: images, "controlnet_conditioning_scale": scales, "control_guidance_start": starts,
        "control_guidance_end": ends,
    }  # fmt: skip


def difference(ours: torch.Tensor, other: torch.Tensor) -> float:
    """The greatest difference of two latents."""
    assert ours.shape == other.shape
    return float((ours - other).abs().max())
