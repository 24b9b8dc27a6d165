"""Maps and poses from photos, through the service: what is ready, what is refused, and what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.compose import ComposeService
from studio.errors import CapabilityError, FaultsError, GateError, InputError, NotFoundError
from studio.measure.annotators.edges import Canny
from studio.measure.annotators.joints import COCO_OF_OPENPOSE
from studio.measure.pictures import RGB
from studio.presets import Presets
from studio.records.pose import JOINT_NAMES, Framing, Pose
from studio.settings import Settings
from studio.store import Store
from tests.measure.painting import paint
from tests.onnx_models import constant, install, rtmpose, yolox


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A fresh home with the real presets: what can be pulled stands there."""
    presets = Path(__file__).resolve().parents[2] / "presets"
    return Settings(home=tmp_path / "home", presets=presets, brand_models=tmp_path / "brand_models", device="cpu")


@pytest.fixture
def compose(store: Store, settings: Settings) -> ComposeService:
    return ComposeService(store, Presets(settings.presets, settings.brand_models, settings.models_dir))


def peaks(pose: Pose, framing: Framing) -> list[tuple[float, float]]:
    """Where COCO's 17 joints of a pose fall."""
    places = dict(zip(COCO_OF_OPENPOSE, (framing.to_px(joint) for joint in pose.joints), strict=True))
    return [places[number] for number in range(17)]


def blank(width: int = 192, height: int = 256) -> RGB:
    return np.zeros((height, width, 3), np.uint8)


def test_every_annotator_is_shown_with_its_licence(compose: ComposeService) -> None:
    cards = {card.name: card for card in compose.annotators()}
    assert {name for name, card in cards.items() if card.ready} == {"canny", "lineart"}
    assert {name for name, card in cards.items() if card.licence.commercial_use is not True} == {"openpose-body"}
    assert all(card.licence.name and card.licence.source for card in cards.values())
    assert {card.makes for card in cards.values()} == {"canny", "lineart", "depth", "pose", "people", "faces"}
    assert "models pull depth-anything-v2-small" in cards["depth-anything-v2-small"].why_not
    assert "pickle" in cards["openpose-body"].why_not


def test_a_map_lies_in_the_file_store_at_the_photo_s_size(
    compose: ComposeService, store: Store, tmp_path: Path
) -> None:
    rgb = paint(size=(205, 311), background="busy").rgb
    Image.fromarray(rgb).save(tmp_path / "photo.png")
    photo = compose.photo(tmp_path / "photo.png")
    image, made = compose.photo_map("canny", photo)
    assert (made.width_px, made.height_px) == image.size == (205, 311)
    np.testing.assert_array_equal(np.asarray(image), Canny().annotate(rgb))
    with Image.open(store.files.path(made.picture_sha256)) as kept:
        np.testing.assert_array_equal(np.asarray(kept), np.asarray(image))
    assert made.licence.commercial_use
    assert compose.photo_map("lineart", photo)[1].annotator == "lineart"


def test_what_is_missing_or_unknown_is_said(compose: ComposeService, tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match="models pull depth-anything-v2-small"):
        compose.photo_map("depth", blank())
    with pytest.raises(CapabilityError, match="models pull rtmpose-m"):
        compose.pose_from_photo(blank(), "mine")
    with pytest.raises(InputError, match="canny, lineart, depth"):
        compose.photo_map("normal", blank())  # type: ignore[arg-type]
    with pytest.raises(GateError, match=r"body_pose_model\.pth"):
        compose.pose_from_photo(blank(), "mine", annotator="openpose-body")
    with pytest.raises(InputError, match="reads no poses"):
        compose.pose_from_photo(blank(), "mine", annotator="face-yunet")
    with pytest.raises(NotFoundError):
        compose.pose_from_photo(blank(), "mine", annotator="none")
    with pytest.raises(InputError):
        compose.photo(tmp_path / "none.jpg")


def test_a_pose_is_read_named_and_can_be_kept(
    compose: ComposeService, settings: Settings, tmp_path: Path, standing: Pose
) -> None:
    # The model looks at the whole photo with a quarter of margin: what it says lies that much closer to the middle.
    crop = Framing(px_per_mm=Framing().px_per_mm * 0.8, origin_x_px=96.0, origin_y_px=128 + (246 - 128) * 0.8)
    scores = [0.9] * 17
    scores[16] = 0.1  # the right ankle
    install(settings, "rtmpose-m", rtmpose(tmp_path / "m.onnx", peaks(standing, crop), scores))
    found = compose.pose_from_photo(blank(), "from-photo", action="walking")
    for name, joint, meant in zip(JOINT_NAMES, found.pose.joints, standing.joints, strict=True):
        # Scores come every half px of the crop; the neck is the middle of the shoulders here.
        expected = Framing().to_px(meant if name != "neck" else meant.model_copy(update={"y_mm": 1390.0}))
        np.testing.assert_allclose(found.framing.to_px(joint), expected, atol=0.4, err_msg=name)
    assert found.pose.view == "front"
    assert found.pose.action == "walking"
    assert found.people is None
    assert found.notes == ("Not seen and therefore left out: right ankle.",)
    assert found.licence.name == "Apache-2.0"
    with pytest.raises(FaultsError, match="name"):
        compose.pose_from_photo(blank(), "Not A Name")
    compose.save_pose(found.pose)
    image, _ = compose.control_map("from-photo", found.framing)
    assert image.size == (192, 256)


def test_no_person_is_said_in_words(
    compose: ComposeService, settings: Settings, tmp_path: Path, standing: Pose
) -> None:
    model = rtmpose(tmp_path / "m.onnx", peaks(standing, Framing()), [0.05] * 17)
    install(settings, "rtmpose-m", model)
    with pytest.raises(InputError, match="No person was found"):
        compose.pose_from_photo(blank(), "mine")


def test_a_detector_finds_the_largest_of_several(
    compose: ComposeService, settings: Settings, tmp_path: Path, standing: Pose
) -> None:
    install(settings, "rtmpose-m", rtmpose(tmp_path / "m.onnx", peaks(standing, Framing()), [0.9] * 17))
    install(settings, "yolox-s", yolox(tmp_path / "y.onnx", [(32, 10, 10, 0.9), (16, 5, 5, 0.9)]))
    found = compose.pose_from_photo(blank(640, 640), "mine")
    assert found.people == 2
    assert found.notes == ("2 persons were found; the largest was read.",)
    # The larger person's box has its middle at 10.5 cells of 32 px, and the figure's lies on the crop's middle.
    assert found.framing.origin_x_px == pytest.approx(10.5 * 32, abs=2)


def test_a_detector_that_finds_nobody_decides(
    compose: ComposeService, settings: Settings, tmp_path: Path, standing: Pose
) -> None:
    install(settings, "rtmpose-m", rtmpose(tmp_path / "m.onnx", peaks(standing, Framing()), [0.9] * 17))
    install(settings, "yolox-s", yolox(tmp_path / "y.onnx", []))
    with pytest.raises(InputError, match="No person was found"):
        compose.pose_from_photo(blank(), "mine")


def test_a_file_that_was_changed_after_the_pull_is_refused(
    compose: ComposeService, settings: Settings, tmp_path: Path, standing: Pose
) -> None:
    folder = install(settings, "rtmpose-m", rtmpose(tmp_path / "m.onnx", peaks(standing, Framing()), [0.9] * 17))
    other = constant(tmp_path / "m.onnx", [1, 3, 256, 192], {"x": np.zeros(4, np.float32)}).read_bytes()
    size = (folder / "m.onnx").stat().st_size
    (folder / "m.onnx").write_bytes(other.ljust(size, b"\0"))
    with pytest.raises(GateError, match="not the file it should be"):
        compose.pose_from_photo(blank(), "mine")
