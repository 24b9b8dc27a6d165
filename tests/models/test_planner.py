"""The planner: its calculation holds against measured peaks, and it arranges what fits, or says what is missing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.errors import ResourceError
from studio.models import ComponentKey, ModelCache, Registry
from studio.models.arrangement import Arrangement, arranged
from studio.models.dry_run import Live, Network, working
from studio.models.families.croquis import CROQUIS
from studio.models.planner import MARGIN, DryRuns, Planner
from studio.presets import Presets
from studio.records.generation import GenerationRequest
from studio.records.pose import JOINT_NAMES, Framing, Joint, Pose
from studio.settings import REPOSITORY

WHOLE = Framing()
SIZE = WHOLE.scaled(0.5)
POSE = Pose(name="standing", joints=tuple(Joint(x_mm=0.0, y_mm=1650 - 90 * i) for i in range(len(JOINT_NAMES))))
WIDE = 2**40


def request(seed: int = 1, **fields: Any) -> GenerationRequest:
    return GenerationRequest(**({"prompt": "a coat", "seed": seed, "framing": SIZE, "pose": POSE} | fields))


@pytest.fixture(scope="module")
def registry(tiny_presets: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(Presets(tiny_presets, tmp_path_factory.mktemp("none")))


def planner(
    registry: Registry,
    room_bytes: int,
    device: str = "cuda",
    dtype: str = "fp32",
    loading: threading.Lock | None = None,
) -> Planner:
    known: DryRuns = {}
    return Planner(
        registry, device=device, dtype=dtype, room_bytes=room_bytes, batch_size=4, known=known,
        loading=loading or threading.Lock(),
    )  # fmt: skip


@pytest.mark.parametrize("rows", [1, 4])
def test_the_calculation_holds_against_measured_peaks(tmp_path: Path, rows: int) -> None:
    """On the bundled base: in the tests' tiny one, what kernels take for themselves outweighs the tensors."""
    from torch.profiler import ProfilerActivity, profile

    registry = Registry(Presets(REPOSITORY / "presets", tmp_path))
    cache, architecture, kinds = ModelCache(registry, WIDE), CROQUIS.architecture, ("openpose",)
    names = ("unet", "vae", "controlnet")
    folders = {name: Network(registry.component_folder("croquis", name)) for name in names}
    planned = working(
        architecture, folders["unet"], folders["vae"], [(kinds, folders["controlnet"])], WHOLE, rows, "fp32"
    )
    with cache.use_all(*(ComponentKey("croquis", name) for name in names)) as (unet, vae, controlnet), torch.no_grad():
        shape = architecture.latent_shape(unet, vae, WHOLE)
        sample, pictures = torch.randn(rows, *shape), [torch.rand(1, 3, WHOLE.height_px, WHOLE.width_px)]
        inputs = architecture.inputs(unet, [architecture.blank_text(unet)] * rows, [WHOLE] * rows)

        def step() -> None:
            with architecture.controlling(controlnet, kinds, pictures, unet, vae) as call:
                places = torch.zeros(rows, dtype=torch.long)
                residuals = call(sample, torch.tensor(500), inputs, places, [[1.0]] * rows)
                architecture.predict(unet, sample, torch.tensor(500), inputs, residuals)

        def decode() -> None:
            vae.decode(torch.randn(1, *shape), return_dict=False)

        measured = []
        for work in (step, decode):
            work()
            with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
                work()
            now = peak = 0
            for event in seen.profiler.kineto_results.events():  # type: ignore[union-attr]
                if event.name() == "[memory]":
                    now += event.nbytes()
                    peak = max(peak, now)
            measured.append(peak)
    for plan, peak in zip((planned.denoise_bytes, planned.decode_bytes), measured, strict=True):
        assert peak <= plan * MARGIN <= 1.5 * peak, (plan, peak)


def test_what_lives_at_once_is_counted_and_views_are_not() -> None:
    with Live() as live:
        first = torch.zeros(1000)
        view = first.view(10, 100)
        second = view + 1
        del first, view
        third = second * 2
    assert live.peak == 2 * 4000
    assert len(third) == 10


def test_the_fastest_arrangement_that_fits(registry: Registry) -> None:
    requests = [request(seed) for seed in range(5)]
    plans = [planner(registry, WIDE)._planned(a, requests) for a in planner(registry, WIDE).arrangements(requests)]
    sizes = [plan.needed_bytes for plan in plans]
    assert [plan.arrangement.batch_size for plan in plans] == [4, 2, 1, 1, 1]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[1] > sizes[-1]
    for room in set(sizes):
        found = planner(registry, room).plan(requests)
        assert found.arrangement == next(plan.arrangement for plan in plans if plan.needed_bytes <= room)
        assert found.fits
        assert " at a time in fp32" in found.words
    assert planner(registry, WIDE).plan(requests).arrangement == Arrangement(4)
    with pytest.raises(ResourceError, match=r"croquis needs at least 0\.\d GB for this"):
        planner(registry, 1000).plan(requests)


def test_a_cpu_offloads_to_nowhere_and_only_drafts_are_kept_in_fp8(registry: Registry) -> None:
    on_cpu = list(planner(registry, WIDE, device="cpu").arrangements([request()]))
    assert not any(arrangement.offloaded for arrangement in on_cpu)
    assert not any(a.fp8 for a in planner(registry, WIDE, dtype="bf16").arrangements([request(speed="draft")]))


def test_an_arrangement_changes_no_picture_and_leaves_nothing_behind(registry: Registry) -> None:
    cache = ModelCache(registry, WIDE)
    with cache.use_all(ComponentKey("croquis", "unet"), ComponentKey("croquis", "vae")) as (unet, vae), torch.no_grad():
        rng = torch.Generator().manual_seed(3)
        sample, text = torch.randn(1, 8, 16, 12, generator=rng), torch.randn(1, 7, 32, generator=rng)

        def answer() -> Any:
            return unet(sample, 500, encoder_hidden_states=text).sample

        plain, forwards = answer(), {name: module.forward for name, module in unet.named_modules()}
        with arranged(Arrangement(1, tiled=True, offloaded=True), unet, vae, "cpu"):
            assert vae.use_tiling
            assert torch.equal(answer(), plain)
        assert not vae.use_tiling
        assert torch.equal(answer(), plain)
        assert all(module.forward == forwards[name] for name, module in unet.named_modules())
        with arranged(Arrangement(1, offloaded=True), unet, vae, "cpu"):
            assert torch.equal(answer(), plain), "a second time, too"


def test_a_dry_run_waits_for_who_loads_classes(registry: Registry) -> None:
    """Two threads that make diffusers import the same classes find one of them half made."""
    loading, planned = threading.Lock(), threading.Event()

    def plan() -> None:
        planner(registry, WIDE, loading=loading)._planned(Arrangement(1), [request()])
        planned.set()

    with loading:
        thread = threading.Thread(target=plan)
        thread.start()
        assert not planned.wait(0.3)
    assert planned.wait(60)
    thread.join()
