"""Fixtures of the generate tests: poses, a control map, a brand model on disk, an engine over the tiny base."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.models import ModelCache, Registry
from studio.presets import Presets
from studio.records.brand_model import BrandModel
from studio.records.generation import GenerationRequest
from studio.records.pose import JOINT_NAMES, Framing, Joint, Pose
from studio.settings import Settings
from tests.brand_model import write_brand_model

SMALL = Framing().scaled(0.5)
"""96x128 px: latents of 12x16, which still divide by the UNet's two halvings."""


def pose(name: str = "front-standing", lean_mm: float = 0.0) -> Pose:
    joints = tuple(Joint(x_mm=lean_mm * i, y_mm=1650 - 90 * i) for i in range(len(JOINT_NAMES)))
    return Pose(name=name, joints=joints)


def draw_control(asked: Pose, framing: Framing) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A map of coloured squares, one a joint."""
    canvas = np.zeros((framing.height_px, framing.width_px, 3), np.uint8)
    for number, joint in enumerate(asked.joints):
        x, y = (round(v) for v in framing.to_px(joint))
        canvas[max(y - 4, 0) : y + 4, max(x - 4, 0) : x + 4] = (255, 14 * number, 255 - 14 * number)
    return canvas


def request(seed: int = 1, **fields: Any) -> GenerationRequest:
    defaults: dict[str, Any] = {
        "prompt": "a woman in a red dress, white background",
        "num_inference_steps": 4,
        "framing": SMALL,
        "pose": pose(),
    }
    return GenerationRequest(**(defaults | {"seed": seed} | fields))


@pytest.fixture
def presets(settings: Settings) -> Presets:
    return Presets(settings.presets, settings.brand_models)


@pytest.fixture(scope="session")
def shared_cache(tiny_presets: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelCache:
    """One cache for tests that only draw."""
    return ModelCache(Registry(Presets(tiny_presets, tmp_path_factory.mktemp("none"))), 2**30)


@pytest.fixture
def brand_model(settings: Settings, tiny_base: Path) -> Callable[..., BrandModel]:
    """Writes a brand model with random weights: folder, LoRA, card."""
    return functools.partial(write_brand_model, settings.brand_models, tiny_base)
