"""What ships to be pulled: every file may be asked for, every figure follows from another, nothing is named twice."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from studio.errors import FaultsError, GateError
from studio.listing.licences import blocking, licence_uses
from studio.models.pull.wanted import check_asked
from studio.presets import ADDONS, Presets
from studio.records.capabilities import BaseCard
from studio.records.generation import GenerationRequest

ROOT = Path(__file__).resolve().parent.parent
COMMIT = re.compile(r"[0-9a-f]{40}")
STORED_BYTES = {"sd15": 2, "sdxl": 2, "z-image-turbo": 4}
"""Bases whose files' sizes are known -> bytes of one number in the denoiser's file; the others are stored in two."""


@pytest.fixture
def shipped(tmp_path: Path) -> Presets:
    return Presets(ROOT / "presets", tmp_path)


def sizes(card: BaseCard) -> dict[str, int]:
    """Component -> bytes of its weights as stored."""
    found: dict[str, int] = {}
    for file in (file for source in card.sources for file in source.files if file.path.endswith(".safetensors")):
        component = file.path.split("/")[0]
        found[component] = found.get(component, 0) + file.size_bytes
    return found


def test_the_families_have_their_bases_and_add_ons(shipped: Presets) -> None:
    assert set(shipped.bases()) >= {"croquis", "sd15", "sdxl", "z-image", "z-image-turbo"}
    assert shipped.bases()["croquis"].pullable is None
    items = shipped.pullables()
    assert {f"sd15-controlnet-{kind}" for kind in ("openpose", "canny", "lineart", "depth")} <= set(items)
    assert {f"sdxl-controlnet-{kind}" for kind in ("union", "openpose", "canny", "depth")} <= set(items)
    assert {"sd15-ip-adapter", "sdxl-ip-adapter"} <= set(items)


def test_every_source_is_pinned_to_a_commit(shipped: Presets) -> None:
    loose = [
        f"{item.name}: {source.repo} at {source.revision}"
        for item in shipped.pullables().values()
        for source in item.sources
        if item.kind in ("base", "controlnet", "ip_adapter") and not COMMIT.fullmatch(source.revision)
    ]
    assert loose == []


def test_no_base_or_add_on_asks_for_what_may_not_be_fetched(shipped: Presets) -> None:
    for item in shipped.pullables().values():
        if any(file.path.endswith(".pth") for source in item.sources for file in source.files):
            with pytest.raises(GateError, match="never fetched"):  # listed so that the page can say why it is not there
                check_asked(item)
        else:
            check_asked(item)


@pytest.mark.parametrize("name", sorted(STORED_BYTES))
def test_the_memory_table_follows_from_the_sizes(shipped: Presets, name: str) -> None:
    card = shipped.bases()[name]
    parts = sizes(card)
    denoiser = "transformer" if "transformer" in parts else "unet"
    parts[denoiser] = parts[denoiser] * 2 // STORED_BYTES[name]
    for need in card.memory:
        held = parts | ({denoiser: parts[denoiser] // 2} if need.dtype == "fp8" else {})
        assert need.weights_bytes == (max if need.offload else sum)(held.values()), (need.dtype, need.offload)
    assert len(card.memory) == 4
    assert "not measured" in card.memory_source


def test_every_base_draws_in_a_size_that_it_was_made_for(shipped: Presets) -> None:
    for card in shipped.bases().values():
        made_for = {(size.width_px, size.height_px) for size in card.resolutions}
        assert not made_for or (card.width_px, card.height_px) in made_for
        assert all(width % 16 == height % 16 == 0 for width, height in made_for)
        if card.pullable is not None and card.name != "z-image-turbo":
            assert shipped.training(card.training_preset, card.name)


def test_an_unread_licence_blocks_export(shipped: Presets) -> None:
    bases = shipped.bases()
    for name, blocks in (("z-image", True), ("z-image-turbo", True), ("sd15", False), ("sdxl", False)):
        uses = licence_uses(GenerationRequest(base=name, prompt="a dress", seed=1), bases, {})
        assert bool(blocking(uses, ())) is blocks, name


def test_one_name_means_one_thing(tmp_path: Path) -> None:
    root = tmp_path / "presets"
    for folder in ("bases", *ADDONS):
        shutil.copytree(ROOT / "presets" / folder, root / folder, ignore=shutil.ignore_patterns("croquis"))
    twin = (root / "controlnets/sdxl-controlnet-canny.yaml").read_text(encoding="utf-8")
    (root / "tools/sdxl-controlnet-canny.yaml").write_text(twin, encoding="utf-8")
    with pytest.raises(FaultsError, match="kind: is controlnet, not tool"):
        Presets(root, tmp_path).pullables()
    (root / "tools/sdxl-controlnet-canny.yaml").write_text(twin.replace("kind: controlnet", "kind: tool"), "utf-8")
    with pytest.raises(FaultsError, match="the name of two presets"):
        Presets(root, tmp_path).check()
