"""Encodings on disk: the latents of every photo and the embedding of every caption, made once for all runs.

A step then needs neither autoencoder nor text encoder. Files are named by what they were made from (picture, crop and
size, or text) and by the hash of the component that made them, so a changed base never meets old encodings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image, ImageOps

from studio.errors import Fault, FaultsError
from studio.models.architecture import Architecture, Text
from studio.store import write_atomic
from studio.train.snapshot import TrainingItem

if TYPE_CHECKING:
    import torch

_CHUNK_BYTES = 2**20


class Posterior(NamedTuple):
    """What the autoencoder says of one picture: mean and standard deviation, each (C, h, w), unscaled."""

    mean: torch.Tensor
    std: torch.Tensor


class Encodings:
    """The encodings of one base.

    Args:
        folder: where they are kept; shared by all runs.
        base_folder: the base in diffusers layout.
        architecture: how the base's networks are called.
    """

    def __init__(self, folder: Path, base_folder: Path, architecture: Architecture) -> None:
        self._folder = folder
        self._base = base_folder
        self._architecture = architecture

    @cached_property
    def scaling(self) -> tuple[float, float]:
        """Factor and shift that the denoiser's latents have from the autoencoder's: (latent - shift) * factor."""
        config = json.loads((self._base / "vae" / "config.json").read_text(encoding="utf-8"))
        # 0.18215 is AutoencoderKL's own default; a shift is newer than SD1.5's and SDXL's files.
        return float(config.get("scaling_factor", 0.18215)), float(config.get("shift_factor") or 0.0)

    @cached_property
    def _vae_hash(self) -> str:
        return component_hash(self._base / "vae")

    @cached_property
    def _text_hash(self) -> str:
        return "".join(component_hash(self._base / part) for part in self._architecture.text_parts)

    def without_latents(self, items: Iterable[TrainingItem], *, mirrored: bool) -> list[tuple[TrainingItem, bool]]:
        """(photo, whether mirrored) of all that still have to be encoded."""
        sides = (False, True) if mirrored else (False,)
        return [(i, side) for i in items for side in sides if not self._latent_path(i, mirrored=side).exists()]

    def without_text(self, captions: Iterable[str]) -> list[str]:
        """The captions that still have to be encoded."""
        return [caption for caption in captions if not self._text_path(caption).exists()]

    def encode_latents(self, item: TrainingItem, picture: Path, vae: Any, *, mirrored: bool) -> None:
        """Encode one photo and keep the result. `vae`: an AutoencoderKL."""
        import torch

        pixels = load_pixels(picture, item, mirrored=mirrored).to(vae.device, vae.dtype)
        with torch.inference_mode():
            posterior = vae.encode(pixels).latent_dist
        self._save(self._latent_path(item, mirrored=mirrored), {"mean": posterior.mean[0], "std": posterior.std[0]})

    def encode_text(self, caption: str, parts: Mapping[str, Any]) -> None:
        """Encode one caption and keep the result. `parts`: the architecture's `text_parts` by name."""
        import torch

        with torch.inference_mode():
            text = self._architecture.encode(parts, caption)
        self._save(self._text_path(caption), dict(text))

    def latents(self, item: TrainingItem, *, mirrored: bool) -> Posterior:
        """The kept posterior of one photo, on the CPU in fp32."""
        from safetensors.torch import load_file

        kept = load_file(self._latent_path(item, mirrored=mirrored))
        return Posterior(kept["mean"], kept["std"])

    def text(self, caption: str) -> Text:
        """The kept embeddings of one caption, on the CPU in fp32."""
        from safetensors.torch import load_file

        return load_file(self._text_path(caption))

    def _latent_path(self, item: TrainingItem, *, mirrored: bool) -> Path:
        cut = f"{item.crop_px}:{item.width_px}x{item.height_px}:{mirrored}"
        return self._folder / "latents" / f"{_hash(item.sha256, cut, self._vae_hash)}.safetensors"

    def _text_path(self, caption: str) -> Path:
        return self._folder / "texts" / f"{_hash(caption, self._text_hash)}.safetensors"

    def _save(self, path: Path, tensors: dict[str, torch.Tensor]) -> None:
        from safetensors.torch import save

        write_atomic(path, save({name: tensor.float().cpu().contiguous() for name, tensor in tensors.items()}))


def refuse_long_captions(items: Iterable[TrainingItem], architecture: Architecture, parts: Mapping[str, Any]) -> None:
    """A caption beyond the text encoder's length would be cut without a word.

    Raises:
        FaultsError: names every photo with such a caption.
    """
    faults = [
        Fault(item.file_name, f"its caption has {found.tokens} tokens, the base reads {found.limit}.", "Shorten it.")
        for item in items
        if (found := architecture.unread(parts, item.caption)) is not None
    ]
    if faults:
        raise FaultsError("Captions", faults)


def load_pixels(path: Path, item: TrainingItem, *, mirrored: bool) -> torch.Tensor:
    """A photo as the autoencoder takes it: upright, cut to its bucket from the middle, (1, 3, H, W) in [-1, 1]."""
    import numpy as np
    import torch

    with Image.open(path) as opened:
        picture = _on_white(ImageOps.exif_transpose(opened))
    if item.crop_px is not None:
        picture = picture.crop(item.crop_px)
    picture = ImageOps.fit(picture, item.bucket, Image.Resampling.LANCZOS)
    if mirrored:
        picture = ImageOps.mirror(picture)
    values = torch.from_numpy(np.array(picture, dtype=np.float32))
    return (values / 127.5 - 1.0).permute(2, 0, 1)[None]


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def component_hash(folder: Path) -> str:
    """sha256 over the names and bytes of all files of a component."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            for chunk in _chunks(file.read):
                digest.update(chunk)
    return digest.hexdigest()


def _chunks(read: Callable[[int], bytes]) -> Iterable[bytes]:
    return iter(lambda: read(_CHUNK_BYTES), b"")


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
