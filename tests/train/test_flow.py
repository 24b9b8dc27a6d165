"""Flow matching: the objective by itself, one step beside a plain loop, and Z-Image trained, resumed and published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from studio.errors import CapabilityError, FaultsError
from studio.generate.adapters import load_adapter
from studio.generate.engine import Engine
from studio.jobs import JobQueue, Lane
from studio.models.families.flow_objective import FlowObjective
from studio.models.families.z_image import Z_IMAGE
from studio.models.gate import check_weights
from studio.presets import Presets
from studio.records.generation import AdapterWeight, GenerationRequest
from studio.records.pose import Framing
from studio.records.training import TrainingConfig, TrainingRun
from studio.settings import Settings
from studio.store import Store
from studio.train import TrainService
from studio.train.buckets import Bucket, make_buckets, read_grid
from studio.train.cache import Posterior
from studio.train.checkpoint import Checkpoints
from studio.train.estimate import read_size
from studio.train.loop_adapter import lora_attached
from studio.train.loop_trainer import EncodedPhoto, LoraTrainer
from studio.train.sampler import derived_seed
from tests.tiny_z_image import DIM, z_image_presets
from tests.train import brand

STEPS = 8


class Trained(NamedTuple):
    """A finished run on the tiny Z-Image, with 4 photos and 2 held out."""

    run: TrainingRun
    service: TrainService
    store: Store
    settings: Settings


def config_of(dataset: Any, **changes: Any) -> TrainingConfig:
    return brand.config_of(dataset, **({"base": "z-image", "learning_rate": 2e-2, "max_train_steps": STEPS} | changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    root = tmp_path_factory.mktemp("flow")
    settings = Settings(
        home=root / "home", presets=z_image_presets(root / "presets"), brand_models=root / "brand_models",
        device="cpu", dtype="fp32",
    )  # fmt: skip
    settings.brand_models.mkdir()
    with Store.open(settings) as store:
        service = brand.service_of(store, settings)
        run = service.prepare(config_of(brand.add_dataset(store)))
        job = brand.train(service, store, run.id)
        assert job.status == "done", job.error
        yield Trained(store.training_runs.get(run.id), service, store, settings)


@pytest.fixture(scope="module")
def base(trained: Trained) -> Path:
    return trained.settings.presets / "bases" / "z-image"


@pytest.fixture(scope="module")
def scheduler(base: Path) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler.from_pretrained(base / "scheduler")


def test_times_are_those_of_the_bases_scheduler(scheduler: Any) -> None:
    objective = FlowObjective(scheduler, None, 256)
    scheduler.set_timesteps(3)  # a run was drawn meanwhile; training must not see its three steps
    places = torch.tensor([0.0, 0.25, 0.5, 0.999], dtype=torch.float64)
    plain = torch.tensor([1.0, 0.75, 0.5, 0.001])
    assert_close(objective.times_of(places, 64 * 96), 1000 * 3 * plain / (1 + 2 * plain), atol=1e-3, rtol=0)


def test_a_scheduler_that_shifts_with_the_size_does_so_in_training() -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift

    dynamic = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    places = torch.arange(4) / 4
    for pixels in (256 * 256, 1024 * 1024):
        dynamic.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25], mu=calculate_shift(pixels // 256))
        found = FlowObjective(dynamic, None, 256).times_of(places, pixels)
        assert_close(found, dynamic.timesteps, atol=1e-3, rtol=1e-5)


def test_the_target_is_the_way_from_picture_to_noise(scheduler: Any) -> None:
    latents, noise = torch.randn(2, 16, 4, 4), torch.randn(2, 16, 4, 4)
    times = torch.tensor([250.0, 1000.0])
    objective = FlowObjective(scheduler, None, 256)
    noisy = objective.noised(latents, noise, times)
    assert_close(noisy[0], 0.75 * latents[0] + 0.25 * noise[0])
    assert_close(noisy[1], noise[1])
    assert_close(objective.errors(noise - latents, latents, noise, times), torch.zeros(2))
    assert_close(objective.weights(times), torch.ones(2))


def test_what_it_cannot_weigh_is_refused(scheduler: Any, trained: Trained) -> None:
    from diffusers import DDIMScheduler

    with pytest.raises(CapabilityError, match="Min-SNR"):
        FlowObjective(scheduler, 5.0, 256)
    with pytest.raises(CapabilityError, match="DDIMScheduler"):
        FlowObjective(DDIMScheduler(), None, 256)
    dataset = trained.store.datasets.get(trained.run.config.dataset_id)
    with pytest.raises(FaultsError, match="snr_gamma: Min-SNR"):
        trained.service.prepare(config_of(dataset, snr_gamma=5.0))


def test_one_steps_gradient_is_that_of_diffusers_own_loop(base: Path, scheduler: Any) -> None:
    """Beside the loop of examples/dreambooth/train_dreambooth_lora_z_image.py, on the same photos, noise and times."""
    from diffusers import ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel.from_pretrained(base / "transformer").requires_grad_(False).eval()
    rng = torch.Generator().manual_seed(1)
    latents = torch.randn(2, 16, 12, 8, generator=rng)
    texts = [torch.randn(1, length, 16, generator=rng) for length in (20, 45)]
    photos = [
        EncodedPhoto(
            f"{i:064x}", Bucket(64, 96), (Posterior(latents[i], torch.zeros(16, 12, 8)),), {"hidden": texts[i]}
        )
        for i in range(2)
    ]
    config = TrainingConfig(
        name="x", dataset_id="x", base="z-image", lora_rank=4, lora_alpha=8.0, train_batch_size=2, caption_dropout=0.0,
        target_modules=Z_IMAGE.lora_targets,
    )  # fmt: skip
    objective = Z_IMAGE.architecture.objective(scheduler, None)
    with lora_attached(transformer, config) as parameters:
        with torch.no_grad():
            for name, parameter in parameters.items():
                if ".lora_B." in name:  # zero at the start, and then nothing comes to the other half
                    parameter.normal_(0.0, 0.1, generator=rng)
        trainer = LoraTrainer(
            Z_IMAGE.architecture, transformer, parameters, objective, photos, {"hidden": texts[0]}, config, None
        )
        loss = trainer._loss(0)
        loss.backward()
        ours = {name: parameter.grad.clone() for name, parameter in parameters.items() if parameter.grad is not None}
        transformer.zero_grad()
        theirs = _plain_loss(transformer, scheduler, latents, texts, trainer._sampler.batch(0), config.seed)
        theirs.backward()
        assert loss.item() == pytest.approx(theirs.item(), rel=1e-6)
        assert ours.keys() == parameters.keys()
        for name, parameter in parameters.items():
            assert_close(ours[name], parameter.grad, atol=1e-5, rtol=0)
        assert max(float(gradient.abs().max()) for gradient in ours.values()) > 1e-3


def _plain_loss(
    transformer: Any,
    scheduler: Any,
    latents: torch.Tensor,
    texts: list[torch.Tensor],
    order: tuple[int, ...],
    seed: int,
) -> torch.Tensor:
    """The script's lines, one after the other; random numbers in the trainer's order."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    noise_scheduler = FlowMatchEulerDiscreteScheduler.from_config(scheduler.config)
    rng = torch.Generator().manual_seed(derived_seed(seed, "step", 0))
    torch.rand(2, generator=rng), torch.rand(2, generator=rng)
    u = (torch.arange(2) + torch.rand(2, generator=rng)) / 2
    torch.randn(2, 16, 12, 8, generator=rng)  # of the posterior, which is a point here
    model_input, prompt_embeds = latents[list(order)], [texts[i][0] for i in order]
    noise = torch.randn(model_input.shape, generator=rng)
    timesteps = noise_scheduler.timesteps[(u * noise_scheduler.config.num_train_timesteps).long()]
    indices = [int((noise_scheduler.timesteps == t).nonzero().item()) for t in timesteps]
    sigmas = noise_scheduler.sigmas[indices].view(-1, 1, 1, 1)
    noisy = (1.0 - sigmas) * model_input + sigmas * noise
    answer = transformer(
        list(noisy.unsqueeze(2).unbind(0)), (1000 - timesteps) / 1000, prompt_embeds, return_dict=False
    )[0]
    model_pred = -torch.stack(answer, dim=0).squeeze(2)
    target = noise - model_input
    return ((model_pred.float() - target.float()) ** 2).reshape(2, -1).mean(1).mean()


def test_the_loss_on_fixed_questions_falls(trained: Trained) -> None:
    losses = [row["train_loss"] for row in trained.service.metrics(trained.run.id) if "train_loss" in row]
    assert len(losses) == 3
    assert losses[-1] < 0.95 * losses[0], losses


def test_a_stop_and_going_on_change_no_bit(trained: Trained) -> None:
    service, store = trained.service, trained.store
    dataset = store.datasets.get(trained.run.config.dataset_id)
    stopped = service.prepare(config_of(dataset))
    queue = JobQueue(store)
    job = queue.submit("train", {"run_id": stopped.id})

    def stop_at_five(seen: Any) -> None:
        if (seen.progress.done, seen.progress.total) == (5, STEPS):
            queue.cancel(job.id)

    assert Lane(queue, {"train": service.handle}).run_job(job.id, stop_at_five).status == "cancelled"
    assert service.checkpoints(stopped.id) == [4, 5]
    service.resume(stopped.id)
    assert brand.train(service, store, stopped.id).status == "done"
    one, other = (checkpoint_of(trained, run.id) for run in (trained.run, stopped))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def checkpoint_of(trained: Trained, run_id: str) -> dict[str, torch.Tensor]:
    folder = trained.settings.runs_dir / run_id
    kept = Checkpoints(folder / "checkpoints", trained.service._folder(run_id).fingerprint()).load(STEPS)
    return kept.lora | kept.optimizer


def test_what_is_published_loads_in_plain_diffusers_and_draws_the_same(trained: Trained, base: Path) -> None:
    from diffusers import ZImagePipeline

    trained.service.publish(trained.run.id, step=STEPS)
    folder = trained.settings.brand_models / "brand"
    header = check_weights(folder / "pytorch_lora_weights.safetensors")
    assert all(tensor.name.startswith("transformer.") for tensor in header.tensors)
    assert "modelspec.prediction_type" not in header.metadata
    assert json.loads(header.metadata["lora_adapter_metadata"])["transformer.lora_alpha"] == 8
    presets = Presets(trained.settings.presets, trained.settings.brand_models)
    asked = GenerationRequest(
        base="z-image", prompt="a red dress", seed=3, num_inference_steps=3, guidance_scale=4.0,
        framing=Framing(width_px=64, height_px=96), adapters=(AdapterWeight(brand_model="brand", adapter_weight=0.8),),
    )  # fmt: skip
    engine = Engine(
        trained.service._cache, device="cpu", dtype="fp32", adapters=lambda name: load_adapter(presets, name),
        draw_control=lambda *_: pytest.fail("no pose"), read_picture=lambda name: pytest.fail(name), batch_size=1,
    )  # fmt: skip
    bare = asked.model_copy(update={"adapters": ()})
    ours, without = (np.asarray(drawn.image).astype(int) for drawn in engine.run([asked, bare]))
    pipeline = ZImagePipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(folder, adapter_name="brand")
    pipeline.set_adapters(["brand"], [0.8])
    [theirs] = pipeline(
        asked.prompt, width=64, height=96, num_inference_steps=3, guidance_scale=4.0,
        generator=torch.Generator().manual_seed(3),
    ).images  # fmt: skip
    assert np.abs(ours - np.asarray(theirs).astype(int)).max() <= 1
    assert np.abs(ours - without).max() > 1


def test_sizes_and_estimates_follow_the_transformer(base: Path, trained: Trained) -> None:
    assert read_grid(base, 64 * 96) == (8, 16)
    assert read_grid(base, 832 * 1248).step_px == 64
    assert all(w % 16 == h % 16 == 0 for w, h in make_buckets(Bucket(832, 1248), 64))
    small, large = read_size(base, 64, 96, ("to_q",)), read_size(base, 128, 192, ("to_q", "to_k"))
    assert small.lora_elements_per_rank == (3 + 2 + 2) * 2 * DIM
    assert large.lora_elements_per_rank == 2 * small.lora_elements_per_rank
    assert large.cells - small.cells == 8 * 12 - 4 * 6
    assert 0 < small.held_values < large.held_values
    assert 0 < small.denoiser_elements < small.elements
    dataset = trained.store.datasets.get(trained.run.config.dataset_id)
    assert trained.service.estimate(config_of(dataset)).measured
