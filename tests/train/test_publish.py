"""The published brand model: its card, and a LoRA that plain diffusers applies as it was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from studio.errors import ConflictError, NotFoundError
from studio.models.gate import check_weights
from studio.models.lora_slot import adapters_applied
from studio.presets import Presets
from studio.train.publish import bring_back_moved_aside
from studio.train.run_folder import RunFolder
from tests.train.conftest import Finished


@pytest.fixture
def model_folder(finished: Finished) -> Path:
    finished.service.publish(finished.run.id, step=8)
    return finished.settings.brand_models / "brand"


def ask(unet: Any) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    latents, text = torch.randn(2, 8, 12, 8, generator=rng), torch.randn(2, 64, 32, generator=rng)
    with torch.no_grad():
        return torch.as_tensor(unet(latents, torch.tensor([300, 800]), encoder_hidden_states=text).sample)


def trained_answer(finished: Finished, unet: Any) -> torch.Tensor:
    """What the UNet in training answered at step 8."""
    from studio.train.checkpoint import Checkpoints
    from studio.train.loop_adapter import lora_attached

    folder = RunFolder(Path(finished.run.folder))
    kept = Checkpoints(folder.checkpoints, folder.fingerprint()).load(8).lora
    with lora_attached(unet, finished.run.config) as parameters, torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(kept[name])
        return ask(unet)


def test_plain_diffusers_applies_it_as_trained(finished: Finished, model_folder: Path, unet: Any) -> None:
    from diffusers import StableDiffusionPipeline

    assert finished.run.config.lora_alpha != finished.run.config.lora_rank
    expected = trained_answer(finished, unet)
    pipe = StableDiffusionPipeline.from_pretrained(
        finished.settings.presets / "bases/croquis", controlnet=None, safety_checker=None
    )
    bare = ask(pipe.unet)
    pipe.load_lora_weights(model_folder)
    adapter = next(iter(pipe.unet.peft_config.values()))
    assert (adapter.r, adapter.lora_alpha) == (4, 8)
    assert_close(ask(pipe.unet), expected, atol=1e-6, rtol=1e-5)
    assert (ask(pipe.unet) - bare).abs().max() > 1e-3


def test_the_slot_applies_it_as_trained(finished: Finished, model_folder: Path, unet: Any) -> None:
    from safetensors.torch import load_file

    expected = trained_answer(finished, unet)
    lora = load_file(model_folder / "pytorch_lora_weights.safetensors")
    with adapters_applied(unet, [(lora, finished.run.config.lora_alpha, 1.0)]):
        assert_close(ask(unet), expected, atol=1e-5, rtol=1e-4)


def test_card_and_header_say_what_it_is(finished: Finished, model_folder: Path) -> None:
    card = Presets(finished.settings.presets, finished.settings.brand_models).brand_models()["brand"]
    weights = check_weights(model_folder / card.weights_file, allow={card.weights_sha256})
    assert all(t.name.startswith("unet.") and ".lora_" in t.name for t in weights.tensors)
    assert weights.metadata["modelspec.trigger_phrase"] == card.trigger_token == "sksdress"
    assert weights.metadata["modelspec.prediction_type"] == "v"
    assert weights.metadata["modelspec.resolution"] == "64x96"
    assert json.loads(weights.metadata["lora_adapter_metadata"])["unet.lora_alpha"] == card.lora_alpha == 8.0
    assert card.photo_count == len(card.training_sha256) == 4
    assert card.rights_summary == {"Own work": 6}
    assert card.data_sha256 == finished.run.data_sha256
    assert card.training == finished.run.config
    assert card.verdict == finished.run.verdict
    assert card.base_licence == "Apache-2.0"
    assert card.scorecard.keys() == {
        "step", "held_out_loss", "held_out_loss_of_base", "train_loss", "train_loss_of_base",
    }  # fmt: skip
    assert [(model_folder / s).is_file() for s in card.samples] == [True]
    assert finished.store.training_runs.get(finished.run.id).brand_model == "brand"


def test_by_default_the_verdicts_step_is_published(finished: Finished) -> None:
    card = finished.service.publish(finished.run.id)
    assert card.scorecard["step"] == finished.run.verdict.best_step  # type: ignore[union-attr]
    with pytest.raises(NotFoundError, match="There is no checkpoint of step 3"):
        finished.service.publish(finished.run.id, step=3)


def test_another_runs_model_is_replaced_only_when_asked(finished: Finished, model_folder: Path) -> None:
    store = finished.store
    other = finished.run.model_copy(update={"id": "run_other", "brand_model": ""})
    store.training_runs.put(other)
    runs = finished.settings.runs_dir
    shutil.copytree(runs / finished.run.id, runs / other.id)
    with pytest.raises(ConflictError, match="already a brand model brand"):
        finished.service.publish(other.id, step=4)
    assert json.loads((model_folder / "card.json").read_text())["scorecard"]["step"] == 8
    finished.service.publish(other.id, step=4, replace=True)
    assert json.loads((model_folder / "card.json").read_text())["scorecard"]["step"] == 4
    assert [p.name for p in finished.settings.brand_models.rglob("card.json")] == ["card.json"]
    store.training_runs.delete(other.id)
    shutil.rmtree(runs / other.id)


def test_a_replacement_that_a_crash_stopped_is_undone(tmp_path: Path) -> None:
    aside = tmp_path / ".unfinished" / "brand.old"
    aside.mkdir(parents=True)
    (aside / "card.json").write_text("{}")
    bring_back_moved_aside(tmp_path)
    assert (tmp_path / "brand" / "card.json").is_file()
    aside.mkdir()
    bring_back_moved_aside(tmp_path)
    assert not aside.exists()
    assert (tmp_path / "brand" / "card.json").is_file()


def test_a_run_without_a_checkpoint_cannot_be_published(finished: Finished) -> None:
    from tests.train.brand import config_of

    dataset = finished.store.datasets.find()[0]
    run = finished.service.prepare(config_of(dataset, name="later"))
    with pytest.raises(ConflictError, match="no checkpoint yet"):
        finished.service.publish(run.id)
