"""The judge reads joints, masks and attributes in a picture. It measures; it never decides.

It was trained on renders (see `foundry/judge.py`); what lies outside that domain is said to be so, and measures
taken from such a reading are "not measured".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from studio.errors import NotFoundError
from studio.measure.judge_net import HEIGHT_PX, WIDTH_PX, JudgeNet, Output, domain_features, sharp_places
from studio.records.attributes import ATTRIBUTE_VALUES

ASPECT_TOLERANCE = 0.02
BATCH = 16


@dataclass(frozen=True, eq=False)
class Reading:
    """What the judge reads in one picture of H x W pixels.

    Attributes:
        joints_px: (18, 2) float, x and y in the picture's own pixels.
        joint_confidence: (18,) probability that the joint is unoccluded.
        figure_mask, garment_mask, upper_mask: (H, W) float32 in [0, 1]; upper is the top or dress.
        attributes: name -> (value, probability).
        in_domain: False where the picture is unlike everything that the judge has learned from.
    """

    joints_px: NDArray[np.float64]
    joint_confidence: NDArray[np.float64]
    figure_mask: NDArray[np.float32]
    garment_mask: NDArray[np.float32]
    upper_mask: NDArray[np.float32]
    attributes: dict[str, tuple[str, float]]
    in_domain: bool
    note: str = ""


class Judge:
    """A loaded judge.

    Attributes:
        version: first 12 digits of the weights' sha256; stored with every measurement.
        trusted: attributes that it reads on true renders at 97 % or better (from its card).
    """

    def __init__(self, net: JudgeNet, domain: dict[str, torch.Tensor], version: str, trusted: frozenset[str]) -> None:
        self._net, self._domain = net.eval(), domain
        self.version, self.trusted = version, trusted

    @classmethod
    def load(cls, folder: Path) -> Judge:
        """Loads `judge.safetensors` and `card.json`.

        Raises:
            NotFoundError: the folder holds no judge.
        """
        weights, card = folder / "judge.safetensors", folder / "card.json"
        if not weights.is_file() or not card.is_file():
            raise NotFoundError(f"{folder} holds no judge.", "Restore presets/judge from the release.")
        tensors = {name: value.float() for name, value in load_file(weights).items()}
        domain = {name: tensors.pop(f"domain.{name}") for name in ("mean", "precision", "limit")}
        net = JudgeNet()
        net.load_state_dict(tensors)
        version = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
        return cls(net, domain, version, frozenset(json.loads(card.read_text())["trusted"]))

    @torch.inference_mode()
    def read(self, images: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """Reads pictures (H, W, 3), uint8 sRGB, of any size with the aspect 3:4."""
        readings: list[Reading] = []
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            small = [cv2.resize(image, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA) for image in part]
            batch = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 127.5 - 1
            output = self._net(batch)
            distances = self.distance(domain_features(batch, output))
            readings += [self._reading(image, output, i, float(distances[i])) for i, image in enumerate(part)]
        return readings

    def distance(self, features: torch.Tensor) -> torch.Tensor:
        """(B, F) to (B,): Mahalanobis distance from the renders that the judge was trained on."""
        away = features - self._domain["mean"]
        return torch.einsum("be,ef,bf->b", away, self._domain["precision"], away).clamp(min=0).sqrt()

    def _reading(self, image: NDArray[np.uint8], output: Output, i: int, distance: float) -> Reading:
        height, width = image.shape[:2]
        classes = output.labels[i].softmax(0).numpy()
        upper, lower = _resize(classes[3], width, height), _resize(classes[2], width, height)
        joints = sharp_places(output.heat[i : i + 1])[0].double().numpy() * (width / WIDTH_PX, height / HEIGHT_PX)
        note = self._outside(image, distance)
        return Reading(
            joints_px=joints,
            joint_confidence=output.seen[i].sigmoid().double().numpy(),
            figure_mask=1 - _resize(classes[0], width, height),
            garment_mask=upper + lower,
            upper_mask=upper,
            attributes={name: _best(name, logits[i]) for name, logits in output.attributes.items()},
            in_domain=not note,
            note=note,
        )

    def _outside(self, image: NDArray[np.uint8], distance: float) -> str:
        height, width = image.shape[:2]
        if abs(width / height / (WIDTH_PX / HEIGHT_PX) - 1) > ASPECT_TOLERANCE:
            return f"the judge reads pictures of 3:4, this one is {width}x{height}"
        limit = float(self._domain["limit"])
        if distance > limit:
            return f"unlike the studio pictures that the judge knows (distance {distance:.1f}, limit {limit:.1f})"
        return ""


def _resize(mask: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _best(name: str, logits: torch.Tensor) -> tuple[str, float]:
    share = logits.softmax(0)
    index = int(share.argmax())
    return ATTRIBUTE_VALUES[name][index], float(share[index])
