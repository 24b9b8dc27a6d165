"""Networks of the ESRGAN kind, which draw a picture larger: RRDBNet (Wang et al. 2018, 2021) and the compact SRVGG.

The modules bear the names of the published weights, so a state dict is loaded as it is; all sizes are read from it.
Nothing but safetensors comes in, and only through the gate.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from studio.errors import GateError, ResourceError
from studio.models.weights import load_weights

SLOPE = 0.2
RESIDUAL = 0.2
"""Share of a block's output that is added to its input, in the blocks and around them, as published."""
RGB_CHANNELS = 3


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the outputs of all before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for place in range(4):
            self.add_module(f"conv{place + 1}", _conv(features + place * growth, growth))
        self.conv5 = _conv(features + 4 * growth, features)

    def forward(self, x: Tensor) -> Tensor:
        """(B, features, H, W) to the same shape."""
        seen = [x]
        for place in range(1, 5):
            seen.append(F.leaky_relu(self.get_submodule(f"conv{place}")(torch.cat(seen, 1)), SLOPE))
        change: Tensor = self.conv5(torch.cat(seen, 1))
        return x + RESIDUAL * change


class ResidualBlock(nn.Module):
    """Three dense blocks and a way around them."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(features, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, features, H, W) to the same shape."""
        change: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return x + RESIDUAL * change


class RRDBNet(nn.Module):
    """(B, 3, H, W) in 0..1 to (B, 3, factor * H, factor * W). It always draws four times as large as it looks: for a
    smaller factor the picture is first folded into `unfold` times as small a one with more channels.
    """

    def __init__(self, unfold: int, features: int, growth: int, blocks: int) -> None:
        super().__init__()
        self.unfold, self.factor = unfold, 4 // unfold
        self.conv_first = _conv(RGB_CHANNELS * unfold**2, features)
        self.body = nn.Sequential(*(ResidualBlock(features, growth) for _ in range(blocks)))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (_conv(features, features) for _ in range(4))
        self.conv_last = _conv(features, RGB_CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """H and W are multiples of `unfold`."""
        first = self.conv_first(F.pixel_unshuffle(x, self.unfold))
        x = first + self.conv_body(self.body(first))
        for up in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(up(F.interpolate(x, scale_factor=2, mode="nearest")), SLOPE)
        last: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(x), SLOPE))
        return last


class CompactNet(nn.Module):
    """SRVGG: plain convolutions at the small size, and one step up at the end; quick on a CPU."""

    unfold = 1

    def __init__(self, factor: int, features: int, convolutions: int) -> None:
        super().__init__()
        self.factor = factor
        layers: list[nn.Module] = [_conv(RGB_CHANNELS, features), nn.PReLU(features)]
        for _ in range(convolutions):
            layers += [_conv(features, features), nn.PReLU(features)]
        self.body = nn.Sequential(*layers, _conv(features, RGB_CHANNELS * factor**2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in 0..1 to (B, 3, factor * H, factor * W)."""
        return F.pixel_shuffle(self.body(x), self.factor) + F.interpolate(
            x, scale_factor=self.factor, mode="nearest"
        )  # fmt: skip


class Esrgan:
    """A loaded network, called with pictures.

    Attributes:
        factor: how many times as wide and high its result is.
    """

    def __init__(self, net: RRDBNet | CompactNet, device: str = "cpu") -> None:
        self._net, self._device = net.eval().to(device), device
        self.factor = net.factor

    @torch.inference_mode()
    def __call__(self, rgb: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W, 3) in 0..1 to (factor * H, factor * W, 3), clipped to 0..1; always fp32.

        Raises:
            ResourceError: no room on the device.
        """
        height, width = rgb.shape[:2]
        fold = self._net.unfold
        x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].to(self._device)
        x = F.pad(x, (0, -width % fold, 0, -height % fold), mode="replicate")
        try:
            larger = self._net(x).clamp(0, 1)[0].permute(1, 2, 0).float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise ResourceError("The device has no room for a part of this size.", "Wait for other jobs.") from error
        return np.asarray(larger[: height * self.factor, : width * self.factor], np.float32)


def load_esrgan(path: Path, *, allow: Collection[str] | None = None, device: str = "cpu") -> Esrgan:
    """The network in a safetensors file.

    Args:
        allow: the only sha256 digests that may pass; None: any.

    Raises:
        NotFoundError, GateError: as the gate says; also for weights of another kind of network.
    """
    _, state = load_weights(path, allow=allow)
    return Esrgan(net_of(state, path.name), device)


def net_of(state: Mapping[str, Tensor], name: str) -> RRDBNet | CompactNet:
    """The network that a state dict belongs to, with its weights. Raises GateError: none that is known here."""
    try:
        net = _rrdb(state) if "conv_first.weight" in state else _compact(state)
        net.load_state_dict({key: value.float() for key, value in state.items()})
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise GateError(
            f"{name} holds no network of the ESRGAN kind: {str(error).splitlines()[0][:160]}.",
            "Use RRDBNet or SRVGG weights with their published names, three channels in and out.",
        ) from error
    return net


def _rrdb(state: Mapping[str, Tensor]) -> RRDBNet:
    features, channels = state["conv_first.weight"].shape[:2]
    unfold = math.isqrt(channels // RGB_CHANNELS)
    blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
    return RRDBNet(unfold, features, state["body.0.rdb1.conv1.weight"].shape[0], blocks)


def _compact(state: Mapping[str, Tensor]) -> CompactNet:
    last = max(int(key.split(".")[1]) for key in state if key.startswith("body."))
    factor = math.isqrt(state[f"body.{last}.weight"].shape[0] // RGB_CHANNELS)
    return CompactNet(factor, state["body.0.weight"].shape[0], last // 2 - 1)


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)
