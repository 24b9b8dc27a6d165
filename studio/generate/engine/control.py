"""Control: the maps as tensors, and the ControlNets run only where and when they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from studio.errors import CapabilityError
from studio.generate.pictures import DrawControl, ReadPicture
from studio.models.architecture import REFERENCE, Architecture, ControlCall, Inputs, Residuals
from studio.records.generation import ControlPicture, GenerationRequest
from studio.records.pose import Framing, Pose

FITTING = ("cross_attention_dim", "block_out_channels", "cap_feat_dim", "dim")
"""What a ControlNet's config shares with that of the denoiser that it was made for."""


@dataclass(frozen=True)
class Asked:
    """One map of one picture: (1, 3, H, W) in [0, 1], its controlnet_conditioning_scale, its share of the steps."""

    picture: Tensor
    scale: float
    start: float
    end: float

    def scale_at(self, share: tuple[float, float]) -> float:
        """The scale in a step that begins and ends at these shares of all steps: 0 unless the step lies inside."""
        return 0.0 if share[0] < self.start or share[1] > self.end else self.scale


class ControlPictures:
    """Draws each pose, and reads each map, in each framing once for a whole run."""

    def __init__(self, draw_control: DrawControl, read: ReadPicture) -> None:
        self._draw, self._read = draw_control, read
        self._known: dict[tuple[Pose | str, Framing], Tensor] = {}

    def asked(self, request: GenerationRequest) -> list[Asked]:
        """The maps of a request, in the order of its `control_kinds`."""
        found = []
        if request.pose is not None:
            picture = self._once(request.pose, request.framing, self._drawn)
            scale, end = request.controlnet_conditioning_scale, request.control_guidance_end
            found.append(Asked(picture, scale, request.control_guidance_start, end))
        return found + [self._of_picture(control, request.framing) for control in request.controls]

    def _of_picture(self, control: ControlPicture, framing: Framing) -> Asked:
        picture = self._once(control.picture_sha256, framing, self._stretched)
        scale, end = control.controlnet_conditioning_scale, control.control_guidance_end
        return Asked(picture, scale, control.control_guidance_start, end)

    def _once(self, source: Any, framing: Framing, make: Callable[[Any, Framing], Any]) -> Tensor:
        if (source, framing) not in self._known:
            pixels = torch.from_numpy(np.array(make(source, framing)))
            self._known[source, framing] = pixels.permute(2, 0, 1).float().div(255).unsqueeze(0)
        return self._known[source, framing]

    def _drawn(self, pose: Pose, framing: Framing) -> Any:
        return self._draw(pose, framing)

    def _stretched(self, sha256: str, framing: Framing) -> Any:
        size = framing.width_px, framing.height_px
        return self._read(sha256).convert("RGB").resize(size, Image.Resampling.LANCZOS)


class Control:
    """One ControlNet with the conditions of one batch of B pictures.

    Args:
        asked: the maps of each picture that are this network's own, as many for each.
        call: the ControlNet with these maps.
    """

    def __init__(self, architecture: Architecture, asked: Sequence[Sequence[Asked]], call: ControlCall) -> None:
        self._architecture, self._call, self._asked = architecture, call, asked

    def residuals(self, sample: Tensor, timestep: Tensor, inputs: Inputs, share: tuple[float, float]) -> Residuals:
        """Residuals for `sample` (R * B, C, h, w), where R is 2 with guidance.

        The ControlNet sees only the pictures in whose range the step lies; the others get zeros, as in the stock
        pipeline, which computes them all and multiplies by zero. Of several maps that one network follows together,
        those outside their range count zero and the network still answers, as in the stock pipeline too.

        Args:
            share: begin and end of this step as shares of all steps.
        """
        count = len(self._asked)
        scales = [[a.scale_at(share) for a in maps] for maps in self._asked]
        inside = [i for i, of_maps in enumerate(scales) if len(of_maps) > 1 or any(of_maps)]
        if not inside:
            return {}
        repeats, whole = sample.shape[0] // count, len(inside) == count
        inputs = {name: value for name, value in inputs.items() if name != REFERENCE}
        rows = torch.tensor([r * count + i for r in range(repeats) for i in inside], device=sample.device)
        found = self._call(
            sample if whole else sample[rows],
            timestep,
            inputs if whole else self._architecture.pick(inputs, rows),
            torch.tensor(inside, device=sample.device).repeat(repeats),
            [scales[i] for i in inside] * repeats,
        )
        return found if whole else {place: _scatter(v, rows, sample.shape[0]) for place, v in found.items()}


@contextmanager
def controls_of(
    architecture: Architecture, controlnets: Sequence[Any], kinds: Sequence[str], asked: Sequence[Sequence[Asked]],
    denoiser: Any, vae: Any,
) -> Iterator[list[Control]]:  # fmt: skip
    """The ControlNets of a batch with their maps; one that several kinds name is given all of its maps together.

    Args:
        controlnets: one a kind.
        asked: the maps of each picture, each in the order of `kinds`.
    """
    places: dict[int, list[int]] = {}
    for place, controlnet in enumerate(controlnets):
        places.setdefault(id(controlnet), []).append(place)
    with ExitStack() as stack:
        found = []
        for own in places.values():
            pictures = [torch.cat([maps[place].picture for maps in asked]) for place in own]
            names, network = [kinds[place] for place in own], controlnets[own[0]]
            call = stack.enter_context(architecture.controlling(network, names, pictures, denoiser, vae))
            found.append(Control(architecture, [[maps[place] for place in own] for maps in asked], call))
        yield found


def refuse_misfit(name: str, controlnet: Any, base: str, denoiser: Any) -> None:
    """Raises CapabilityError: the ControlNet in that place was made for networks of another shape."""
    for key in FITTING:
        own, other = (getattr(network.config, key, None) for network in (controlnet, denoiser))
        if own is not None and other is not None and own != other:
            raise CapabilityError(
                f"The ControlNet {name} was made for another family than {base}: its {key} is {own}, not {other}.",
                f"Run `python app.py models verify {name}`, or remove it and pull it again.",
            )


def _scatter(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Values in their rows among `count`, zeros elsewhere."""
    whole = values.new_zeros((count, *values.shape[1:]))
    whole[rows] = values
    return whole
