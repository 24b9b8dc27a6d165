"""The variant matrix: every pose with every look with every seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from pydantic import ValidationError

from studio.errors import Fault, FaultsError
from studio.generate.prompts import positive
from studio.records.base import field_faults
from studio.records.capabilities import BaseCard, Resolution
from studio.records.generation import GenerationRequest
from studio.records.look import Look
from studio.records.pose import Framing, Pose

MAX_REQUESTS = 1000
"""One job's worth; more is asked for in several jobs, so that each can be cancelled and seen to end."""


def framing_for(card: BaseCard, size: Resolution | None = None) -> Framing:
    """The usual framing at a size, by default the one that a base draws best: the figure stands in the middle, as tall
    as ever.
    """
    wanted = size or Resolution(width_px=card.width_px, height_px=card.height_px)
    usual = Framing()
    scaled = usual.scaled(wanted.height_px / usual.height_px)
    return scaled.model_copy(update={"width_px": wanted.width_px, "origin_x_px": wanted.width_px / 2})


def matrix(
    poses: Sequence[Pose | None], looks: Sequence[Look], seeds: Sequence[int], *, card: BaseCard,
    triggers: Sequence[str] = (), **settings: object,
) -> list[GenerationRequest]:  # fmt: skip
    """Requests in the order poses, looks, seeds: the last turns fastest.

    Args:
        poses: None stands for "no pose control".
        card: the base; gives size, steps and guidance where `settings` do not.
        triggers: trigger tokens of the adapters.
        settings: further fields of `GenerationRequest`, the same for all; None takes the default.

    Raises:
        FaultsError: nothing to draw, too much to draw, or a setting that a request does not take.
    """
    count = len(poses) * len(looks) * len(seeds)
    if not 0 < count <= MAX_REQUESTS:
        what = f"{len(poses)} poses x {len(looks)} looks x {len(seeds)} seeds are {count} pictures"
        raise FaultsError("The matrix", [Fault("size", what, f"Choose between 1 and {MAX_REQUESTS} pictures.")])
    fields: dict[str, object] = {
        "base": card.name,
        "framing": framing_for(card),
        "num_inference_steps": card.num_inference_steps,
        "guidance_scale": card.guidance_scale,
        **{name: value for name, value in settings.items() if value is not None},
    }
    try:
        return [
            GenerationRequest.model_validate(
                {**fields, "prompt": positive(look, pose, triggers), "seed": seed, "pose": pose, "look": look}
            )
            for pose, look, seed in product(poses, looks, seeds)
        ]
    except ValidationError as error:
        faults = field_faults(error, "request")
        raise FaultsError("The matrix", faults) from error
