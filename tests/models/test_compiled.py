"""Compiled networks answer as they do otherwise, with one graph for all LoRA stacks, and only inside the block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel, ZImageTransformer2DModel
from torch import Tensor
from torch._dynamo.utils import counters

from studio.models.compiled import CALL, compiled
from studio.models.lora_slot import adapters_applied
from tests.models.test_lora_slot import ATTENTION, add_random_adapter

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # two adapters on the donor
TOLERANCE = 1e-5


def fresh(tiny_base: Path) -> Any:
    return UNet2DConditionModel.from_pretrained(tiny_base / "unet").requires_grad_(False).eval()


def run(unet: Any, rows: int = 2) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    sample = torch.randn(rows, unet.config.in_channels, 8, 8, generator=rng)
    text = torch.randn(rows, 6, unet.config.cross_attention_dim, generator=rng)
    with torch.no_grad():
        answer: Tensor = unet(sample, torch.tensor(500), encoder_hidden_states=text, return_dict=False)[0]
    return answer


def graphs() -> int:
    return int(counters["stats"]["unique_graphs"])


@pytest.fixture(autouse=True)
def _counted_from_zero() -> None:
    torch.compiler.reset()
    counters.clear()


@pytest.mark.slow
def test_two_lora_stacks_share_one_graph_and_the_values_are_those_without_it(tiny_base: Path) -> None:
    donor = fresh(tiny_base)
    loras = [add_random_adapter(donor, name, 4, 4.0, ATTENTION, seed) for seed, name in enumerate("ab")]
    stacks = [[(loras[0], 4.0, 1.0)], [(loras[1], 4.0, 0.5)], [(loras[1], 4.0, 1.0)], [(loras[0], 4.0, 1.0)]]
    unet = fresh(tiny_base)
    found = []
    for stack in stacks:
        with adapters_applied(unet, stack, merge=False):
            plain = run(unet)
            assert graphs() == len(found[:1]), "nothing is compiled outside the block"
            with compiled([unet], backend="eager"):
                found.append(run(unet))
        assert (found[-1] - plain).abs().max() <= TOLERANCE
    assert graphs() == 1
    assert not counters["recompiles"]
    assert (found[0] - found[1]).abs().max() > 1e-3, "the stacks must not answer alike"


def test_the_network_is_as_it_was_afterwards_also_after_an_error(tiny_base: Path) -> None:
    unet = fresh(tiny_base)
    with pytest.raises(AttributeError), compiled([unet], backend="eager"):
        unet.a_call_that_fails()
    with compiled([unet], backend="eager"):
        assert getattr(unet, CALL) is not None
    assert all(getattr(module, CALL) is None for module in unet.modules())
    run(unet)
    assert graphs() == 0


def test_a_transformer_is_compiled_by_its_blocks() -> None:
    transformer = ZImageTransformer2DModel(
        in_channels=16, dim=32, n_layers=3, n_refiner_layers=2, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
        axes_dims=[8, 4, 4], axes_lens=[1024, 64, 64],
    )  # fmt: skip
    with compiled([transformer], backend="eager"):
        on = {type(module).__name__ for module in transformer.modules() if getattr(module, CALL) is not None}
    assert on == {"ZImageTransformerBlock"}
