"""Requests that share a LoRA stack, a size and a number of steps are drawn together, and nothing else is."""

from __future__ import annotations

import pytest

from studio.errors import FaultsError
from studio.generate import framing_for, matrix, plan, positive
from studio.generate.plan import batch_size_for, compile_from_for, many_alike, shape_of
from studio.presets import Presets
from studio.records.generation import AdapterWeight
from studio.records.look import Look
from tests.generate.conftest import pose, request

DRESS = Look(name="dress", garment="a navy dress", age_group="30s", gender="woman", background="white")
BRAND = Look(name="brand", garment="a sksx dress")


def test_batches_share_stack_size_steps_and_networks() -> None:
    stack = (AdapterWeight(brand_model="a"),)
    requests = [
        request(1), request(2, adapters=stack), request(3, num_inference_steps=5), request(4), request(5, pose=None),
        request(6, guidance_scale=1.0), request(7, adapters=stack), request(8, prompt="other"), request(9),
    ]  # fmt: skip
    batches = plan(requests, 2)
    assert [batch.indices for batch in batches] == [(0, 3), (7, 8), (2,), (4,), (5,), (1, 6)]
    assert [b.indices for b in plan(requests, 8, skip=[0, 1, 2, 3, 4, 5])] == [(6,), (7, 8)]
    assert all(b.requests == tuple(requests[i] for i in b.indices) for b in batches)


def test_batch_sizes_suit_the_device() -> None:
    assert batch_size_for("cpu", "bf16") == 1
    assert batch_size_for("cuda:0", "bf16") > batch_size_for("cpu", "fp32") >= 1


def test_the_matrix_is_poses_by_looks_by_seeds(presets: Presets) -> None:
    card = presets.bases()["croquis"]
    requests = matrix([pose("a"), None], [DRESS, BRAND], [1, 2], card=card, triggers=["sksx"], negative_prompt=None)
    assert [(r.pose.name if r.pose else "", r.look.name if r.look else "", r.seed) for r in requests] == [
        (p, look, seed) for p in ("a", "") for look in ("dress", "brand") for seed in (1, 2)
    ]
    first = requests[0]
    assert (first.num_inference_steps, first.guidance_scale) == (card.num_inference_steps, card.guidance_scale)
    assert first.framing == framing_for(card)
    assert first.prompt.count("sksx") == requests[2].prompt.count("sksx") == 1
    assert "navy dress" in first.prompt
    with pytest.raises(FaultsError, match="0 pictures"):
        matrix([], [DRESS], [1], card=card)
    with pytest.raises(FaultsError, match="between 1 and 1000"):
        matrix([None], [DRESS], range(1001), card=card)
    with pytest.raises(FaultsError, match="stepz"):
        matrix([None], [DRESS], [1], card=card, stepz=3)
    with pytest.raises(FaultsError, match="seed"):
        matrix([None], [DRESS], [-1], card=card)


def test_the_framing_of_another_size_keeps_the_figure_in_the_middle(presets: Presets) -> None:
    card = presets.bases()["croquis"].model_copy(update={"width_px": 512, "height_px": 768})
    framing = framing_for(card)
    assert (framing.width_px, framing.height_px, framing.origin_x_px) == (512, 768, 256)
    assert framing.px_per_mm == pytest.approx(framing_for(presets.bases()["croquis"]).px_per_mm * 3)


def test_prompts_say_the_pose_and_each_trigger_once() -> None:
    text = positive(DRESS, pose(), ["one", "two", "one", ""])
    assert text.count("one") == text.count("two") == 1
    assert text != positive(DRESS, None, ["one", "two"])
    assert positive(BRAND, None, ["SKSX"]).lower().count("sksx") == 1


def test_shapes_of_which_many_are_asked_for_are_compiled_whatever_loras_are_on_them() -> None:
    stack = (AdapterWeight(brand_model="a"),)
    requests = [request(1), request(2, adapters=stack), request(3, pose=None), request(4)]
    assert many_alike(requests, 3) == {shape_of(requests[0])}
    assert many_alike(requests, 4) == many_alike(requests, None) == frozenset()
    assert compile_from_for("cpu") is None
    assert compile_from_for("cuda:0") is not None


def test_a_batch_is_padded_with_its_last_picture() -> None:
    [batch] = plan([request(1), request(2)], 4)
    assert batch.padded(4).indices == (0, 1, 1, 1)
    assert [r.seed for r in batch.padded(4).requests] == [1, 2, 2, 2]
    assert batch.padded(1) == batch
