"""A reference picture counts as in the stock pipelines, for each picture of a batch by its own scale, and leaves no
trace on the shared UNet.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image

import studio.generate.engine as engine_module
from studio.devices import choose_device
from studio.errors import Cancelled, CapabilityError, FaultsError, GateError
from studio.generate import GenerateService, Watch
from studio.generate.adapters import load_adapter
from studio.generate.check import check_requests
from studio.generate.engine import Engine
from studio.generate.png import KEYWORD
from studio.generate.prompt_length import PromptLengths
from studio.models import ComponentKey, ModelCache, Registry
from studio.models.installed import sha256_of
from studio.presets import Presets
from studio.records.brand_model import BrandModel
from studio.records.generation import AdapterWeight, ControlPicture, GenerationRequest, Reference
from studio.records.pose import Framing
from studio.settings import Settings
from studio.store import Store
from tests.generate.conftest import draw_control, request
from tests.ip_adapter_files import mark_as_pulled, write_image_encoder, write_ip_adapter
from tests.tiny_sdxl import build_tiny_sdxl

ADAPTER = "sd15-ip-adapter"
A, B = "a" * 64, "b" * 64
CARD = """\
name: sd15
title: SD 1.5 (tiny, random weights)
family: sd15
licence: Apache-2.0
commercial_use: true
licence_source: built by the tests
width_px: 96
height_px: 128
num_inference_steps: 4
guidance_scale: 4.0
training_preset: style
"""


def photo(sha256: str) -> Image.Image:
    """A picture of its own for each sha256."""
    pixels = np.random.default_rng(ord(sha256[0])).integers(0, 256, (8, 6, 3), np.uint8)
    return Image.fromarray(pixels).resize((60, 80), Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def root(tiny_presets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`presets/` with croquis, whose folder holds an IP-Adapter of its own, and sd15; `models/` with a pulled one."""
    root = tmp_path_factory.mktemp("reference")
    shutil.copytree(tiny_presets, root / "presets")
    croquis, sd15 = (root / "presets" / "bases" / name for name in ("croquis", "sd15"))
    shutil.copytree(croquis, sd15)
    (sd15 / "card.yaml").write_text(CARD, encoding="utf-8")
    unet = UNet2DConditionModel.from_pretrained(croquis / "unet")
    write_ip_adapter(croquis / "ip_adapter" / "ip_adapter.safetensors", unet, "simple")
    write_image_encoder(croquis / "image_encoder")
    pulled = root / "models" / "ip_adapter" / ADAPTER
    write_ip_adapter(pulled / "ip_adapter.safetensors", unet, "plus")
    write_image_encoder(pulled / "image_encoder")
    mark_as_pulled(pulled, ADAPTER, "ip_adapter")
    return root


def presets_of(root: Path, brand_models: Path | None = None) -> Presets:
    return Presets(root / "presets", brand_models or root / "none", root / "models")


@pytest.fixture(scope="module")
def cache(root: Path) -> ModelCache:
    return ModelCache(Registry(presets_of(root)), 2**30)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., torch.Tensor]:
    """Latents of requests as the engine would decode them, (N, C, h, w), in the order of its batches."""
    found: list[torch.Tensor] = []

    def keep(architecture: Any, vae: Any, latents: torch.Tensor) -> Any:
        found.append(latents)
        return [Image.new("RGB", (8, 8))] * len(latents)

    monkeypatch.setattr(engine_module, "decode", keep)

    def draw(cache: ModelCache, requests: list[GenerationRequest], **options: Any) -> torch.Tensor:
        found.clear()
        list(engine(cache, **options).run(requests))
        return torch.cat(found)

    return draw


def engine(cache: ModelCache, *, batch_size: int = 1, adapters: Any = None, read: Any = photo) -> Engine:
    return Engine(
        cache, device="cpu", dtype="fp32", adapters=adapters, draw_control=draw_control, read_picture=read,
        batch_size=batch_size,
    )  # fmt: skip


def asked(seed: int = 1, scale: float = 0.7, picture: str = A, **fields: Any) -> GenerationRequest:
    reference = Reference(picture_sha256=picture, ip_adapter_scale=scale)
    return request(seed, **({"base": "sd15", "pose": None, "reference": reference, "num_inference_steps": 2} | fields))


def stock(pipeline: Any, wanted: GenerationRequest) -> torch.Tensor:
    """Latents of an unmodified stock pipeline."""
    options: dict[str, Any] = {"width": wanted.framing.width_px, "height": wanted.framing.height_px}
    if wanted.reference is not None:
        pipeline.set_ip_adapter_scale(wanted.reference.ip_adapter_scale)
        options["ip_adapter_image"] = photo(wanted.reference.picture_sha256)
    if wanted.pose is not None:
        options["image"] = Image.fromarray(draw_control(wanted.pose, wanted.framing))
    pipeline.set_progress_bar_config(disable=True)
    latents: torch.Tensor = pipeline(
        wanted.prompt, negative_prompt=wanted.negative_prompt or None, num_inference_steps=wanted.num_inference_steps,
        guidance_scale=wanted.guidance_scale, generator=torch.Generator().manual_seed(wanted.seed),
        output_type="latent", **options,
    ).images  # fmt: skip
    return latents


def stock_pipeline(root: Path, kind: Any, base: str, adapter: Path) -> Any:
    pipeline = kind.from_pretrained(root / "presets" / "bases" / base)
    with_adapter(pipeline, adapter)
    return pipeline


def with_adapter(pipeline: Any, adapter: Path) -> None:
    """Load an IP-Adapter into a stock pipeline; its image encoder lies in it, or beside it."""
    encoder = "image_encoder" if (adapter / "image_encoder").is_dir() else "../image_encoder"
    pipeline.load_ip_adapter(adapter, subfolder="", weight_name="ip_adapter.safetensors", image_encoder_folder=encoder)


def pulled(root: Path) -> Path:
    return root / "models" / "ip_adapter" / ADAPTER


@pytest.mark.parametrize("layout", ["plus", "simple", "full"])
def test_latents_equal_the_stock_pipelines(
    root: Path, tmp_path: Path, drawn: Callable[..., torch.Tensor], layout: Any
) -> None:
    shutil.copytree(root / "models", tmp_path / "models")
    unet = UNet2DConditionModel.from_pretrained(root / "presets" / "bases" / "sd15" / "unet")
    write_ip_adapter(pulled(tmp_path) / "ip_adapter.safetensors", unet, layout)
    mark_as_pulled(pulled(tmp_path), ADAPTER, "ip_adapter")
    cache = ModelCache(Registry(Presets(root / "presets", tmp_path, tmp_path / "models")), 2**30)
    pipeline = stock_pipeline(root, StableDiffusionPipeline, "sd15", pulled(tmp_path))
    for wanted in (asked(negative_prompt="grey"), asked(guidance_scale=1.0)):
        ours = drawn(cache, [wanted])
        assert (ours - stock(pipeline, wanted)).abs().max() <= 1e-4
    other = drawn(cache, [asked(guidance_scale=1.0, picture=B)])
    assert (ours - other).abs().max() > 1e-2, "another picture counts"


def test_with_pose_and_an_adapter_in_the_bases_own_folder(
    root: Path, cache: ModelCache, drawn: Callable[..., torch.Tensor]
) -> None:
    own = root / "presets" / "bases" / "croquis" / "ip_adapter"
    pipeline = stock_pipeline(root, StableDiffusionControlNetPipeline, "croquis", own)
    wanted = asked(base="croquis", pose=request().pose)
    assert (drawn(cache, [wanted]) - stock(pipeline, wanted)).abs().max() <= 1e-4


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_sdxl_latents_equal_the_stock_pipelines(
    tiny_presets: Path, tmp_path: Path, drawn: Callable[..., torch.Tensor]
) -> None:
    root, folder = tmp_path / "presets", tmp_path / "models" / "ip_adapter" / "sdxl-ip-adapter"
    (root / "bases").mkdir(parents=True)
    (root / "ip_adapters").symlink_to(tiny_presets / "ip_adapters")
    base = build_tiny_sdxl(root / "bases" / "sdxl")
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    write_ip_adapter(folder / "ip_adapter.safetensors", unet, "plus")
    write_image_encoder(folder / "image_encoder")
    mark_as_pulled(folder, "sdxl-ip-adapter", "ip_adapter")
    pipeline = StableDiffusionXLPipeline.from_pretrained(base)
    with_adapter(pipeline, folder)
    framing = Framing().model_copy(update={"width_px": 64, "height_px": 96})
    first, second = asked(base="sdxl", framing=framing), asked(2, 0.4, B, base="sdxl", framing=framing)
    ours = drawn(ModelCache(Registry(presets_of(tmp_path)), 2**30), [first, second], batch_size=2)
    for latents, wanted in zip(ours, (first, second), strict=True):
        assert (latents - stock(pipeline, wanted)[0]).abs().max() <= 1e-4


def test_each_picture_of_a_batch_has_its_own_reference_and_scale(
    cache: ModelCache, drawn: Callable[..., torch.Tensor]
) -> None:
    requests = [asked(1, 0.3), asked(2, 1.2, B), asked(3, 0.0), asked(4, 0.6, B, guidance_scale=2.0)]
    together = drawn(cache, requests, batch_size=4)
    alone = torch.cat([drawn(cache, [each]) for each in requests])
    assert (together - alone).abs().max() <= 1e-5
    [without] = drawn(cache, [requests[2].model_copy(update={"reference": None})])
    assert (together[2] - without).abs().max() <= 1e-5, "at scale 0 it does not count"
    assert (together[0] - drawn(cache, [asked(1, 1.2)])[0]).abs().max() > 1e-3


def test_a_draft_ends_guidance_with_a_reference_too(cache: ModelCache, drawn: Callable[..., torch.Tensor]) -> None:
    draft, exact = drawn(cache, [asked(1, speed="draft", num_inference_steps=4), asked(1, num_inference_steps=4)])
    assert 0 < (draft - exact).abs().max() < 1


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_brand_model_and_reference_together_and_nothing_of_them_afterwards(
    root: Path, settings: Settings, brand_model: Callable[..., BrandModel], drawn: Callable[..., torch.Tensor]
) -> None:
    card = brand_model("one", seed=1, base="sd15")
    presets = presets_of(root, settings.brand_models)
    cache = ModelCache(Registry(presets), 2**30)
    plain_pipeline = StableDiffusionPipeline.from_pretrained(root / "presets" / "bases" / "sd15")
    plain, both = asked(reference=None), asked(adapters=(AdapterWeight(brand_model="one", adapter_weight=0.8),))
    options = {"adapters": lambda name: load_adapter(presets, name)}
    assert torch.equal(drawn(cache, [plain]), stock(plain_pipeline, plain))
    pipeline = StableDiffusionPipeline.from_pretrained(root / "presets" / "bases" / "sd15")
    pipeline.load_lora_weights(presets.brand_model_folder(card.name), adapter_name="one")
    pipeline.set_adapters(["one"], [0.8])
    with_adapter(pipeline, pulled(root))
    for _ in range(2):  # the slot is made by the first and there for the second
        assert (drawn(cache, [both], **options) - stock(pipeline, both)).abs().max() <= 1e-4
    assert torch.equal(drawn(cache, [plain], **options), stock(plain_pipeline, plain))


def encoder_calls(cache: ModelCache, base: str) -> Iterator[list[int]]:
    calls: list[int] = []
    with cache.use(ComponentKey(base, "image_encoder")) as encoder:
        handle = encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    yield calls
    handle.remove()


def test_each_reference_is_encoded_once_and_remembered(root: Path, drawn: Callable[..., torch.Tensor]) -> None:
    cache = ModelCache(Registry(presets_of(root)), 2**30)
    counting = encoder_calls(cache, ADAPTER)
    calls = next(counting)
    first = drawn(cache, [asked(1), asked(2, picture=B), asked(3, 1.0), asked(1, guidance_scale=1.0)])
    assert len(calls) == 3, "two pictures, and once the absent one"
    assert torch.equal(drawn(cache, [asked(1)])[0], first[0])
    assert len(calls) == 3, "the same picture in a later run"
    cache.clear()
    assert torch.equal(drawn(cache, [asked(1)])[0], first[0])
    list(counting)


def test_whatever_happens_the_unet_has_its_own_layers_back(cache: ModelCache) -> None:
    key = ComponentKey("sd15", "unet")
    with cache.use(key) as unet:
        before, count = unet.attn_processors, sum(1 for _ in unet.parameters())

    def stop(indices: tuple[int, ...], share: float) -> None:
        with cache.use(key) as unet:
            assert sum(1 for _ in unet.parameters()) > count, "they are on it now"
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        list(engine(cache).run([asked()], watch=Watch(stepped=stop)))
    with cache.use(key) as unet:
        after = unet.attn_processors
        assert sum(1 for _ in unet.parameters()) == count
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def break_nan(folder: Path, unet: Any) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "ip_adapter.safetensors"
    tensors = load_file(path)
    tensors["image_proj.proj_in.bias"][0] = float("nan")
    save_file(tensors, path)


def break_family(folder: Path, unet: Any) -> None:
    write_ip_adapter(folder / "ip_adapter.safetensors", unet, "plus", width=40)


def break_encoder(folder: Path, unet: Any) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=30, patch_size=10
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")


def break_pickle(folder: Path, unet: Any) -> None:
    torch.save({"image_proj": {}}, folder / "ip_adapter.bin")


BROKEN = [
    (break_nan, GateError, r"ip_adapter.safetensors holds NaN"),
    (break_family, CapabilityError, r"ip_adapter.safetensors was made for another family.*tokens of 40.*tokens of 32"),
    (break_encoder, CapabilityError, r"ip_adapter.safetensors reads 32 features.*gives 16"),
    (break_pickle, GateError, r"ip_adapter.bin"),
]


@pytest.mark.parametrize(("spoil", "kind", "words"), BROKEN)
def test_a_bad_adapter_is_named_and_the_next_picture_is_drawn(
    root: Path, tmp_path: Path, drawn: Callable[..., torch.Tensor], spoil: Any, kind: Any, words: str
) -> None:
    shutil.copytree(root / "models", tmp_path / "models")
    spoil(pulled(tmp_path), UNet2DConditionModel.from_pretrained(root / "presets" / "bases" / "sd15" / "unet"))
    mark_as_pulled(pulled(tmp_path), ADAPTER, "ip_adapter")
    cache = ModelCache(Registry(Presets(root / "presets", tmp_path, tmp_path / "models")), 2**30)
    plain = asked(reference=None, num_inference_steps=1)
    before = drawn(cache, [plain])
    with pytest.raises(kind, match=words):
        list(engine(cache).run([asked()]))
    assert torch.equal(drawn(cache, [plain]), before)
    shutil.copytree(root / "models", tmp_path / "models", dirs_exist_ok=True)
    (pulled(tmp_path) / "ip_adapter.bin").unlink(missing_ok=True)
    cache.clear()
    assert len(drawn(cache, [asked(num_inference_steps=1)])) == 1, "mended, it works"


def test_a_variant_carries_its_reference_and_what_looked_at_it(
    root: Path, cache: ModelCache, store: Store, settings: Settings, tmp_path: Path
) -> None:
    service = GenerateService(store, settings, presets_of(root), cache, choose_device(settings), draw_control)
    photo(A).save(tmp_path / "fabric.png")
    wanted = asked(picture=service.keep_picture(tmp_path / "fabric.png"), num_inference_steps=1)
    [variant] = service.run([wanted])
    path = store.files.path(variant.image_sha256)
    assert service.restore(path) == wanted
    texts = Image.open(path).text  # type: ignore[attr-defined]
    assert "IP-Adapter: 0.7" in texts["parameters"]
    digest = sha256_of(pulled(root) / "ip_adapter.safetensors")
    assert json.loads(texts[KEYWORD])["made_with"]["addons"][ADAPTER]["ip_adapter.safetensors"] == digest


def test_what_a_base_can_do_follows_from_its_folder(root: Path, tiny_presets: Path, tmp_path: Path) -> None:
    registry, bare = Registry(presets_of(root)), Registry(Presets(tiny_presets, tmp_path))
    assert registry.capabilities("croquis").reference_image.supported
    assert registry.reference("croquis").name == "croquis"
    assert registry.reference("sd15").name == ADAPTER
    assert "croquis comes without" in bare.capabilities("croquis").reference_image.reason
    with pytest.raises(CapabilityError, match="cannot keep to a reference picture: croquis comes without"):
        bare.reference("croquis")


def test_what_cannot_be_followed_is_told_before_anything_is_loaded(
    root: Path, tiny_presets: Path, tmp_path: Path, store: Store, settings: Settings
) -> None:
    kept = store.files.put_bytes(b"a picture", ".png")
    canny = ControlPicture(kind="canny", picture_sha256=kept)

    def faults(presets: Presets, *requests: GenerationRequest) -> list[str]:
        with pytest.raises(FaultsError) as caught:
            check_requests(
                requests, presets, Registry(presets), PromptLengths(presets), settings.max_image_pixels,
                store.files.path,
            )  # fmt: skip
        return [f"{fault.where}: {fault.what} {fault.next_step}" for fault in caught.value.faults]

    missing = asked(picture=A, controls=(canny.model_copy(update={"picture_sha256": B}),))
    here = presets_of(root)
    [not_pulled, no_map, no_photo] = faults(here, asked(picture=kept), missing, missing)
    assert "request 1: ControlNet" in not_pulled
    assert "models pull sd15-controlnet-canny" in not_pulled
    assert no_map == f"request 1: its control map {B[:12]} is not in the file store. Choose it again."
    assert no_photo == f"request 1: its reference picture {A[:12]} is not in the file store. Choose it again."
    bare = Presets(tiny_presets, tmp_path)
    [canny_unknown, no_adapter] = faults(bare, asked(base="croquis", picture=kept, controls=(canny,)))
    assert "request 0: croquis cannot follow a map of canny: Croquis has a ControlNet for poses only." in canny_unknown
    assert "request 0: croquis cannot keep to a reference picture" in no_adapter
