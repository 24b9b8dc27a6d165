"""The cache loads once, keeps its budget, and never takes a component away from who uses it."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from studio.errors import CapabilityError, GateError, NotFoundError, ResourceError
from studio.models import ComponentKey, ModelCache, Registry
from studio.models.family import IMAGE_ENCODER
from studio.models.few_step import FEW_STEP
from studio.presets import Presets

UNET, VAE = ComponentKey("croquis", "unet"), ComponentKey("croquis", "vae")
TEXT, CONTROL = ComponentKey("croquis", "text_encoder"), ComponentKey("croquis", "controlnet")
PLENTY = 2**30


def sizes(registry: Registry, *keys: ComponentKey) -> list[int]:
    cache = ModelCache(registry, PLENTY)
    with cache.use_all(*keys):
        return [cache.stats().resident[key] for key in keys]


def test_components_load_offline_frozen_and_only_once(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    cache = ModelCache(registry, PLENTY)
    apart = {"ip_adapter", IMAGE_ENCODER, "tiny_autoencoder", FEW_STEP}  # a base may come without them
    keys = [ComponentKey("croquis", name) for name in registry.family("croquis").components if name not in apart]
    with cache.use_all(*keys) as values:
        for value in values:
            if hasattr(value, "parameters"):
                assert not value.training
                assert not any(p.requires_grad for p in value.parameters())
                assert {str(p.dtype) for p in value.parameters()} == {"torch.float32"}
    with cache.use(UNET) as again, cache.use(UNET) as same:
        assert again is same is values[keys.index(UNET)]
    stats = cache.stats()
    assert (stats.loads, stats.hits, stats.evictions) == (len(keys), 2, 0)
    assert stats.resident_bytes == sum(stats.resident.values()) > 0
    assert os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] == "1"
    assert "HF_HUB_OFFLINE" in os.environ


def test_another_dtype_is_another_component_of_half_the_bytes(registry: Registry) -> None:
    full, half = sizes(registry, UNET, ComponentKey("croquis", "unet", "bf16"))
    assert full == 2 * half


def test_the_cheapest_reload_per_byte_goes_first_and_what_is_in_use_stays(registry: Registry) -> None:
    unet, vae, control = sizes(registry, UNET, VAE, CONTROL)
    cache = ModelCache(registry, unet + vae + control)
    with cache.use(VAE):
        pass
    with cache.use(UNET):
        pass
    cache._entries[UNET].reload_s, cache._entries[VAE].reload_s = 0.001 * unet, 1.0 * vae  # the VAE is dear per byte
    with cache.use(CONTROL), cache.use(TEXT):
        assert set(cache.stats().resident) == {VAE, CONTROL, TEXT}
        assert cache.stats().resident_bytes <= unet + vae + control
    with cache.use(VAE), cache.use(CONTROL):
        before = cache.stats().evictions
        with cache.use(UNET):
            assert set(cache.stats().resident) == {VAE, CONTROL, UNET}
        assert cache.stats().evictions == before + 1


def test_what_does_not_fit_beside_those_in_use_is_refused_and_nothing_is_lost(registry: Registry) -> None:
    unet, vae = sizes(registry, UNET, VAE)
    cache = ModelCache(registry, max(unet, vae))
    with cache.use(UNET):
        with pytest.raises(ResourceError, match="STUDIO_CACHE_BYTES"), cache.use(VAE):
            pass
        assert set(cache.stats().resident) == {UNET}
    with cache.use(VAE):
        assert set(cache.stats().resident) == {VAE}
    cache.clear()
    assert cache.stats().resident_bytes == 0
    with pytest.raises(ResourceError), ModelCache(registry, unet - 1).use(UNET):
        pass


def test_one_user_at_a_time_one_load_for_all(registry: Registry) -> None:
    cache, inside, most, seen = ModelCache(registry, PLENTY), [0], [0], set()

    def work() -> None:
        for keys in ((TEXT, VAE), (VAE, TEXT)) * 20:
            with cache.use_all(*keys) as values:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                seen.update(id(value) for value in values)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "two threads wait for each other"
    assert (most[0], len(seen), cache.stats().loads) == (1, 2, 2)


def test_different_components_are_used_side_by_side(registry: Registry) -> None:
    cache, meet = ModelCache(registry, PLENTY), threading.Barrier(2, timeout=20)

    def work(key: ComponentKey) -> None:
        with cache.use(key):
            meet.wait()

    other = threading.Thread(target=work, args=(TEXT,))
    other.start()
    work(VAE)
    other.join(60)
    assert not meet.broken


def test_the_unknown_is_named(registry: Registry) -> None:
    cache = ModelCache(registry, PLENTY)
    for key, error in (
        (ComponentKey("croquis", "image_encoder"), CapabilityError),
        (ComponentKey("croquis", "unet", "int4"), CapabilityError),
        (ComponentKey("flux", "unet"), NotFoundError),
    ):
        with pytest.raises(error), cache.use(key):
            pass
    assert not cache.stats().resident


def test_a_base_is_checked_again_when_a_file_changed(tiny_presets: Path, tmp_path: Path) -> None:
    presets = tmp_path / "presets"
    shutil.copytree(tiny_presets / "bases", presets / "bases")
    registry = Registry(Presets(presets, tmp_path))
    assert registry.folder("croquis") == presets / "bases" / "croquis"
    assert registry.capabilities("croquis").controlnet["openpose"].supported
    assert registry.capabilities("croquis").reference_image.reason
    (presets / "bases" / "croquis" / "unet" / "model.py").write_text("")
    with pytest.raises(GateError, match=r"model\.py"), ModelCache(registry, PLENTY).use(UNET):
        pass


def test_a_scheduler_must_be_one_of_diffusers(tiny_presets: Path, tmp_path: Path) -> None:
    presets = tmp_path / "presets"
    shutil.copytree(tiny_presets / "bases", presets / "bases")
    config = presets / "bases" / "croquis" / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("DDIMScheduler", "DiffusionPipeline"))
    cache = ModelCache(Registry(Presets(presets, tmp_path)), PLENTY)
    with pytest.raises(GateError, match="no scheduler"), cache.use(ComponentKey("croquis", "scheduler")):
        pass
