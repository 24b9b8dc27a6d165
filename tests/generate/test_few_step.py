"""Live previews with the few-step weights that a base brings: used where they are, beside a brand model, and no trace
of them in any other picture.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionControlNetPipeline
from numpy.typing import NDArray
from PIL import Image

from studio.devices import choose_device
from studio.errors import CapabilityError, FaultsError, GateError, StudioError
from studio.generate import GenerateService
from studio.models import ModelCache, Registry
from studio.models.few_step import CARD, FEW_STEP, LORA, few_steps_of
from studio.presets import Presets
from studio.records.brand_model import BrandModel
from studio.records.generation import AdapterWeight, GenerationRequest
from studio.settings import Settings
from studio.store import Store
from tests.brand_model import write_brand_model
from tests.few_step_files import STEPS, write_few_step
from tests.generate.conftest import draw_control, request

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`")


@pytest.fixture
def root(settings: Settings, tmp_path: Path) -> Path:
    """A presets root of its own, whose croquis brings few-step weights."""
    root = tmp_path / "presets"
    shutil.copytree(settings.presets, root)
    write_few_step(root / "bases" / "croquis")
    return root


@pytest.fixture
def croquis(root: Path) -> Path:
    return root / "bases" / "croquis"


def service_of(root: Path, settings: Settings, store: Store) -> GenerateService:
    presets = Presets(root, settings.brand_models)
    return GenerateService(
        store, settings, presets, ModelCache(Registry(presets), 2**31), choose_device(settings), draw_control
    )


@pytest.fixture
def service(root: Path, settings: Settings, store: Store) -> GenerateService:
    return service_of(root, settings, store)


def asked(**fields: Any) -> GenerationRequest:
    return request(5, **({"num_inference_steps": 12, "guidance_scale": 4.0, "negative_prompt": "hat"} | fields))


def pixels(image: Image.Image) -> NDArray[np.int16]:
    return np.asarray(image.convert("RGB"), np.int16)


def apart(one: Image.Image, other: Image.Image) -> int:
    """The greatest difference in levels of 255."""
    return int(np.abs(pixels(one) - pixels(other)).max())


def preview(service: GenerateService, wanted: GenerationRequest) -> Image.Image:
    return service.preview(wanted, lambda: None)


def stock(croquis: Path, wanted: GenerationRequest, brand: Path | None = None) -> Image.Image:
    """An unmodified pipeline with both LoRAs, few steps, no guidance."""
    pipeline: Any = StableDiffusionControlNetPipeline.from_pretrained(croquis)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(croquis / FEW_STEP, weight_name=LORA, adapter_name="few")
    names, weights = ["few"], [1.0]
    if brand is not None:
        pipeline.load_lora_weights(brand.parent, weight_name=brand.name, adapter_name="brand")
        names, weights = ["few", "brand"], [1.0, wanted.adapters[0].adapter_weight]
    pipeline.set_adapters(names, weights)
    pipeline.scheduler = DDIMScheduler.from_pretrained(croquis / FEW_STEP / "scheduler")
    picture: Image.Image = pipeline(
        wanted.prompt, image=Image.fromarray(draw_control(wanted.pose, wanted.framing)),  # type: ignore[arg-type]
        num_inference_steps=STEPS, guidance_scale=1.0, generator=torch.Generator().manual_seed(wanted.seed),
        width=wanted.framing.width_px, height=wanted.framing.height_px,
    ).images[0]  # fmt: skip
    return picture


def test_a_preview_is_what_the_stock_pipeline_draws_with_the_few_step_weights(
    service: GenerateService, croquis: Path
) -> None:
    assert apart(preview(service, asked()), stock(croquis, asked())) <= 1


def test_a_brand_model_counts_beside_them(service: GenerateService, croquis: Path, settings: Settings) -> None:
    card = write_brand_model(settings.brand_models, croquis, "aki", seed=3)
    wanted = asked(adapters=(AdapterWeight(brand_model="aki", adapter_weight=0.8),))
    branded = preview(service, wanted)
    assert apart(branded, stock(croquis, wanted, settings.brand_models / "aki" / card.weights_file)) <= 1
    assert apart(branded, preview(service, asked())) > 8


def test_no_other_picture_knows_of_them(
    service: GenerateService, root: Path, croquis: Path, settings: Settings, store: Store,
    brand_model: Callable[..., BrandModel],
) -> None:  # fmt: skip
    brand_model("aki")
    requests = [asked(), asked(adapters=(AdapterWeight(brand_model="aki"),)), asked(speed="draft")]
    before = [variant.image_sha256 for variant in service.run(requests)]
    for wanted in requests:
        preview(service, wanted)
    after = service.run(requests)
    assert [variant.image_sha256 for variant in after] == before
    assert [variant.request for variant in after] == requests
    shutil.rmtree(croquis / FEW_STEP)
    without = service_of(root, settings, store)
    for variant, again in zip(after, without.run(requests), strict=True):
        one, other = (Image.open(store.files.path(v.image_sha256)) for v in (variant, again))
        assert apart(one, other) == 0


def test_a_base_without_them_draws_its_own_way(service: GenerateService, croquis: Path) -> None:
    with_them = preview(service, asked())
    shutil.rmtree(croquis / FEW_STEP)
    plain = preview(service, asked())
    assert apart(plain, with_them) > 8
    own = asked(num_inference_steps=6)
    [variant] = service.run([own])
    assert apart(plain, Image.open(service._store.files.path(variant.image_sha256))) == 0


def test_a_preview_takes_few_steps_and_no_guidance(service: GenerateService, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.generate import engine

    seen: list[tuple[int, bool]] = []
    whole = engine.denoise

    def spy(networks: Any, conditions: Any, *rest: Any) -> torch.Tensor:
        seen.append((conditions.requests[0].num_inference_steps, conditions.guidance_scale is not None))
        return whole(networks, conditions, *rest)

    monkeypatch.setattr(engine, "denoise", spy)
    preview(service, asked())
    service.run([asked()])
    assert seen == [(STEPS, False), (12, True)]


def without_lora(folder: Path) -> None:
    (folder / LORA).unlink()


def without_scheduler(folder: Path) -> None:
    shutil.rmtree(folder / "scheduler")


def other_steps(folder: Path) -> None:
    (folder / CARD).write_text('{"num_inference_steps": 0}', encoding="utf-8")


def broken_card(folder: Path) -> None:
    (folder / CARD).write_text("[3]", encoding="utf-8")


@pytest.mark.parametrize(
    ("breaks", "kind", "words"),
    [
        (without_lora, GateError, LORA), (without_scheduler, GateError, "scheduler_config.json"),
        (other_steps, FaultsError, "num_inference_steps"), (broken_card, GateError, CARD),
    ],
)  # fmt: skip
def test_a_broken_folder_is_told_with_what_to_do(
    service: GenerateService, croquis: Path, breaks: Callable[[Path], None], kind: type[StudioError], words: str
) -> None:
    breaks(croquis / FEW_STEP)
    with pytest.raises(kind, match=words) as caught:
        preview(service, asked())
    assert "remove its folder few_step/" in caught.value.next_step
    assert service.run([asked(num_inference_steps=2)])  # pictures do not need them


def test_weights_of_another_base_are_refused(service: GenerateService, croquis: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(croquis / FEW_STEP / LORA)
    wrong = {name: torch.cat([t, t], dim=1) if "lora_A" in name else t for name, t in tensors.items()}
    save_file(wrong, croquis / FEW_STEP / LORA)
    with pytest.raises(CapabilityError, match=LORA):
        preview(service, asked())


def test_the_steps_are_read_without_the_weights(croquis: Path) -> None:
    assert few_steps_of(croquis / FEW_STEP) == STEPS
