"""The held-out truth that croquis and the judge are held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foundry.dataset import Renders
from foundry.latents import control_of
from foundry.render import Render
from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes
from studio.wording import HELD_OUT_PHRASINGS, caption

Array = npt.NDArray[Any]
FIGURE, LOWER, UPPER = 1, 2, 3
"""Values of `labels`; see `foundry.dataset.PARTS`. FIGURE is what no cloth covers."""


@dataclass(frozen=True)
class Items:
    """The held-out truth.

    Attributes:
        images (N, H, W, 3), labels (N, H, W), joints_px (N, 18, 2), visible (N, 18), px_per_mm (N,).
    """

    images: Array
    labels: Array
    joints_px: Array
    visible: Array
    px_per_mm: Array
    attributes: list[dict[str, str]]

    @classmethod
    def load(cls, count: int) -> Items:
        """The first `count` held-out renders; item n is the scene of seed n."""
        renders, rows = Renders.open("held-out"), np.arange(count)
        indices = renders.batch(rows, "attributes")
        named = [{n: v[int(i)] for (n, v), i in zip(ATTRIBUTE_VALUES.items(), row, strict=True)} for row in indices]
        names = ("image", "labels", "joints_px", "visible", "px_per_mm")
        images, labels, joints, visible, scales = (renders.batch(rows, part) for part in names)
        return cls(images, labels, joints, visible, scales, named)

    @classmethod
    def of(cls, pictures: list[Render]) -> Items:
        """The truth of renders that are made for one arm alone."""
        return cls(
            images=np.stack([p.image for p in pictures]),
            labels=np.stack([labels_of(p) for p in pictures]),
            joints_px=np.stack([p.joints_px for p in pictures]),
            visible=np.stack([p.visible for p in pictures]),
            px_per_mm=np.array([p.framing.px_per_mm for p in pictures]),
            attributes=[p.attributes.model_dump() for p in pictures],
        )

    def __len__(self) -> int:
        return len(self.images)

    def captions(self) -> list[str]:
        """Usual wording for even items, unseen wording for odd ones."""
        chosen = [0 if i % 2 == 0 else HELD_OUT_PHRASINGS[i // 2 % len(HELD_OUT_PHRASINGS)] for i in range(len(self))]
        return [
            caption(FigureAttributes.model_validate(a), phrasing=p)
            for a, p in zip(self.attributes, chosen, strict=True)
        ]

    def controls(self) -> Array:
        """(N, H, W, 3) uint8 OpenPose maps."""
        return np.stack([control_of(j, v) for j, v in zip(self.joints_px, self.visible, strict=True)])

    def counted(self, i: int) -> Array:
        """(18,) bool: joints of item i whose error counts, unoccluded and inside of the picture."""
        size = np.array([self.images.shape[2], self.images.shape[1]])
        inside = ((self.joints_px[i] >= 0) & (self.joints_px[i] < size)).all(1)
        counted: Array = self.visible[i] & inside
        return counted


def labels_of(picture: Render) -> Array:
    """(H, W) uint8 labels of a render."""
    labels = (picture.figure_mask > 127).astype(np.uint8)
    labels[picture.garment_mask > 127] = LOWER
    labels[picture.upper_mask > 127] = UPPER
    return labels
