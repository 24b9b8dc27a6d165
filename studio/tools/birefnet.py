"""A matte by BiRefNet (Zheng et al. 2024, MIT licence), from its ONNX export. No code of its repository is used."""

from __future__ import annotations

import cv2
import numpy as np

from studio.errors import GateError
from studio.measure.pictures import RGB
from studio.models.onnx_model import OnnxModel
from studio.tools.matte import Matte, cleared

SIDE_PX = 1024
"""What it reads, where the file leaves the size open."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
SPREAD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet, as in its preprocessing."""


def birefnet_matte(model: OnnxModel, rgb: RGB) -> Matte:
    """The matte of a picture, (H, W, 3). The model gives logits, at half or all of its own size.

    Raises:
        GateError: the model is no matting model.
    """
    height, width = rgb.shape[:2]
    side = next((n for n in model.input_shape[-2:] if n is not None), SIDE_PX)
    small = cv2.resize(
        rgb, (side, side), interpolation=cv2.INTER_AREA if max(height, width) > side else cv2.INTER_CUBIC
    )
    x = (small.astype(np.float32) / 255 - MEAN) / SPREAD
    logits = model.run(x.transpose(2, 0, 1)[None])[-1]
    if logits.ndim != 4 or logits.shape[:2] != (1, 1):
        raise GateError(f"{model.name} gives {logits.shape}, no matte.", "Use a BiRefNet model.")
    share = 1 / (1 + np.exp(-logits[0, 0].astype(np.float32)))
    return cleared(np.clip(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1))
