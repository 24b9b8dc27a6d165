"""LoRA matrices come onto the shared UNet and go off again, and nothing of them stays."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.errors import InputError
from studio.models.lora_slot import ATTRIBUTE, LoraSlot, adapters_applied
from studio.records.training import TrainingConfig
from studio.train.loop_adapter import lora_attached

CONFIG = TrainingConfig(
    name="brand", dataset_id="d", lora_rank=4, lora_alpha=8.0, target_modules=("to_q", "to_k", "to_v", "to_out.0")
)


def picture_of(unet: Any) -> dict[str, Any]:
    """All that somebody could see of a UNet."""
    return {
        "bits": {name: value.clone() for name, value in unet.state_dict().items()},
        "types": [(name, type(module)) for name, module in unet.named_modules()],
        "flags": [(name, p.requires_grad, p.grad, p.dtype) for name, p in unet.named_parameters()],
        "training": [module.training for module in unet.modules()],
        "active": [(list(m.active_adapters), m.disable_adapters) for m in unet.modules() if hasattr(m, "lora_A")],
        "peft": (sorted(getattr(unet, "peft_config", {})), unet._hf_peft_config_loaded),
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before["bits"].keys() == after["bits"].keys()
    assert all(torch.equal(value, after["bits"][name]) for name, value in before["bits"].items())
    for part in ("types", "flags", "training", "active", "peft"):
        assert before[part] == after[part], part


def answer(unet: Any) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    latents, text = torch.randn(1, 8, 16, 16, generator=rng), torch.randn(1, 8, 32, generator=rng)
    with torch.no_grad():
        return torch.as_tensor(unet(latents, 500, encoder_hidden_states=text).sample)


def disturb(parameters: dict[str, torch.nn.Parameter], unet: Any) -> None:
    """Train a little: gradients, and weights that change the answer."""
    for parameter in parameters.values():
        parameter.data.normal_()
    answer_sum = unet(torch.randn(1, 8, 16, 16), 500, encoder_hidden_states=torch.randn(1, 8, 32)).sample.sum()
    answer_sum.backward()


def test_unet_is_restored_to_the_bit(unet: Any) -> None:
    before, said = picture_of(unet), answer(unet)
    with lora_attached(unet, CONFIG) as parameters:
        assert torch.equal(answer(unet), said)  # B is zero: a fresh LoRA changes nothing
        assert all(p.requires_grad for p in parameters.values())
        assert {id(p) for p in unet.parameters() if p.requires_grad} == {id(p) for p in parameters.values()}
        disturb(parameters, unet)
        assert not torch.equal(answer(unet), said)
    assert_same(before, picture_of(unet))
    assert torch.equal(answer(unet), said)


def test_unet_is_restored_after_an_error(unet: Any) -> None:
    before = picture_of(unet)

    def fail() -> None:
        with lora_attached(unet, CONFIG) as parameters:
            disturb(parameters, unet)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert_same(before, picture_of(unet))


def test_a_slot_on_the_unet_is_left_as_it_was(unet: Any) -> None:
    said = answer(unet)
    LoraSlot(unet, ["mid_block.attentions.0.proj_in", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"], 4)
    before = picture_of(unet)
    with lora_attached(unet, CONFIG) as parameters:
        assert "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight" in parameters
        assert torch.equal(answer(unet), said)
        disturb(parameters, unet)
        assert not torch.equal(answer(unet), said)
    assert_same(before, picture_of(unet))
    assert torch.equal(answer(unet), said)


def test_a_model_in_training_mode_comes_back_in_it(unet: Any) -> None:
    unet.train().requires_grad_(True)
    before = picture_of(unet)
    with lora_attached(unet, CONFIG):
        assert not unet.training
    assert_same(before, picture_of(unet))


def test_matrices_follow_from_the_seed(unet: Any) -> None:
    def fresh(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed + 99)  # the global generator must not matter
        with lora_attached(unet, CONFIG.model_copy(update={"seed": seed})) as parameters:
            return {name: p.detach().clone() for name, p in parameters.items()}

    one, again, other = fresh(1), fresh(1), fresh(2)
    assert list(one) == sorted(one)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_unknown_layers_are_refused_and_leave_no_trace(unet: Any) -> None:
    before = picture_of(unet)
    with (
        pytest.raises(InputError, match="target_modules nowhere cannot be trained"),
        lora_attached(unet, CONFIG.model_copy(update={"target_modules": ("nowhere",)})),
    ):
        pass
    assert_same(before, picture_of(unet))


def test_pictures_that_are_drawn_meanwhile_with_a_brand_model_leave_nothing(unet: Any) -> None:
    def stack(rank: int, *layers: str) -> list[tuple[dict[str, torch.Tensor], float, float]]:
        rng = torch.Generator().manual_seed(rank)
        state = {}
        for name in layers:
            layer = unet.get_submodule(name)
            layer = getattr(layer, "base_layer", layer)
            state[f"{name}.lora_A.weight"] = torch.randn(rank, layer.in_features, generator=rng)
            state[f"{name}.lora_B.weight"] = torch.randn(layer.out_features, rank, generator=rng)
        return [(state, float(rank), 1.0)]

    def drawn(applied: list[tuple[dict[str, torch.Tensor], float, float]]) -> torch.Tensor:
        with adapters_applied(unet, applied):
            return answer(unet)

    block = "mid_block.attentions.0.transformer_blocks.0"
    small, large = stack(2, f"{block}.attn1.to_q"), stack(6, f"{block}.attn1.to_q", f"{block}.ff.net.2")
    before, said = picture_of(unet), answer(unet)
    with lora_attached(unet, CONFIG) as parameters:
        disturb(parameters, unet)
        trained, grads = answer(unet), {name: p.grad for name, p in parameters.items()}
        expected = drawn(large)
        assert not torch.equal(expected, said)
        assert torch.equal(drawn([]), said), "the matrices in training are silent"
        assert torch.equal(answer(unet), trained), "and back afterwards"
        assert all(p.requires_grad and p.grad is grads[name] for name, p in parameters.items())
        assert {id(p) for p in unet.parameters() if p.requires_grad} == {id(p) for p in parameters.values()}
    assert_same(before, picture_of(unet))
    assert not hasattr(unet, ATTRIBUTE), "a slot that is no longer on the layers keeps no memory"
    narrow = drawn(small)  # leaves a slot for the next picture, which the next training must not fall over
    with lora_attached(unet, CONFIG):
        assert torch.equal(drawn(large), expected)
    assert torch.equal(answer(unet), said)
    assert torch.equal(drawn(small), narrow)
    assert torch.equal(drawn(large), expected)
