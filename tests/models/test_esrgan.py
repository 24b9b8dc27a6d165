"""Networks of the ESRGAN kind: published names and sizes, the published formula, and the gate before them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from studio.errors import GateError
from studio.models.esrgan import CompactNet, Esrgan, RRDBNet, load_esrgan, net_of


def seeded(net: RRDBNet | CompactNet) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: 0.2 * torch.randn(value.shape, generator=generator) for name, value in net.state_dict().items()}


def published(state: dict[str, Tensor], x: Tensor, blocks: int) -> Tensor:
    """RRDBNet at factor 4, written out from its paper and its published weights' names."""

    def conv(name: str, value: Tensor) -> Tensor:
        return F.conv2d(value, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def dense(name: str, value: Tensor) -> Tensor:
        x1 = F.leaky_relu(conv(f"{name}.conv1", value), 0.2)
        x2 = F.leaky_relu(conv(f"{name}.conv2", torch.cat((value, x1), 1)), 0.2)
        x3 = F.leaky_relu(conv(f"{name}.conv3", torch.cat((value, x1, x2), 1)), 0.2)
        x4 = F.leaky_relu(conv(f"{name}.conv4", torch.cat((value, x1, x2, x3), 1)), 0.2)
        return conv(f"{name}.conv5", torch.cat((value, x1, x2, x3, x4), 1)) * 0.2 + value

    first = body = conv("conv_first", x)
    for block in range(blocks):
        inner = body
        for part in ("rdb1", "rdb2", "rdb3"):
            inner = dense(f"body.{block}.{part}", inner)
        body = inner * 0.2 + body
    feature = first + conv("conv_body", body)
    for up in ("conv_up1", "conv_up2"):
        feature = F.leaky_relu(conv(up, F.interpolate(feature, scale_factor=2, mode="nearest")), 0.2)
    return conv("conv_last", F.leaky_relu(conv("conv_hr", feature), 0.2))


def test_the_large_one_has_the_tensors_of_the_published_file(tmp_path: Path) -> None:
    """The file in presets/tools has 66,857,836 bytes: names, shapes and order decide the size of its header."""
    save_file(RRDBNet(1, 64, 32, 23).state_dict(), tmp_path / "x4plus.safetensors")
    assert (tmp_path / "x4plus.safetensors").stat().st_size == 66_857_836


def test_values_are_those_of_the_published_formula(tmp_path: Path) -> None:
    state = seeded(RRDBNet(1, 8, 4, 2))
    save_file(state, tmp_path / "net.safetensors")
    rgb = np.random.default_rng(0).random((13, 17, 3), np.float32)
    x = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    expected = published(state, x, 2).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    found = load_esrgan(tmp_path / "net.safetensors")(rgb)
    assert found.shape == (52, 68, 3)
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_folded_one_doubles_pictures_of_odd_sizes_too() -> None:
    state = seeded(RRDBNet(2, 8, 4, 1))
    net = Esrgan(net_of(state, "x2"))
    rgb = np.random.default_rng(1).random((11, 7, 3), np.float32)
    assert net.factor == 2
    assert net(rgb).shape == (22, 14, 3)
    even = np.pad(rgb, ((0, 1), (0, 1), (0, 0)), mode="edge")
    np.testing.assert_allclose(net(rgb), net(even)[:22, :14], atol=1e-6)


def test_the_compact_one_is_told_by_its_names_and_adds_the_picture_itself() -> None:
    plain = CompactNet(4, 8, 3)
    net = net_of({name: torch.zeros_like(value) for name, value in plain.state_dict().items()}, "compact")
    assert isinstance(net, CompactNet)
    assert net.factor == 4
    rgb = np.random.default_rng(2).random((5, 6, 3), np.float32)
    np.testing.assert_allclose(Esrgan(net)(rgb), rgb.repeat(4, 0).repeat(4, 1), atol=1e-6)


@pytest.mark.parametrize("spoil", ["another network", "a missing tensor", "a wrong shape"])
def test_weights_of_another_kind_are_refused_by_name(spoil: str) -> None:
    state = seeded(RRDBNet(1, 8, 4, 1))
    if spoil == "another network":
        state = {"encoder.weight": torch.zeros(3, 3)}
    elif spoil == "a missing tensor":
        del state["conv_hr.bias"]
    else:
        state["conv_last.weight"] = torch.zeros(4, 8, 3, 3)
    with pytest.raises(GateError, match=r"net\.safetensors holds no network of the ESRGAN kind"):
        net_of(state, "net.safetensors")


def test_another_file_than_was_pulled_is_refused(tmp_path: Path) -> None:
    save_file(seeded(RRDBNet(1, 8, 4, 1)), tmp_path / "net.safetensors")
    with pytest.raises(GateError, match="not the file it should be"):
        load_esrgan(tmp_path / "net.safetensors", allow={"0" * 64})
