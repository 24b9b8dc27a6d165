"""What stands beside the words of a picture: guides that reach the request, and refusals in words."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.generate import quick
from studio.measure.annotators.edges import Canny
from studio.measure.annotators.joints import COCO_OF_OPENPOSE
from studio.records.product import Product
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.components.canvas_desk import CanvasDesk
from studio.ui.components.train_form import TrainForm
from tests.onnx_models import install, rtmpose
from tests.ui.message_source import ROOT

SIZE = 192, 256


@pytest.fixture
def settings(tmp_path: Path, tiny_presets: Path) -> Settings:
    """The tiny croquis beside the card of an SD1.5 that has yet to be pulled."""
    presets, brands = tmp_path / "presets", tmp_path / "brand_models"
    shutil.copytree(tiny_presets, presets, ignore=shutil.ignore_patterns("judge"))
    shutil.copy(ROOT / "presets/bases/sd15.yaml", presets / "bases")
    brands.mkdir()
    limits: dict[str, Any] = {"max_upload_bytes": 200_000, "max_image_pixels": 100_000}
    return Settings(home=tmp_path / "home", presets=presets, brand_models=brands, device="cpu", dtype="fp32", **limits)


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that Gradio takes files up in."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


@pytest.fixture
def desk(studio: Studio) -> CanvasDesk:
    studio.warm.set()
    return CanvasDesk(studio)


def value(piece: Any, action: str, **message: Any) -> Any:
    answer = piece.answer(action, message, "mika")
    assert "value" in answer, answer
    return answer["value"]


def photo(path: Path, *, size: tuple[int, int] = SIZE, turned: bool = False) -> Path:
    """A light square on a dark ground; `turned` as a phone that was held upright saves it."""
    image = Image.new("RGB", size, (40, 40, 60))
    image.paste((220, 200, 190), (size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4))
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    image.save(path, exif=exif)
    return path


def white(box: tuple[int, int, int, int]) -> str:
    buffer = io.BytesIO()
    mask = Image.new("L", SIZE)
    mask.paste(255, box)
    mask.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def request(desk: CanvasDesk, **changes: Any) -> dict[str, Any]:
    start = value(desk, "start")
    base = next(base for base in start["bases"] if base["name"] == changes.get("base", "croquis"))
    return {
        "base": base["name"], "prompt": "a woman in a red dress", "seed": 7, "num_inference_steps": 2,
        "guidance_scale": 2.0, "framing": base["framing"], "pose": None, "look": start["looks"][0],
    } | changes  # fmt: skip


def drawn(desk: CanvasDesk, studio: Studio, asked: dict[str, Any]) -> dict[str, Any]:
    """The newest picture of the film, after a job that ended well."""
    job = studio.lane.run_job(value(desk, "draw", request=asked)["job_id"])
    assert job.status == "done", job.error
    newest: dict[str, Any] = value(desk, "film")[0]
    return newest


def pixels(studio: Studio, sha256: str) -> Any:
    with Image.open(studio.store.files.path(sha256)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_what_is_missing_is_named_and_what_reads_photos_shows_its_licence(desk: CanvasDesk) -> None:
    found = value(desk, "abilities")
    assert found["needs"]["croquis"] == {}
    assert found["needs"]["sd15"]["controlnet:canny"] == "sd15-controlnet-canny"
    assert found["needs"]["sd15"]["reference_image"] == "sd15-ip-adapter"
    readers = found["annotators"]
    assert [readers[makes]["ready"] for makes in ("canny", "lineart", "depth", "pose")] == [True, True, False, False]
    assert readers["pose"]["name"] == "rtmpose-m"
    assert [readers[makes]["state"] for makes in ("canny", "pose")] == ["installed", "absent"]
    assert (readers["canny"]["licence"], readers["canny"]["commercial_use"]) == ("Apache-2.0", True)
    sizes = {base["name"]: base["framings"] for base in value(desk, "start")["bases"]}
    assert [(f["width_px"], f["height_px"]) for f in sizes["sd15"]] == [(512, 768), (512, 512), (768, 512)]
    assert sizes["sd15"][2]["origin_x_px"] == 384


def test_an_uploaded_picture_becomes_a_map_of_its_edges(desk: CanvasDesk, studio: Studio, uploads: Path) -> None:
    given = photo(uploads / "dress.png")
    kept = value(desk, "keep_picture", path=str(given))
    assert studio.store.files.path(kept).read_bytes() == given.read_bytes()
    made = value(desk, "picture_map", kind="canny", picture_sha256=kept)
    assert (made["title"], made["licence"]) == ("Canny edges", "Apache-2.0")
    edges = Canny().annotate(studio.compose.photo(given))
    assert edges.any()
    np.testing.assert_array_equal(pixels(studio, made["sha256"]), edges)
    turned = value(desk, "keep_picture", path=str(photo(uploads / "phone.jpg", size=(200, 100), turned=True)))
    assert pixels(studio, turned).shape == (200, 100, 3)  # upright, so that a mask painted on it fits


def test_what_cannot_be_taken_in_is_refused_in_words(desk: CanvasDesk, uploads: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(uploads / "heavy.png")
    photo(uploads / "wide.png", size=(900, 300))
    (uploads / "notes.png").write_bytes(b"just words")
    asked = {"heavy.png": "the limit is", "wide.png": "megapixels", "notes.png": "notes.png"}
    for name, words in asked.items():
        answer = desk.answer("keep_picture", {"path": str(uploads / name)}, "mika")
        assert words in answer["error"], answer
        assert answer["next_step"]
    for action in ("keep_picture", "read_settings"):
        outside = {"path": str(photo(tmp_path / "private.png"))}
        assert "not uploaded" in desk.answer(action, outside, "mika")["error"]


def test_maps_and_poses_whose_annotator_is_not_here_say_so(desk: CanvasDesk, studio: Studio, uploads: Path) -> None:
    kept = value(desk, "keep_picture", path=str(photo(uploads / "dress.png")))
    assert "rtmpose-m" in desk.answer("photo_pose", {"picture_sha256": kept}, "mika")["error"]
    depth = {"kind": "depth", "picture_sha256": kept}
    assert "not on this machine yet" in desk.answer("picture_map", depth, "mika")["error"]
    studio.warm.clear()
    assert "still starting" in desk.answer("picture_map", depth, "mika")["error"]
    assert "normal" in desk.answer("picture_map", depth | {"kind": "normal"}, "mika")["error"]
    assert "no file" in desk.answer("photo_pose", {"picture_sha256": "0" * 64}, "mika")["error"]


def test_a_pose_is_read_from_a_photo_with_what_is_to_be_said_of_it(
    desk: CanvasDesk, studio: Studio, uploads: Path, tmp_path: Path
) -> None:
    standing, framing = studio.compose.pose("standing-front"), studio.drafts.framing("croquis")
    places = dict(zip(COCO_OF_OPENPOSE, (framing.to_px(joint) for joint in standing.joints), strict=True))
    model = rtmpose(tmp_path / "m.onnx", [places[number] for number in range(17)], [*[0.9] * 16, 0.1])
    install(studio.settings, "rtmpose-m", model)
    assert value(desk, "abilities")["annotators"]["pose"]["ready"]
    kept = value(desk, "keep_picture", path=str(photo(uploads / "person.png")))
    found = value(desk, "photo_pose", picture_sha256=kept)
    assert found["pose"]["name"] == "from-photo"
    assert [joint["present"] for joint in found["pose"]["joints"]].count(False) == 1
    assert found["notes"] == ["Not seen and therefore left out: right ankle."]


def test_what_the_base_cannot_follow_is_refused_before_anything_is_drawn(desk: CanvasDesk, uploads: Path) -> None:
    kept = value(desk, "keep_picture", path=str(photo(uploads / "dress.png")))
    controls = [{"kind": "canny", "picture_sha256": kept}]
    answer = desk.answer("draw", {"request": request(desk, controls=controls)}, "mika")
    assert "Croquis has a ControlNet for poses only." in answer["error"]
    answer = desk.answer("draw", {"request": request(desk, reference={"picture_sha256": kept})}, "mika")
    assert "without the weights of an IP-Adapter" in answer["error"]
    lost = {"picture_sha256": kept, "mask_sha256": "0" * 64}
    answer = desk.answer("draw", {"request": request(desk, inpaint=lost)}, "mika")
    assert "its mask 000000000000 is not in the file store." in answer["error"]


def test_a_part_is_drawn_anew_and_its_settings_come_back_out_of_the_file(
    desk: CanvasDesk, studio: Studio, uploads: Path
) -> None:
    kept = value(desk, "keep_picture", path=str(photo(uploads / "dress.png")))
    mask = value(desk, "keep_mask", picture_sha256=kept, png=white((48, 64, 144, 192)))
    inpaint = {"picture_sha256": kept, "mask_sha256": mask, "strength": 0.8}
    asked = request(desk, inpaint=inpaint, speed="draft", num_inference_steps=4)
    made = drawn(desk, studio, asked)
    changed = (pixels(studio, made["sha256"]) != pixels(studio, kept)).any(axis=2)
    assert changed[64:192, 48:144].mean() > 0.9
    changed[64:192, 48:144] = False
    assert not changed.any()
    shutil.copy(studio.store.files.path(made["sha256"]), uploads / "made.png")
    given = value(desk, "read_settings", path=str(uploads / "made.png"))
    assert (given["inpaint"], given["speed"], given["pose"]) == (inpaint, "draft", None)
    assert given == made["request"]
    refused = desk.answer("read_settings", {"path": str(uploads / "dress.png")}, "mika")
    assert "carries no settings" in refused["error"]


def test_every_picture_of_a_grid_and_the_preview_keep_the_guides(
    desk: CanvasDesk, studio: Studio, uploads: Path
) -> None:
    kept = value(desk, "keep_picture", path=str(photo(uploads / "dress.png")))
    mask = value(desk, "keep_mask", picture_sha256=kept, png=white((0, 0, 192, 128)))
    asked = request(desk, inpaint={"picture_sha256": kept, "mask_sha256": mask}, speed="draft")
    looks = value(desk, "start")["looks"][:2]
    requests = value(desk, "grid", request=asked, poses=[None], looks=looks, seeds=2)["requests"]
    assert len(requests) == 4
    assert {(r["pose"], r["speed"], r["inpaint"]["mask_sha256"]) for r in requests} == {(None, "draft", mask)}
    preview = quick(studio.drafts.read(asked))
    assert preview.inpaint is not None
    assert (preview.inpaint.mask_sha256, preview.speed) == (mask, "draft")
    faint = asked | {"num_inference_steps": 40, "inpaint": {**asked["inpaint"], "strength": 0.1}}
    assert quick(studio.drafts.read(faint)).num_inference_steps == 10  # or it would draw nothing


def test_the_photos_of_a_product_can_be_chosen(desk: CanvasDesk, studio: Studio, uploads: Path) -> None:
    kept = value(desk, "keep_picture", path=str(photo(uploads / "dress.png")))
    studio.store.products.put(Product(sku="DR-1", name="Dress", photo_sha256=(kept,)))
    assert value(desk, "product_photos", sku="DR-1") == [kept]
    assert value(desk, "product_photos", sku="DR-2") == []


def test_the_train_tab_knows_which_bases_are_here_and_their_presets(studio: Studio) -> None:
    options = value(TrainForm(studio), "options")
    assert {base["name"]: (base["state"], base["cannot"]) for base in options["bases"]} == {
        "croquis": ("installed", ""), "sd15": ("absent", ""),
    }  # fmt: skip
    for base in ("sd15", "sdxl", "z-image"):
        assert {preset["name"] for preset in options["presets"] if base in preset["bases"]} == {
            "brand-model", "product-fabric", "style",
        }  # fmt: skip
