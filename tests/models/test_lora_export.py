"""What is exported carries the keys that ComfyUI and A1111 look for, and comes back as the same LoRA.

The rules of both are transcribed here from their source: ComfyUI's `unet_to_diffusers` (comfy/utils.py) with
`model_lora_keys_unet` and `model_lora_keys_clip` (comfy/lora.py), A1111's `convert_diffusers_name_to_compvis` and
`load_network` (extensions-builtin/Lora/networks.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import nn

from studio.errors import CapabilityError
from studio.models.lora_export import export, original_name
from studio.models.lora_file import LoraFile, LoraLayer, LoraPart, lora_of
from studio.models.lora_slot import adapters_applied
from tests.models import lora_files as made_here
from tests.models.lora_files import Made, ask, draw, in_our_slots, merged, random_lora

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`")

RESNET = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
BASIC = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
PLACES = ("norm", "proj_in", "proj_out")
IN_BLOCK = (
    *(f"attn{n}.{p}" for n in (1, 2) for p in ("to_q", "to_k", "to_v", "to_out.0")),
    "ff.net.0.proj",
    "ff.net.2",
)


def comfyui_names(depths: list[int], middle: int) -> dict[str, str]:
    """ComfyUI's map from diffusers' names to the original code's, for two resnets a block.

    Args:
        depths: transformer blocks of each down block.
        middle: transformer blocks in the middle.
    """

    def attention(ours: str, theirs: str, depth: int) -> Iterator[tuple[str, str]]:
        yield from ((f"{ours}.{p}", f"{theirs}.{p}") for p in PLACES)
        for t in range(depth):
            for p in IN_BLOCK:
                yield f"{ours}.transformer_blocks.{t}.{p}", f"{theirs}.transformer_blocks.{t}.{p}"

    names = dict(BASIC)
    for x, depth in enumerate(depths):
        n = 1 + 3 * x
        for i in range(2):
            names |= {f"down_blocks.{x}.resnets.{i}.{ours}": f"input_blocks.{n}.0.{b}" for ours, b in RESNET.items()}
            if depth:
                names |= dict(attention(f"down_blocks.{x}.attentions.{i}", f"input_blocks.{n}.1", depth))
            n += 1
        names[f"down_blocks.{x}.downsamplers.0.conv"] = f"input_blocks.{n}.0.op"
    names |= dict(attention("mid_block.attentions.0", "middle_block.1", middle))
    for i, n in enumerate([0, 2]):
        names |= {f"mid_block.resnets.{i}.{ours}": f"middle_block.{n}.{b}" for ours, b in RESNET.items()}
    for x, depth in enumerate(reversed(depths)):
        for i in range(3):
            n, c = 3 * x + i, 1
            names |= {f"up_blocks.{x}.resnets.{i}.{ours}": f"output_blocks.{n}.0.{b}" for ours, b in RESNET.items()}
            if depth:
                c = 2
                names |= dict(attention(f"up_blocks.{x}.attentions.{i}", f"output_blocks.{n}.1", depth))
            if i == 2:
                names[f"up_blocks.{x}.upsamplers.0.conv"] = f"output_blocks.{n}.{c}.conv"
    return names


def comfyui_keys(names: dict[str, str]) -> dict[str, str]:
    """ComfyUI's `key_map` of a UNet: what a file may call a layer -> the original code's layer."""
    keys = {f"lora_unet_{original.replace('.', '_')}": original for original in names.values()}
    return keys | {f"lora_unet_{ours.replace('.', '_')}": original for ours, original in names.items()}


def comfyui_text_keys(prefix: str, layers: int) -> set[str]:
    ends = ("mlp_fc1", "mlp_fc2", *(f"self_attn_{p}_proj" for p in ("k", "q", "v", "out")))
    return {f"{prefix}_text_model_encoder_layers_{n}_{end}" for n in range(layers) for end in ends}


def a1111_name(key: str) -> str:
    """The module of the original code that A1111 finds for a key of a UNet, dots as underscores."""

    def resnet(kind: str, rest: str) -> str:
        return RESNET.get(rest, rest).replace(".", "_") if kind == "resnets" else rest

    if m := re.match(r"lora_unet_conv_in(.*)", key):
        return f"input_blocks_0_0{m[1]}"
    if m := re.match(r"lora_unet_conv_out(.*)", key):
        return f"out_2{m[1]}"
    if m := re.match(r"lora_unet_time_embedding_linear_(\d+)(.*)", key):
        return f"time_embed_{int(m[1]) * 2 - 2}{m[2]}"
    if m := re.match(r"lora_unet_down_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)", key):
        number, kind = 1 + int(m[1]) * 3 + int(m[3]), m[2]
        return f"input_blocks_{number}_{1 if kind == 'attentions' else 0}_{resnet(kind, m[4])}"
    if m := re.match(r"lora_unet_mid_block_(attentions|resnets)_(\d+)_(.+)", key):
        return f"middle_block_{1 if m[1] == 'attentions' else int(m[2]) * 2}_{resnet(m[1], m[3])}"
    if m := re.match(r"lora_unet_up_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)", key):
        number, kind = int(m[1]) * 3 + int(m[3]), m[2]
        return f"output_blocks_{number}_{1 if kind == 'attentions' else 0}_{resnet(kind, m[4])}"
    if m := re.match(r"lora_unet_down_blocks_(\d+)_downsamplers_0_conv", key):
        return f"input_blocks_{3 + int(m[1]) * 3}_0_op"
    if m := re.match(r"lora_unet_up_blocks_(\d+)_upsamplers_0_conv", key):
        return f"output_blocks_{2 + int(m[1]) * 3}_{2 if int(m[1]) > 0 else 1}_conv"
    return key.removeprefix("lora_unet_")


def lora_on(pipe: Any, components: list[str], ranks: list[int], alphas: list[float]) -> LoraFile:
    """A LoRA on every linear layer and convolution of these components of a pipeline."""
    made: dict[str, Made] = {}
    for component in components:
        model = getattr(pipe, component)
        names = [n for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        if component != "unet":
            names = made_here.text_layers(model)
        made[component] = random_lora(model, names, ranks=ranks, alphas=alphas)
    parts = {component: as_part(one) for component, one in made.items()}
    return LoraFile("ours.safetensors", "0" * 64, "diffusers", None, parts, {}, True)


def as_part(made: Made) -> LoraPart:
    names = {n: f"text_model.{n}" if n.startswith("encoder.layers") else n for n in made.matrices}
    return LoraPart("ours", {names[n]: LoraLayer(*m, made.alphas[n]) for n, m in made.matrices.items()})


def again(data: bytes) -> LoraFile:
    return lora_of("exported.safetensors", "0" * 64, load(data), {})


def assert_same(one: LoraFile, other: LoraFile) -> None:
    assert one.parts.keys() == other.parts.keys()
    for component, part in one.parts.items():
        layers = other.part(component).layers
        assert part.layers.keys() == layers.keys()
        for name, layer in part.layers.items():
            assert torch.equal(layer.down, layers[name].down)
            assert torch.equal(layer.up, layers[name].up)
            assert layer.alpha == layers[name].alpha


def test_sd15_as_kohya_is_read_by_comfyui_and_a1111() -> None:
    pipe = made_here.sd15()
    lora = lora_on(pipe, ["unet", "text_encoder"], [4, 2], [2.0, 1.0])
    data = export(lora, "kohya", "sd15", {})
    names = comfyui_names([1, 1, 0], 1)
    keys = {key.split(".")[0] for key in load(data)}
    unet = {key for key in keys if key.startswith("lora_unet_")}
    known = comfyui_keys(names)
    assert unet <= known.keys()
    assert len(unet) == len(lora.part("unet").layers)
    assert {key: a1111_name(key) for key in unet} == {key: known[key].replace(".", "_") for key in unet}
    assert keys - unet == comfyui_text_keys("lora_te", 2)
    assert_same(again(data), lora)


def test_sdxl_as_kohya_is_read_by_comfyui_and_a1111() -> None:
    pipe = made_here.sdxl()
    lora = lora_on(pipe, ["unet", "text_encoder", "text_encoder_2"], [4, 2], [2.0, 1.0])
    data = export(lora, "kohya", "sdxl", {})
    names = comfyui_names([0, 1, 2], 2)
    keys = {key.split(".")[0] for key in load(data)}
    unet = {key for key in keys if key.startswith("lora_unet_")}
    assert unet <= comfyui_keys(names).keys()
    assert {a1111_name(key) for key in unet} <= {original.replace(".", "_") for original in names.values()}
    assert keys - unet == comfyui_text_keys("lora_te1", 2) | comfyui_text_keys("lora_te2", 2)
    assert {name: original_name(name) for name in lora.part("unet").layers} == {
        name: names[name] for name in lora.part("unet").layers
    }
    assert_same(again(data), lora)


@pytest.mark.parametrize("layout", ["kohya", "diffusers"])
def test_plain_diffusers_draws_with_what_is_exported(layout: Any, tmp_path: Path) -> None:
    pipe = made_here.sdxl()
    before = draw(pipe)
    # Of kohya's layout diffusers reads one alpha only; its own keeps each.
    alphas = [2.0] if layout == "kohya" else [2.0, 4.0, 1.0]
    lora = lora_on(pipe, ["unet", "text_encoder", "text_encoder_2"], [4], alphas)
    with in_our_slots(pipe, [(lora, 1.0)]):
        drawn = draw(pipe)
    assert (drawn - before).abs().max() > 1e-2
    path = tmp_path / "lora.safetensors"
    path.write_bytes(export(lora, layout, "sdxl", {}))
    stock = made_here.sdxl()
    stock.load_lora_weights(path)
    assert torch.allclose(drawn, draw(stock), rtol=0, atol=1e-5)


def test_z_image_goes_out_as_ai_toolkit_writes_it() -> None:
    model = made_here.z_image()
    made = random_lora(model, ["layers.0.attention.to_q", "layers.1.feed_forward.w2"], ranks=[4], alphas=[2.0, 8.0])
    lora = LoraFile("ours", "0" * 64, "diffusers", "z-image", {"transformer": as_part(made)}, {}, True)
    tensors = load(export(lora, "ai-toolkit", "z-image", {}))
    # ComfyUI: key_map["diffusion_model.{}"] of z_image_to_diffusers, lora_A and lora_B, alpha is the rank.
    assert tensors.keys() == {f"diffusion_model.{name}.lora_{half}.weight" for name in made.matrices for half in "AB"}
    with merged(model, (made, 1.0)):
        expected = ask(model)
    with adapters_applied(model, [(again(export(lora, "ai-toolkit", "z-image", {})).denoiser, 0.0, 1.0)]):
        assert torch.allclose(ask(model), expected, rtol=0, atol=1e-5)
    with pytest.raises(CapabilityError, match=r"Z-Image in the layout kohya.*ai-toolkit"):
        export(lora, "kohya", "z-image", {})
