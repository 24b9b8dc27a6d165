"""LoRA files of every layout draw the picture that diffusers draws with them, and where it strays the defined one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.errors import CapabilityError, GateError
from studio.models.lora_file import lora_of, read_lora
from studio.models.lora_slot import adapters_applied
from tests.models import lora_files as made_here
from tests.models.lora_files import Made, ask, draw, in_our_slots, kohya, merged, peft, random_lora, write

pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`")

ORIGINAL = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op",
    "down_blocks.0.resnets.1.conv1": "input_blocks.2.0.in_layers.2",
    "down_blocks.1.resnets.0.conv_shortcut": "input_blocks.4.0.skip_connection",
    "down_blocks.1.resnets.0.time_emb_proj": "input_blocks.4.0.emb_layers.1",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k": "input_blocks.4.1.transformer_blocks.0.attn2.to_k",
    "down_blocks.2.attentions.1.transformer_blocks.1.ff.net.0.proj": (
        "input_blocks.8.1.transformer_blocks.1.ff.net.0.proj"
    ),
    "mid_block.resnets.1.conv2": "middle_block.2.out_layers.3",
    "mid_block.attentions.0.proj_in": "middle_block.1.proj_in",
    "up_blocks.0.attentions.2.transformer_blocks.0.attn1.to_out.0": (
        "output_blocks.2.1.transformer_blocks.0.attn1.to_out.0"
    ),
    "up_blocks.0.upsamplers.0.conv": "output_blocks.2.2.conv",
    "up_blocks.1.upsamplers.0.conv": "output_blocks.5.2.conv",
    "up_blocks.2.resnets.2.conv2": "output_blocks.8.0.out_layers.3",
}
"""SDXL's layers, one of each kind, as the original code calls them."""


def in_text_model(made: Made) -> Made:
    """The layers of a CLIPTextModel as files name them, whatever release of transformers is here."""
    names = {name: f"text_model.{name}" if name.startswith("encoder") else name for name in made.matrices}
    return Made({names[n]: m for n, m in made.matrices.items()}, {names[n]: a for n, a in made.alphas.items()})


@pytest.fixture(scope="module")
def pipe() -> Any:
    """SD1.5's classes; adapters are taken off again by whoever puts them on."""
    return made_here.sd15()


@pytest.fixture(scope="module")
def plain(pipe: Any) -> Tensor:
    return draw(pipe)


def old_diffusers(unet: Made, text: Made) -> dict[str, Tensor]:
    """Attention processors, as diffusers wrote them until 0.20."""
    tensors: dict[str, Tensor] = {}
    halves = ("down", "up")
    for name, pair in unet.matrices.items():
        place, _, kind = name.removesuffix(".0").rpartition(".")
        tensors |= {
            f"unet.{place}.processor.{kind}_lora.{half}.weight": m for half, m in zip(halves, pair, strict=True)
        }
    for name, pair in text.matrices.items():
        tensors |= {
            f"text_encoder.{name}.lora_linear_layer.{half}.weight": m for half, m in zip(halves, pair, strict=True)
        }
    return tensors


def lora_dot(unet: Made, text: Made) -> dict[str, Tensor]:
    """`.lora.down.weight`, as diffusers wrote them after that."""
    tensors: dict[str, Tensor] = {}
    for name, (down, up) in unet.matrices.items():
        tensors |= {f"unet.{name}.lora.down.weight": down, f"unet.{name}.lora.up.weight": up}
    return tensors | old_diffusers(Made({}, {}), text)


LAYOUTS: dict[str, tuple[str, float, Callable[[Made, Made], dict[str, Tensor]]]] = {
    "kohya": ("kohya", 2.0, lambda unet, text: kohya("lora_unet", unet) | kohya("lora_te", text)),
    "diffusers": ("diffusers", 4.0, lambda unet, text: peft("unet.", unet) | peft("text_encoder.", text)),
    "older diffusers": ("diffusers", 4.0, lora_dot),
    "oldest diffusers": ("diffusers", 4.0, old_diffusers),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sd15_draws_what_diffusers_draws(layout: str, pipe: Any, plain: Tensor, tmp_path: Path) -> None:
    said, alpha, tensors_of = LAYOUTS[layout]
    unet = random_lora(pipe.unet, made_here.attention(made_here.sd15().unet), ranks=[4], alphas=[alpha])
    text = in_text_model(random_lora(pipe.text_encoder, made_here.text_layers(made_here.sd15().text_encoder), ranks=[4],
                                     alphas=[alpha]))  # fmt: skip
    path = write(tmp_path / "lora.safetensors", tensors_of(unet, text))
    lora = read_lora(path)
    assert (lora.layout, set(lora.parts)) == (said, {"unet", "text_encoder"})
    assert lora.alpha_known == (layout == "kohya")
    pipe.load_lora_weights(path)
    expected = draw(pipe)
    pipe.unload_lora_weights()
    with in_our_slots(pipe, [(lora, 1.0)]):
        drawn = draw(pipe)
    assert torch.allclose(drawn, expected, rtol=0, atol=1e-5)
    assert (drawn - plain).abs().max() > 1e-2
    assert torch.equal(draw(pipe), plain)


@pytest.mark.parametrize("merge", [False, True])
def test_every_layer_has_its_own_alpha_and_rank(merge: bool, plain: Tensor, tmp_path: Path) -> None:
    """diffusers 0.42 files alphas of attention under names that peft does not know, and applies one alpha to all of
    them (it warns); ComfyUI, A1111 and kohya apply each its own, which is the definition."""
    pipe = made_here.sd15()
    unet = random_lora(pipe.unet, made_here.every_layer(pipe.unet), ranks=[4, 2], alphas=[2.0, 4.0, 1.0])
    text = random_lora(pipe.text_encoder, made_here.text_layers(pipe.text_encoder), ranks=[4, 3], alphas=[2.0, 1.0])
    path = write(tmp_path / "locon.safetensors", kohya("lora_unet", unet) | kohya("lora_te", in_text_model(text)))
    lora = read_lora(path)
    with merged(pipe.unet, (unet, 0.7)), merged(pipe.text_encoder, (text, 0.7)):
        expected = draw(pipe)
    with in_our_slots(pipe, [(lora, 0.7)], merge=merge):
        drawn = draw(pipe)
    assert torch.allclose(drawn, expected, rtol=0, atol=1e-5)
    assert (drawn - plain).abs().max() > 1e-2


def test_two_files_with_weights_are_what_diffusers_makes_of_them(pipe: Any, plain: Tensor, tmp_path: Path) -> None:
    fresh = made_here.sd15()
    first = random_lora(fresh.unet, made_here.every_layer(fresh.unet), ranks=[4], alphas=[2.0])
    second = random_lora(fresh.unet, made_here.attention(fresh.unet), ranks=[2], alphas=[2.0])
    text = in_text_model(
        random_lora(fresh.text_encoder, made_here.text_layers(fresh.text_encoder), ranks=[4], alphas=[2.0])
    )
    one = write(tmp_path / "one.safetensors", kohya("lora_unet", first) | kohya("lora_te", text))
    two = write(tmp_path / "two.safetensors", peft("unet.", second))
    pipe.load_lora_weights(one, adapter_name="one")
    pipe.load_lora_weights(two, adapter_name="two")
    pipe.set_adapters(["one", "two"], [0.6, -0.8])
    expected = draw(pipe)
    pipe.unload_lora_weights()
    with in_our_slots(pipe, [(read_lora(one), 0.6), (read_lora(two), -0.8)]):
        drawn = draw(pipe)
    assert torch.allclose(drawn, expected, rtol=0, atol=1e-5)
    assert (drawn - plain).abs().max() > 1e-2


@pytest.mark.parametrize("naming", ["input_blocks", "down_blocks"])
def test_sdxl_in_both_namings_of_kohya(naming: str, tmp_path: Path) -> None:
    pipe = made_here.sdxl()
    before = draw(pipe)
    unet = random_lora(pipe.unet, list(ORIGINAL), ranks=[4], alphas=[2.0])
    text = random_lora(pipe.text_encoder, made_here.text_layers(pipe.text_encoder), ranks=[4], alphas=[2.0])
    text_2 = random_lora(pipe.text_encoder_2, made_here.text_layers(pipe.text_encoder_2), ranks=[4], alphas=[2.0])
    tensors = kohya("lora_unet", unet, rename=ORIGINAL if naming == "input_blocks" else None)
    tensors |= kohya("lora_te1", in_text_model(text)) | kohya("lora_te2", in_text_model(text_2))
    path = write(tmp_path / "sdxl.safetensors", tensors)
    lora = read_lora(path)
    assert set(lora.part("unet").layers) == set(ORIGINAL)
    assert lora.family == "sdxl"
    with merged(pipe.unet, (unet, 1.0)), merged(pipe.text_encoder, (text, 1.0)), merged(pipe.text_encoder_2, (text_2, 1.0)):  # noqa: E501  # fmt: skip
        expected = draw(pipe)
    with in_our_slots(pipe, [(lora, 1.0)]):
        drawn = draw(pipe)
    assert torch.allclose(drawn, expected, rtol=0, atol=1e-5)
    assert (drawn - before).abs().max() > 1e-2
    if naming == "input_blocks":  # of the other naming diffusers leaves add_embedding out, with a warning
        stock = made_here.sdxl()
        stock.load_lora_weights(path)
        assert torch.allclose(drawn, draw(stock), rtol=0, atol=1e-5)


Z_LAYERS = ("attention", "feed_forward", "adaLN")


def dotted(made: Made) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, (down, up) in made.matrices.items():
        key = f"diffusion_model.{name}"
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up}
        tensors[f"{key}.alpha"] = torch.tensor(made.alphas[name])
    return tensors


@pytest.mark.parametrize(
    ("layout", "alpha", "tensors_of"),
    [
        ("ai-toolkit", 4.0, lambda made: peft("diffusion_model.", made)),
        ("ai-toolkit", 2.0, dotted),
        ("diffusers", 4.0, lambda made: peft("transformer.", made)),
        ("kohya", 2.0, lambda made: kohya("lora_unet", made)),
    ],
)
def test_z_image_answers_as_with_diffusers(
    layout: str, alpha: float, tensors_of: Callable[[Made], dict[str, Tensor]], tmp_path: Path
) -> None:
    from diffusers.loaders.lora_pipeline import ZImageLoraLoaderMixin
    from safetensors.torch import load_file

    model = made_here.z_image()
    before = ask(model)
    names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and any(k in n for k in Z_LAYERS)]
    names = [name for name in names if "final" not in name]
    path = write(tmp_path / "z.safetensors", tensors_of(random_lora(model, names, ranks=[4], alphas=[alpha])))
    lora = read_lora(path)
    assert (lora.layout, lora.family, set(lora.denoiser.layers)) == (layout, "z-image", set(names))
    with adapters_applied(model, [(lora.part("transformer"), 0.0, 1.0)]):
        answer = ask(model)
    stock = made_here.z_image()
    stock.load_lora_adapter(ZImageLoraLoaderMixin.lora_state_dict(load_file(path)), prefix="transformer")
    assert torch.allclose(answer, ask(stock), rtol=0, atol=1e-5)
    assert (answer - before).abs().max() > 1e-2
    assert torch.equal(ask(model), before)


@pytest.mark.parametrize("said_twice", [False, True])
@pytest.mark.parametrize("tensors_of", [dotted, lambda made: kohya("lora_unet", made)])
def test_z_images_fused_projection_is_three_of_ours(
    said_twice: bool, tensors_of: Callable[[Made], dict[str, Tensor]], tmp_path: Path
) -> None:
    model = made_here.z_image()
    rng = torch.Generator().manual_seed(1)
    down, up, out = (torch.randn(*shape, generator=rng) for shape in ((4, 32), (96, 4), (32, 4)))
    fused = {"layers.0.attention.qkv": (down, up), "layers.1.attention.out": (down, out)}
    split = {f"layers.0.attention.to_{p}": (down, part) for p, part in zip("qkv", up.chunk(3), strict=True)}
    split["layers.1.attention.to_out.0"] = (down, out)
    theirs, ours = (Made(matrices, dict.fromkeys(matrices, 2.0)) for matrices in (fused, split))
    tensors = tensors_of(theirs) | (tensors_of(ours) if said_twice else {})
    lora = read_lora(write(tmp_path / "fused.safetensors", tensors))
    with merged(model, (ours, 1.0)):
        expected = ask(model)
    with adapters_applied(model, [(lora.denoiser, 0.0, 1.0)]):
        assert torch.allclose(ask(model), expected, rtol=0, atol=1e-5)


def test_pefts_own_file_of_a_unet_and_a_text_encoder(pipe: Any, plain: Tensor) -> None:
    fresh = made_here.sd15()
    unet = random_lora(fresh.unet, made_here.attention(fresh.unet), ranks=[4], alphas=[4.0])
    lora = lora_of("adapter_model.safetensors", "0" * 64, peft("base_model.model.", unet), {})
    assert (lora.layout, set(lora.parts)) == ("peft", {"unet"})
    with merged(fresh.unet, (unet, 1.0)):
        expected = draw(fresh)
    with in_our_slots(pipe, [(lora, 1.0)]):
        assert torch.allclose(draw(pipe), expected, rtol=0, atol=1e-5)
    text = random_lora(fresh.text_encoder, made_here.text_layers(fresh.text_encoder), ranks=[2], alphas=[2.0])
    lora = lora_of("adapter_model.safetensors", "0" * 64, peft("base_model.model.", in_text_model(text)), {})
    assert set(lora.parts) == {"text_encoder"}


def test_alphas_of_diffusers_header_count_layer_by_layer(pipe: Any, tmp_path: Path) -> None:
    fresh = made_here.sd15()
    names = made_here.attention(fresh.unet)
    made = random_lora(fresh.unet, names, ranks=[4], alphas=[8.0])
    made.alphas[names[3]] = 1.0
    config = {"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {names[3]: 1}, "unet.target_modules": names}
    path = write(tmp_path / "a.safetensors", peft("unet.", made), {"lora_adapter_metadata": json.dumps(config)})
    lora = read_lora(path)
    assert lora.alpha_known
    pipe.load_lora_weights(path)
    expected = draw(pipe)
    pipe.unload_lora_weights()
    with in_our_slots(pipe, [(lora, 1.0)]):
        assert torch.allclose(draw(pipe), expected, rtol=0, atol=1e-5)
    rs = lora_of("a", "0" * 64, peft("unet.", made), {"lora_adapter_metadata": json.dumps(config | {"unet.use_rslora": True})})  # noqa: E501  # fmt: skip
    assert rs.part("unet").layers[names[0]].alpha == pytest.approx(16.0)


def test_linear_matrices_for_a_convolution_of_one_pixel(pipe: Any) -> None:
    fresh = made_here.sd15()
    name = "mid_block.attentions.0.proj_in"
    made = random_lora(fresh.unet, [name], ranks=[4], alphas=[2.0])
    flat = Made({name: (made.matrices[name][0].flatten(1), made.matrices[name][1].flatten(1))}, made.alphas)
    with merged(fresh.unet, (made, 1.0)):
        expected = draw(fresh)
    with in_our_slots(pipe, [(lora_of("a", "0" * 64, kohya("lora_unet", flat), {}), 1.0)]):
        assert torch.allclose(draw(pipe), expected, rtol=0, atol=1e-5)


def test_layers_that_are_stored_in_fp8_take_a_lora() -> None:
    def answers(unet: Any, stack: Any, dtype: torch.dtype) -> Tensor:
        rng = torch.Generator().manual_seed(3)
        sample, text = torch.randn(1, 4, 8, 8, generator=rng), torch.randn(1, 6, 32, generator=rng)
        with torch.no_grad(), adapters_applied(unet, stack):
            answer: Tensor = unet(sample.to(dtype), 500, encoder_hidden_states=text.to(dtype)).sample.float()
        return answer

    whole, small = made_here.sd15().unet, made_here.sd15().unet
    small.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    made = random_lora(whole, made_here.attention(whole), ranks=[4], alphas=[4.0])
    stack = [(peft("unet.", made), 4.0, 1.0)]
    change = answers(whole, stack, torch.float32) - answers(whole, [], torch.float32)
    stored = answers(small, stack, torch.bfloat16) - answers(small, [], torch.bfloat16)
    assert (stored - change).norm() < 0.2 * change.norm()


def one_layer(width: int, key: str = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k") -> Any:
    return {f"{key}.lora_down.weight": torch.ones(2, width), f"{key}.lora_up.weight": torch.ones(8, 2)}


@pytest.mark.parametrize(
    ("tensors", "header", "family"),
    [
        (one_layer(768), {}, "sd15"),
        (one_layer(2048), {"ss_base_model_version": "sd_v1"}, "sdxl"),
        (one_layer(1024), {}, "sd2"),
        (one_layer(32), {}, None),
        (one_layer(32), {"modelspec.architecture": "croquis/lora"}, "croquis"),
        (one_layer(32), {"modelspec.architecture": "stable-diffusion-v1/lora"}, "sd15"),
        (one_layer(32), {"ss_base_model_version": "sdxl_base_v1-0"}, "sdxl"),
        (one_layer(16, "lora_te2_text_model_encoder_layers_0_mlp_fc1"), {}, "sdxl"),
        (one_layer(16, "diffusion_model.layers.3.attention.to_q"), {}, "z-image"),
    ],
)
def test_the_family_is_recognised(tensors: dict[str, Tensor], header: dict[str, str], family: str | None) -> None:
    assert lora_of("a.safetensors", "0" * 64, tensors, header).family == family


A = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"lora_unet_mid_block_x.hada_w1_a": torch.ones(1)}, "holds LoHa"),
        ({"lora_unet_mid_block_x.lokr_w1": torch.ones(1)}, "holds LoKr"),
        ({f"{A}.lora_magnitude_vector": torch.ones(1)}, "holds DoRA"),
        ({"lora_unet_x.lora_mid.weight": torch.ones(1)}, "Tucker"),
        ({"lora_unet_x.diff": torch.ones(1)}, "whole layers"),
        ({f"{A}.lora_B.bias": torch.ones(1)}, "biases"),
        ({f"{A}.weight": torch.ones(1)}, r"holds 'unet\.mid_block.*no layer of a LoRA"),
        ({f"{A}.lora_A.weight": torch.ones(2, 2)}, "attn1.to_q is not whole"),
        ({f"{A}.lora_A.weight": torch.ones(2, 2), f"{A}.lora_B.weight": torch.ones(2, 3)}, "rank 2 .* and 3"),
        ({f"{A}.lora_A.weight": torch.ones(2), f"{A}.lora_B.weight": torch.ones(2)}, "shapes 2 and 2"),
        (peft("elsewhere.", Made({"a": (torch.ones(1, 1),) * 2}, {})), "'elsewhere.a', which no base here has"),
        (peft("transformer.single_transformer_blocks.0.", Made({"a": (torch.ones(1, 1),) * 2}, {})), "LoRA for FLUX"),
        (peft("transformer.transformer_blocks.0.img_mlp.", Made({"a": (torch.ones(1, 1),) * 2}, {})), "Qwen-Image"),
    ],
)
def test_what_cannot_be_applied_names_file_and_layer(tensors: dict[str, Tensor], words: str) -> None:
    with pytest.raises(CapabilityError, match=rf"red\.safetensors.*{words}"):
        lora_of("red.safetensors", "0" * 64, tensors, {})


@pytest.mark.parametrize("text", ["[1]", "{", '{"unet.lora_alpha": "much"}', '{"unet.alpha_pattern": 3}'])
def test_a_header_that_says_nonsense_is_an_error(text: str) -> None:
    tensors = peft("", Made({A: (torch.ones(1, 1),) * 2}, {}))
    with pytest.raises(CapabilityError, match="cannot be read"):
        lora_of("red.safetensors", "0" * 64, tensors, {"lora_adapter_metadata": text})


def test_nan_never_reaches_a_model(tmp_path: Path) -> None:
    tensors = peft("", Made({A: (torch.ones(1, 1), torch.tensor([[float("nan")]]))}, {}))
    with pytest.raises(GateError, match="NaN"):
        read_lora(write(tmp_path / "nan.safetensors", tensors))


def test_a_pickle_under_the_right_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    path.write_bytes(struct.pack("<Q", 2) + b"\x80\x04N.")
    with pytest.raises(GateError):
        read_lora(path)


def test_a_layer_of_another_shape_names_file_and_layer_and_leaves_the_model(pipe: Any, plain: Tensor) -> None:
    fresh = made_here.sd15()
    good = lora_of("good.safetensors", "0" * 64, peft("unet.", random_lora(
        fresh.unet, made_here.attention(fresh.unet), ranks=[4], alphas=[4.0])), {})  # fmt: skip
    wide = lora_of("wide.safetensors", "0" * 64, peft("", Made({A: (torch.ones(2, 99), torch.ones(16, 2))}, {})), {})
    gone = lora_of("gone.safetensors", "0" * 64, peft("unet.down_blocks.7.", Made({"x": (torch.ones(2, 2),) * 2}, {})), {})  # noqa: E501  # fmt: skip
    for bad, words in ((wide, r"wide\.safetensors: mid_block.*to_q changes a layer of 16x99, this base's has 16x16"),
                       (gone, r"gone\.safetensors changes layers .*down_blocks\.7\.x")):  # fmt: skip
        with pytest.raises(CapabilityError, match=words), in_our_slots(pipe, [(good, 1.0), (bad, 1.0)]):
            pass
        assert torch.equal(draw(pipe), plain)
