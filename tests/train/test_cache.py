"""Cached encodings equal live ones, and are made anew exactly when their sources change."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from studio.errors import FaultsError
from studio.models.families.croquis import CROQUIS
from studio.store import FileStore
from studio.train.cache import Encodings, load_pixels, refuse_long_captions
from studio.train.snapshot import TrainingItem
from tests.train.brand import CLEARED, png


def item_of(sha256: str, **changes: Any) -> TrainingItem:
    fields = {
        "photo_id": "pho", "sha256": sha256, "file_name": "a.png", "caption": "a dress", "split": "train",
        "rights": CLEARED, "crop_px": None, "width_px": 192, "height_px": 256, "crop_loss": 0.0,
    }  # fmt: skip
    return TrainingItem.model_validate(fields | changes)


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


@pytest.fixture
def encodings(tmp_path: Path, tiny_base: Path) -> Encodings:
    return Encodings(tmp_path / "encodings", tiny_base, CROQUIS.architecture)


@pytest.fixture(scope="module")
def vae(tiny_base: Path) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL.from_pretrained(tiny_base / "vae").eval()


def test_cached_latents_equal_a_live_encode(files: FileStore, encodings: Encodings, vae: Any) -> None:
    item = item_of(files.put_bytes(png(3, 300, 400), ".png"))
    for mirrored in (False, True):
        encodings.encode_latents(item, files.path(item.sha256), vae, mirrored=mirrored)
        with torch.no_grad():
            live = vae.encode(load_pixels(files.path(item.sha256), item, mirrored=mirrored)).latent_dist
        kept = encodings.latents(item, mirrored=mirrored)
        assert torch.equal(kept.mean, live.mean[0])
        assert torch.equal(kept.std, live.std[0])
    assert kept.mean.shape == (8, 32, 24)
    assert encodings.scaling == (0.7, 0.0)


def test_cached_text_equals_a_live_encode(encodings: Encodings, tiny_base: Path) -> None:
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(tiny_base / "tokenizer")
    text_encoder = CLIPTextModel.from_pretrained(tiny_base / "text_encoder").eval()
    parts = {"tokenizer": tokenizer, "text_encoder": text_encoder}
    for caption in ("", "a photo of a navy dress"):
        encodings.encode_text(caption, parts)
        ids = tokenizer(caption, padding="max_length", truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            live = text_encoder(ids)[0]
        assert torch.equal(encodings.text(caption)["hidden"], live)
    assert encodings.without_text(["", "a photo of a navy dress", "another"]) == ["another"]
    long = item_of("0" * 64, caption="dress " * 80, file_name="long.png")
    with pytest.raises(FaultsError, match=r"long\.png: its caption has \d+ tokens, the base reads 64"):
        refuse_long_captions([item_of("0" * 64), long], CROQUIS.architecture, parts)


def test_what_an_encoding_was_made_from_decides_whether_it_counts(
    tmp_path: Path, files: FileStore, encodings: Encodings, vae: Any, tiny_base: Path
) -> None:
    item = item_of(files.put_bytes(png(1, 192, 256), ".png"))
    encodings.encode_latents(item, files.path(item.sha256), vae, mirrored=False)
    assert encodings.without_latents([item], mirrored=False) == []
    assert encodings.without_latents([item], mirrored=True) == [(item, True)]
    for other in (item_of(item.sha256, crop_px=(0, 0, 190, 250)), item_of(item.sha256, width_px=224, height_px=192)):
        assert encodings.without_latents([other], mirrored=False) == [(other, False)]
    changed = tmp_path / "base"
    shutil.copytree(tiny_base, changed)
    (changed / "vae" / "config.json").write_text((changed / "vae" / "config.json").read_text() + " ")
    again = Encodings(tmp_path / "encodings", changed, CROQUIS.architecture)
    assert again.without_latents([item], mirrored=False) == [(item, False)]


def stored(files: FileStore, picture: Image.Image, **options: Any) -> Path:
    stream = io.BytesIO()
    picture.save(stream, "PNG", **options)
    return files.path(files.put_bytes(stream.getvalue(), ".png"))


def test_pixels_are_upright_on_white_cropped_and_in_range(files: FileStore) -> None:
    picture = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 200, 300))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown 90 degrees clockwise, so the left half comes to the top
    pixels = load_pixels(stored(files, picture, exif=exif), item_of("0" * 64), mirrored=False)
    assert pixels.shape == (1, 3, 256, 192)
    assert_close(pixels[0, :, 10, 96], torch.tensor([1.0, -1.0, -1.0]))
    assert_close(pixels[0, :, 245, 96], torch.tensor([1.0, 1.0, 1.0]))


def test_a_crop_by_hand_comes_first_and_a_mirror_last(files: FileStore) -> None:
    ramp = np.tile(np.linspace(0, 255, 400, dtype=np.uint8), (300, 1))
    path = stored(files, Image.fromarray(ramp))
    cropped = item_of("0" * 64, crop_px=(200, 0, 400, 267))
    pixels = load_pixels(path, cropped, mirrored=False)
    assert pixels.min() > -0.01
    assert torch.equal(load_pixels(path, cropped, mirrored=True), pixels.flip(-1))
