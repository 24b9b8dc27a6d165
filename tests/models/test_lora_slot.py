"""The slot computes what peft's set_adapters computes, and leaves the model as it was, whatever happens inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from studio.errors import CapabilityError
from studio.models.lora_slot import ATTRIBUTE, LoraSlot, adapters_applied, remove_slot

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # three adapters on the reference
Stock = tuple[Any, list[dict[str, Tensor]]]
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]


def fresh(tiny_base: Path) -> Any:
    return UNet2DConditionModel.from_pretrained(tiny_base / "unet").requires_grad_(False).eval()


def run(unet: Any) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    sample = torch.randn(2, unet.config.in_channels, 8, 8, generator=generator)
    text = torch.randn(2, 6, unet.config.cross_attention_dim, generator=generator)
    with torch.no_grad():
        out: Tensor = unet(sample, 500, encoder_hidden_states=text).sample
    return out


def add_random_adapter(
    unet: Any, name: str, rank: int, alpha: float, targets: list[str], seed: int
) -> dict[str, Tensor]:
    """A trained-looking adapter on a model, and its state dict as a file would hold it."""
    torch.manual_seed(seed)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, init_lora_weights=False), name)
    return {f"unet.{key}": value.clone() for key, value in get_peft_model_state_dict(unet, adapter_name=name).items()}


@pytest.fixture
def stock(tiny_base: Path) -> Stock:
    """A model with three adapters of unequal rank, alpha and layers (one with convolutions), as peft does it."""
    unet = fresh(tiny_base)
    return unet, [
        add_random_adapter(unet, "one", 4, 4.0, ATTENTION, 1),
        add_random_adapter(unet, "two", 8, 2.0, [*ATTENTION, "conv1", "proj_in"], 2),
        add_random_adapter(unet, "three", 2, 16.0, ["to_k", "ff.net.0.proj"], 3),
    ]


@pytest.mark.parametrize("merge", [False, True])
def test_one_and_several_adapters_equal_set_adapters(tiny_base: Path, stock: Stock, merge: bool) -> None:
    reference, states = stock
    unet = fresh(tiny_base)
    plain = run(unet)
    for names, weights in ((["one"], [0.7]), (["one", "two", "three"], [0.7, -0.5, 1.3]), (["three"], [1.0])):
        reference.set_adapters(names, weights)
        index = {"one": (states[0], 4.0), "two": (states[1], 2.0), "three": (states[2], 16.0)}
        stack = [(*index[name], weight) for name, weight in zip(names, weights, strict=True)]
        with adapters_applied(unet, stack, merge=merge):
            drawn = run(unet)
        assert torch.allclose(drawn, run(reference), rtol=0, atol=1e-5)
        assert (drawn - plain).abs().max() > 1e-3
        assert torch.equal(run(unet), plain)


def test_the_slot_is_reused_while_it_fits_and_grows_once_when_not(tiny_base: Path, stock: Stock) -> None:
    unet, (one, two, three) = fresh(tiny_base), stock[1]
    with adapters_applied(unet, [(one, 4.0, 1.0)], merge=False):
        first = getattr(unet, ATTRIBUTE)
    with adapters_applied(unet, [(three, 16.0, 1.0), (two, 2.0, 1.0)], merge=False):
        grown = getattr(unet, ATTRIBUTE)
        assert grown is not first
        assert grown.rank == 10
    with adapters_applied(unet, [(one, 4.0, 1.0)], merge=False):
        assert getattr(unet, ATTRIBUTE) is grown
    remove_slot(unet)
    assert not hasattr(unet, ATTRIBUTE)
    assert not any("studio_slot" in name for name, _ in unet.named_parameters())


def test_a_slot_that_was_unwrapped_by_somebody_is_allocated_again(tiny_base: Path, stock: Stock) -> None:
    unet, one = fresh(tiny_base), stock[1][0]
    with adapters_applied(unet, [(one, 4.0, 1.0)], merge=False):
        expected = run(unet)
    for name in getattr(unet, ATTRIBUTE).modules:
        parent, _, child = name.rpartition(".")
        setattr(unet.get_submodule(parent), child, unet.get_submodule(name).get_base_layer())
    with adapters_applied(unet, [(one, 4.0, 1.0)], merge=False):
        assert torch.equal(run(unet), expected)


def test_a_body_that_raises_leaves_nothing_behind(tiny_base: Path, stock: Stock) -> None:
    unet, one = fresh(tiny_base), stock[1][0]
    plain = run(unet)
    with pytest.raises(KeyboardInterrupt), adapters_applied(unet, [(one, 4.0, 1.0)], merge=False):
        raise KeyboardInterrupt
    assert torch.equal(run(unet), plain)
    slot = [p for name, p in unet.named_parameters() if "studio_slot" in name]
    assert slot
    assert all(not p.any() and not p.requires_grad for p in slot)


def test_an_adapter_in_training_is_silent_meanwhile_and_trainable_after(tiny_base: Path, stock: Stock) -> None:
    unet, one = fresh(tiny_base), stock[1][0]
    plain = run(unet)
    with adapters_applied(unet, [(one, 4.0, 1.0)], merge=False):
        expected = run(unet)
    remove_slot(unet)
    add_random_adapter(unet, "learner", 4, 4.0, ATTENTION, 9)
    training = run(unet)
    trainable = {name for name, p in unet.named_parameters() if p.requires_grad}
    assert trainable
    with adapters_applied(unet, [], merge=False):
        assert torch.equal(run(unet), plain)
    with adapters_applied(unet, [(one, 4.0, 1.0)], merge=False):
        assert torch.allclose(run(unet), expected, rtol=0, atol=1e-5)
    assert torch.equal(run(unet), training)
    assert {name for name, p in unet.named_parameters() if p.requires_grad} == trainable


def test_weights_come_back_to_the_last_bit(tiny_base: Path, stock: Stock) -> None:
    unet, (one, two, _) = fresh(tiny_base), stock[1]
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    for _ in range(3):
        with adapters_applied(unet, [(one, 4.0, 1.0), (two, 2.0, -0.7)]):
            assert any(not torch.equal(before[name], value) for name, value in unet.state_dict().items())
    assert all(torch.equal(before[name], value) for name, value in unet.state_dict().items())
    half = fresh(tiny_base).bfloat16()
    with adapters_applied(half, [(one, 4.0, 1.0)]):
        assert hasattr(half, ATTRIBUTE), "in bf16 the sum would round a LoRA away: it goes into the slot"


def test_a_slot_refuses_what_is_larger(tiny_base: Path, stock: Stock) -> None:
    unet, one = fresh(tiny_base), stock[1][0]
    slot = LoraSlot(unet, sorted({key[5:].rsplit(".", 2)[0] for key in one}), 4)
    with slot.loaded([(one, 4.0, 1.0)]):
        pass
    with pytest.raises(CapabilityError), slot.loaded([(one, 4.0, 1.0), (one, 4.0, 1.0)]):
        pass


def test_what_cannot_be_applied_is_refused_in_words(tiny_base: Path, stock: Stock) -> None:
    unet, one = fresh(tiny_base), stock[1][0]
    key = next(key for key in one if "lora_A" in key)
    wrong_shape = {k: torch.zeros(4, 7) if k == key else v for k, v in one.items()}
    cases: list[tuple[dict[str, Tensor], str]] = [
        ({"lora_unet_down_blocks_0.lora_down.weight": torch.zeros(1)}, "diffusers' layout"),
        ({"text_encoder.layers.0.q.lora_A.weight": torch.zeros(1, 1)}, "cannot be applied"),
        ({f"unet.nowhere.to_q.lora_{half}.weight": torch.zeros(2, 2) for half in "AB"}, "nowhere"),
        ({key: one[key]}, "not whole"),
        ({}, "not whole"),
        (wrong_shape, "another base"),
    ]
    plain = run(unet)
    for state, words in cases:
        with pytest.raises(CapabilityError, match=words), adapters_applied(unet, [(state, 4.0, 1.0)], merge=False):
            pass
        assert torch.equal(run(unet), plain)
