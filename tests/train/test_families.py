"""Training on bases of other families: a run on a tiny one, and its step beside a plain loop as diffusers' scripts
write it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch.testing import assert_close

from studio.models.families import FAMILIES
from studio.models.gate import check_weights
from studio.records.training import TrainingConfig, TrainingRun
from studio.settings import Settings
from studio.store import Store
from studio.train import TrainService
from studio.train.buckets import Bucket
from studio.train.cache import Posterior
from studio.train.estimate import held_by_unet
from studio.train.loop_adapter import lora_attached
from studio.train.loop_trainer import EncodedPhoto, LoraTrainer
from tests.tiny_sd15 import build_tiny_sd15
from tests.tiny_sdxl import build_tiny_sdxl
from tests.train import brand

BUILD = {"sd15": build_tiny_sd15, "sdxl": build_tiny_sdxl}
PIPELINES = {"sd15": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}
TITLES = {"sd15": "stable-diffusion-v1", "sdxl": "stable-diffusion-xl-v1-base"}


class Tiny(NamedTuple):
    """A tiny base, and a run of eight steps on it with four photos and two held out."""

    family: str
    folder: Path
    service: TrainService
    run: TrainingRun
    settings: Settings

    def pipeline(self) -> Any:
        """The stock pipeline over the same folder."""
        import diffusers

        return getattr(diffusers, PIPELINES[self.family]).from_pretrained(self.folder)


@pytest.fixture(scope="module", params=sorted(BUILD))
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    family, root = request.param, tmp_path_factory.mktemp(request.param)
    folder = BUILD[family](root / "presets" / "bases" / family)
    settings = Settings(
        home=root / "home", presets=root / "presets", brand_models=root / "models", device="cpu", dtype="fp32"
    )
    settings.brand_models.mkdir()
    with Store.open(settings) as store:
        service = brand.service_of(store, settings)
        config = brand.config_of(brand.add_dataset(store), base=family, learning_rate=3e-2, max_train_steps=8)
        run = service.prepare(config)
        job = brand.train(service, store, run.id)
        assert job.status == "done", job.error
        yield Tiny(family, folder, service, store.training_runs.get(run.id), settings)


def test_the_loss_on_fixed_questions_falls(tiny: Tiny) -> None:
    curve = [row["train_loss"] for row in tiny.service.metrics(tiny.run.id) if "train_loss" in row]
    assert len(curve) == 3
    assert curve[-1] < curve[0]


def test_all_text_encoders_are_cached_as_the_stock_pipeline_encodes(tiny: Tiny) -> None:
    from safetensors.torch import load_file

    caption = f"a photo of {brand.TRIGGER} dress, look 1"
    with torch.no_grad():
        prompt_embeds, _, *rest = tiny.pipeline().encode_prompt(
            caption, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
    kept = [load_file(path) for path in sorted(tiny.settings.home.rglob("texts/*.safetensors"))]
    assert len(kept) == 7, "six captions and the empty one"
    [found] = [text for text in kept if torch.allclose(text["hidden"], prompt_embeds, atol=1e-5)]
    assert ("pooled" in found) == (tiny.family == "sdxl")
    if tiny.family == "sdxl":
        assert_close(found["pooled"], rest[0], atol=1e-5, rtol=0)


def test_the_published_lora_is_read_by_the_stock_pipeline_and_says_what_it_is(tiny: Tiny) -> None:
    card = tiny.service.publish(tiny.run.id, step=8)
    folder = tiny.settings.brand_models / card.name
    weights = check_weights(folder / card.weights_file, allow={card.weights_sha256})
    assert weights.metadata["modelspec.architecture"] == f"{TITLES[tiny.family]}/lora"
    assert weights.metadata["modelspec.prediction_type"] == "epsilon"
    pipeline = tiny.pipeline()
    pipeline.load_lora_weights(folder)
    adapter = next(iter(pipeline.unet.peft_config.values()))
    assert (adapter.r, adapter.lora_alpha) == (4, 8)
    layers = [p for name, p in pipeline.unet.named_parameters() if "lora_B" in name]
    assert layers
    assert all(bool(p.any()) for p in layers)


def test_it_is_told_before_what_a_run_takes(tiny: Tiny) -> None:
    found = tiny.service.estimate(tiny.run.config)
    assert found.measured
    assert found.memory_bytes > sum(p.stat().st_size for p in tiny.folder.rglob("*.safetensors"))


CAPTIONS = ("a photo of sksdress dress, look 1", "a photo of sksdress dress, look 2")


def encoded(tiny: Tiny, pipeline: Any) -> list[EncodedPhoto]:
    """Two photos with random latents of one bucket, captions as the architecture encodes them."""
    architecture, rng = FAMILIES[tiny.family].architecture, torch.Generator().manual_seed(4)
    parts = {name: getattr(pipeline, name) for name in architecture.text_parts}
    with torch.no_grad():
        texts = [architecture.encode(parts, caption) for caption in CAPTIONS]
    posterior = Posterior(torch.randn(4, 12, 8, generator=rng), torch.full((4, 12, 8), 0.1))
    return [
        EncodedPhoto(f"{i:064x}", Bucket(64, 96), (posterior,), {name: value.clone() for name, value in text.items()})
        for i, text in enumerate(texts)
    ]


class Recorded:
    """An objective that remembers what it noised."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        self.seen = latents.clone(), noise.clone(), times.clone()
        return torch.as_tensor(self._whole.noised(latents, noise, times))


def shaken(parameters: dict[str, Any]) -> None:
    """Both matrices away from zero, so that both have a gradient."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name in sorted(parameters):
            parameters[name].copy_(0.2 * torch.randn(parameters[name].shape, generator=rng))


@pytest.mark.parametrize("snr_gamma", [None, 5.0])
def test_a_step_equals_that_of_a_plain_loop(tiny: Tiny, snr_gamma: float | None) -> None:
    """As in diffusers' train_text_to_image_lora.py and train_text_to_image_lora_sdxl.py: same noise, timesteps,
    embeddings; then clipping and AdamW.
    """
    family, pipeline = FAMILIES[tiny.family], tiny.pipeline()
    config = TrainingConfig.model_validate(
        {"name": "brand", "dataset_id": "d", "lora_rank": 4, "lora_alpha": 8.0, "learning_rate": 1e-3,
         "train_batch_size": 2, "caption_dropout": 0.0, "lr_warmup_steps": 0, "snr_gamma": snr_gamma,
         "target_modules": family.lora_targets}
    )  # fmt: skip
    photos = encoded(tiny, pipeline)
    objective = Recorded(family.architecture.objective(pipeline.scheduler, snr_gamma))
    unet = pipeline.unet.requires_grad_(False).eval()
    with lora_attached(unet, config) as parameters:
        shaken(parameters)
        trainer = LoraTrainer(
            family.architecture, unet, parameters, objective, photos, photos[0].text, config, autocast=None
        )
        loss = trainer.step(1)
        ours = {name: (p.grad.clone(), p.detach().clone()) for name, p in parameters.items() if p.grad is not None}
    assert len(ours) == len(parameters)
    expected_loss, expected = plain_step(tiny, pipeline, unet, config, objective.seen)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    assert ours.keys() == expected.keys()
    for name, (gradient, weight) in expected.items():
        assert_close(ours[name][0], gradient, atol=1e-5, rtol=0)
        sure = gradient.abs() > 1e-4  # AdamW's first step is about the gradient's sign, which rounding turns near zero
        assert_close(ours[name][1][sure], weight[sure], atol=1e-5, rtol=0)


def plain_step(
    tiny: Tiny, pipeline: Any, unet: Any, config: TrainingConfig, seen: Any
) -> tuple[float, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """One optimiser step as the scripts write it; name -> clipped gradient, and matrix afterwards."""
    from diffusers import DDPMScheduler
    from diffusers.training_utils import compute_snr
    from peft import LoraConfig

    latents, noise, timesteps = seen
    noise_scheduler = DDPMScheduler.from_pretrained(tiny.folder, subfolder="scheduler")
    unet.add_adapter(LoraConfig(r=4, lora_alpha=8, target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
    parameters = {n.replace(".default", ""): p for n, p in unet.named_parameters() if p.requires_grad}
    shaken(parameters)
    optimizer = torch.optim.AdamW(parameters.values(), lr=config.learning_rate)
    with torch.no_grad():
        captions = [CAPTIONS[i] for i in first_batch(config)]
        prompt_embeds, _, *pooled = pipeline.encode_prompt(
            captions, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
    conditions = {}
    if pooled:
        original_size, crops_coords_top_left, target_size = (96, 64), (0, 0), (96, 64)
        time_ids = torch.tensor([list(original_size + crops_coords_top_left + target_size)] * 2)
        conditions = {"added_cond_kwargs": {"time_ids": time_ids.float(), "text_embeds": pooled[0]}}
    noisy = noise_scheduler.add_noise(latents, noise, timesteps)
    model_pred = unet(noisy, timesteps, prompt_embeds, return_dict=False, **conditions)[0]
    if config.snr_gamma is None:
        loss = torch.nn.functional.mse_loss(model_pred.float(), noise.float(), reduction="mean")
    else:
        snr = compute_snr(noise_scheduler, timesteps)
        weights = torch.stack([snr, config.snr_gamma * torch.ones_like(timesteps)], dim=1).min(dim=1)[0] / snr
        loss = torch.nn.functional.mse_loss(model_pred.float(), noise.float(), reduction="none")
        loss = (loss.mean(dim=list(range(1, len(loss.shape)))) * weights).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
    optimizer.step()
    return loss.item(), {n: (torch.as_tensor(p.grad), p.detach()) for n, p in parameters.items()}


def first_batch(config: TrainingConfig) -> list[int]:
    """Which photos the first batch holds, in its order."""
    from studio.train.sampler import BatchSampler

    return list(BatchSampler([Bucket(64, 96)] * 2, batch_size=2, repeats=config.repeats, seed=config.seed).batch(0))


def test_what_a_step_holds_is_counted_by_transformer_depth(tiny: Tiny) -> None:
    """The count behind the memory estimate, beside what autograd keeps."""
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig

    unet = UNet2DConditionModel.from_pretrained(tiny.folder / "unet").requires_grad_(False).eval()
    weights = {p.untyped_storage().data_ptr() for p in unet.parameters()}
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=list(FAMILIES[tiny.family].lora_targets)))
    held: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    text = torch.randn(1, 64, unet.config.cross_attention_dim)
    added = {"text_embeds": torch.randn(1, 24), "time_ids": torch.zeros(1, 6)} if tiny.family == "sdxl" else None
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        unet(torch.randn(1, 4, 32, 32), 5, encoder_hidden_states=text, added_cond_kwargs=added).sample.mean()
    counted = sum(t.untyped_storage().nbytes() // t.element_size() for t in held.values())
    assert held_by_unet(dict(unet.config), 32 * 32) == pytest.approx(counted, rel=0.25)
