"""Tools on pictures of the store: what is kept, what it says of itself, what it does not inherit, what is refused."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from studio.errors import CapabilityError, ConflictError, FaultsError, GateError, InputError, NotFoundError
from studio.records.generation import Variant
from studio.records.tool import CutOutHints, ToolName
from studio.studio import Studio
from tests.tools.conftest import SETTINGS, SKU, Install
from tests.tools.drawn import green_excess


def pixels(studio: Studio, variant: Variant) -> np.ndarray:
    with Image.open(studio.store.files.path(variant.image_sha256)) as image:
        return np.asarray(image)


def job(studio: Studio, kind: str, payload: dict[str, object]) -> Variant:
    """Runs a job to its end; the variant that it made."""
    ended = studio.lane.run_job(studio.jobs.submit(kind, payload).id)
    assert ended.status == "done", ended.error
    return studio.store.variants.get(ended.result["variant_id"])


def test_lanczos_makes_a_variant_that_says_what_it_is(studio: Studio, source: Variant) -> None:
    made = job(studio, "upscale", studio.tools.upscale_payload(source.id, 2.5))
    assert pixels(studio, made).shape == (320, 240, 3)
    with Image.open(studio.store.files.path(source.image_sha256)) as image:
        expected = np.asarray(image.convert("RGB").resize((240, 320), Image.Resampling.LANCZOS))
    assert (pixels(studio, made) == expected).all()
    assert (made.derived_from, made.request, made.sku, made.batch_id) == (source.id, source.request, SKU, "b1")
    (use,) = made.made_by
    assert (use.tool, use.method, use.weights_sha256, use.source_sha256) == (
        "upscale", "lanczos", "", source.image_sha256,
    )  # fmt: skip
    assert use.settings == {"factor": "2.5", "size": "240x320"}
    with Image.open(studio.store.files.path(made.image_sha256)) as image:
        image.load()
        assert image.info["sasage-studio"] == SETTINGS
        assert json.loads(image.info["sasage-tools"])[0]["method"] == "lanczos"
    assert studio.store.thumbnails.path(made.image_sha256).is_file()


def test_a_pulled_network_draws_it_larger_and_is_named_by_its_digest(
    studio: Studio, source: Variant, install: Install
) -> None:
    sha256 = install("real-esrgan-x4plus")
    made = job(studio, "upscale", studio.tools.upscale_payload(source.id, 3, "real-esrgan-x4plus"))
    assert pixels(studio, made).shape == (384, 288, 3)
    (use,) = made.made_by
    assert (use.weights_sha256, use.licence, use.commercial_use) == (sha256, "BSD-3-Clause", True)
    lanczos = studio.tools.upscale(source.id, 3)
    assert np.abs(pixels(studio, made).astype(int) - pixels(studio, lanczos)).mean() > 5  # another picture


def test_a_cut_out_is_pure_white_around_and_an_upscaled_cut_out_tells_both(studio: Studio, source: Variant) -> None:
    cut = job(studio, "cut-out", studio.tools.cut_out_payload(source.id))
    found = pixels(studio, cut)
    assert (found[:4] == 255).all()
    assert (found[:, :4] == 255).all()
    assert green_excess(found).max() < 60 < green_excess(pixels(studio, source)).max()
    larger = studio.tools.upscale(cut.id, 2)
    assert [use.tool for use in larger.made_by] == ["cut-out", "upscale"]
    assert larger.derived_from == cut.id


def test_transparency_is_kept_when_it_is_made_larger_and_turns_white_again(studio: Studio, source: Variant) -> None:
    clear = studio.tools.cut_out(source.id, "transparent")
    larger = studio.tools.upscale(clear.id, 2)
    assert pixels(studio, larger).shape == (256, 192, 4)
    assert pixels(studio, larger)[2, 2, 3] == 0
    white = studio.tools.cut_out(larger.id, "white")
    assert (pixels(studio, white)[:6] == 255).all()


def test_the_matting_model_gives_the_matte_of_its_own(studio: Studio, source: Variant, install: Install) -> None:
    sha256 = install("birefnet-lite")
    made = job(studio, "cut-out", studio.tools.cut_out_payload(source.id, "transparent", "birefnet-lite"))
    # What the tiny model computes, written out: 4 (red - green) in ImageNet's normalisation, through a sigmoid.
    small = cv2.resize(pixels(studio, source), (64, 64), interpolation=cv2.INTER_AREA) / 255
    logits = 4 * ((small[..., 0] - 0.485) / 0.229 - (small[..., 1] - 0.456) / 0.224)
    share = cv2.resize(1 / (1 + np.exp(-logits)), (96, 128), interpolation=cv2.INTER_LINEAR)
    assert np.abs(pixels(studio, made)[..., 3] / 255 - np.clip((share - 0.02) / 0.96, 0, 1)).max() < 1 / 255
    assert share.std() > 0.2
    assert (made.made_by[0].weights_sha256, made.made_by[0].licence) == (sha256, "MIT")
    with pytest.raises(InputError, match="takes no marks by hand"):
        studio.tools.cut_out(source.id, method="birefnet-lite", hints=CutOutHints(rectangle=(0, 0, 1, 1)))


def test_an_approval_is_not_inherited(studio: Studio, source: Variant) -> None:
    studio.review.decide(source.id, "approved", author="mika", rating=5)
    made = studio.tools.upscale(source.id, 2)
    assert studio.review.state(made.id) is None
    assert [candidate.variant.id for candidate in studio.listing.candidates(SKU)] == [source.id]


def test_a_job_that_is_begun_again_keeps_one_picture(studio: Studio, source: Variant) -> None:
    submitted = studio.jobs.submit("upscale", studio.tools.upscale_payload(source.id, 2))
    made = studio.store.variants.get(studio.lane.run_job(submitted.id).result["variant_id"])
    assert studio.tools.made(submitted.id) == made
    again = studio.jobs.submit("upscale", submitted.payload)
    assert studio.tools.made(again.id) is None


def test_a_derived_picture_is_removed_until_somebody_decides(studio: Studio, source: Variant) -> None:
    first, second = studio.tools.upscale(source.id, 2), studio.tools.upscale(source.id, 3)
    studio.review.measure([first.id], rules="unjudged")
    with pytest.raises(ConflictError, match="was generated"):
        studio.tools.remove(source.id)
    cut = studio.tools.cut_out(second.id)
    with pytest.raises(ConflictError, match="Another picture was made of"):
        studio.tools.remove(second.id)
    studio.tools.remove(cut.id)
    studio.tools.remove(first.id)
    studio.review.decide(second.id, "rejected", author="mika", reasons=("fabric",))
    with pytest.raises(ConflictError, match="has decided"):
        studio.tools.remove(second.id)
    assert {variant.id for variant in studio.store.variants.find()} == {source.id, second.id}
    assert studio.store.measurements.find(variant_id=first.id) == []


def test_what_has_not_been_pulled_is_named_with_its_command(studio: Studio, source: Variant, install: Install) -> None:
    ready = {method.name: method.ready for method in studio.tools.methods()}
    assert ready == {
        "lanczos": True, "grabcut": True, "real-esrgan-x4plus": False, "birefnet": False, "birefnet-lite": False,
        "diffusion": False,
    }  # fmt: skip
    with pytest.raises(CapabilityError, match="models pull birefnet-lite"):
        studio.tools.cut_out_payload(source.id, method="birefnet-lite")
    with pytest.raises(CapabilityError, match="draws garment and face anew"):
        studio.tools.upscale_payload(source.id, 2, "diffusion")
    install("birefnet-lite")
    assert studio.tools.cut_out_payload(source.id, method="birefnet-lite")["method"] == "birefnet-lite"


def test_a_model_that_was_changed_on_the_disk_is_refused(studio: Studio, source: Variant, install: Install) -> None:
    install("real-esrgan-x4plus")
    (path,) = studio.settings.models_dir.rglob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(GateError, match="not the file it should be"):
        studio.tools.upscale(source.id, 2, "real-esrgan-x4plus")


@pytest.mark.parametrize("factor", [1.0, 0.5, 9, float("nan")])
def test_a_factor_that_enlarges_nothing_or_too_much_is_refused(studio: Studio, source: Variant, factor: float) -> None:
    with pytest.raises(InputError, match="times as large"):
        studio.tools.upscale_payload(source.id, factor)


def test_a_result_over_the_limit_is_refused_before_it_waits(studio: Studio, source: Variant) -> None:
    small = studio.settings.model_copy(update={"max_image_pixels": 96 * 128 * 3})
    with Studio(small) as limited, pytest.raises(InputError, match="192x256 px; at most"):
        limited.tools.upscale_payload(source.id, 2)


def test_a_mask_of_another_size_is_refused_and_one_of_the_right_size_is_the_figure(
    studio: Studio, source: Variant
) -> None:
    def stored(size: tuple[int, int]) -> str:
        mask = Image.new("L", size)
        mask.paste(255, (20, 10, size[0] - 20, size[1] - 10))
        buffer = io.BytesIO()
        mask.save(buffer, "PNG")
        return studio.store.files.put_bytes(buffer.getvalue(), ".png")

    with pytest.raises(InputError, match=r"The mask has 90x128 px, the picture 96x128\."):
        studio.tools.cut_out_payload(source.id, hints={"mask_sha256": stored((90, 128))})
    cut = job(studio, "cut-out", studio.tools.cut_out_payload(source.id, hints={"mask_sha256": stored((96, 128))}))
    assert cut.made_by[0].settings == {"ground": "white", "hints": "by hand"}
    text = studio.store.files.put_bytes(b"no picture", ".txt")
    with pytest.raises(InputError, match="The mask is no picture"):
        studio.tools.cut_out(source.id, hints=CutOutHints(mask_sha256=text))


@pytest.mark.parametrize(
    ("tool", "arguments", "error"),
    [
        ("upscale", {"variant_id": "var_none", "factor": 2}, NotFoundError),
        ("cut-out", {"variant_id": "var_none"}, NotFoundError),
        ("cut-out", {"ground": "black"}, InputError),
        ("cut-out", {"method": "scissors"}, NotFoundError),
        ("cut-out", {"hints": {"strokes": [{"points": [], "radius": 2, "figure": True}]}}, FaultsError),
        ("cut-out", {"hints": {"mask_sha256": "0" * 64}}, NotFoundError),
    ],
)
def test_what_cannot_be_done_is_told_before_it_waits(
    studio: Studio, source: Variant, tool: ToolName, arguments: dict[str, object], error: type[Exception]
) -> None:
    ask = studio.tools.upscale_payload if tool == "upscale" else studio.tools.cut_out_payload
    with pytest.raises(error):
        ask(**({"variant_id": source.id} | arguments))  # type: ignore[arg-type]
