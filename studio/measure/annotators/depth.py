"""Depth maps, near white and far black, by a depth model of transformers (Depth Anything V2, DPT)."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from studio.errors import GateError
from studio.measure.pictures import RGB
from studio.models.gate import check_model_folder

CLASSES = frozenset({"DepthAnythingForDepthEstimation", "DPTForDepthEstimation"})
"""What a folder may ask for. Both give the inverse of depth up to scale and shift: near is large."""


class Depth:
    """A depth model, loaded when it is made; let go of the object to free its memory.

    Raises:
        NotFoundError: there is no such folder.
        GateError: the folder holds what it may not, or no depth model of the classes above.
    """

    def __init__(self, folder: Path, *, allow: Collection[str] | None = None, device: str = "cpu") -> None:
        check_model_folder(folder, allow=allow)
        name = _class_name(folder)
        import torch
        import transformers

        places: Any = {"local_files_only": True, "trust_remote_code": False}
        kind: Any = getattr(transformers, name)
        try:
            model = kind.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **places)
            self._processor: Any = transformers.DPTImageProcessor.from_pretrained(folder, **places)
        except (OSError, ValueError, RuntimeError) as error:
            raise GateError(
                f"The depth model in {folder.name} cannot be loaded: {str(error).splitlines()[0]:.200}",
                "Fetch it again.",
            ) from error
        self._model = model.requires_grad_(False).eval().to(device)
        self._device = device

    def annotate(self, rgb: RGB) -> RGB:
        """Depth of every pixel, the nearest 255 and the farthest 0; (H, W, 3) to (H, W, 3)."""
        import torch

        values = self._processor(images=rgb, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            found = self._model(**values)
        (result,) = self._processor.post_process_depth_estimation(found, target_sizes=[rgb.shape[:2]])
        depth = result["predicted_depth"].float().cpu().numpy()
        span = float(depth.max() - depth.min())
        if not np.isfinite(span):
            raise GateError("The depth model gives numbers that are none.", "Fetch it again.")
        grey = np.rint((depth - depth.min()) / (span or 1.0) * 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)


def _class_name(folder: Path) -> str:
    path = folder / "config.json"
    config: Any = json.loads(path.read_bytes()) if path.is_file() else {}
    names = config.get("architectures") if isinstance(config, dict) else None
    name = names[0] if isinstance(names, list) and names else ""
    if name not in CLASSES:
        raise GateError(
            f"{folder.name} holds no depth model that is known here ({name or 'none is named'!r:.80}).",
            "Fetch depth-anything-v2-small.",
        )
    if config.get("depth_estimation_type", "relative") != "relative":
        raise GateError(f"{folder.name} gives depth in metres, where near is small.", "Fetch depth-anything-v2-small.")
    return str(name)
