"""Faces by models whose answers are known, and by the real ones where they have been pulled."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.errors import CapabilityError, GateError, InputError, NotFoundError, RightsError, StudioError
from studio.measure.face_reader import face_finder, face_reader
from studio.measure.faces import SAME_PERSON_COSINE, SFACE, YUNET, FaceFinder, OpenCvFaces, identity_similarity
from studio.measure.insightface_pack import InsightFaces, check_licence
from studio.measure.pictures import RGB
from studio.models.installed import Installed
from studio.models.onnx_gate import check_onnx
from studio.presets import Presets
from studio.settings import Settings
from tests.onnx_models import constant, embedder, install, scrfd, yunet

NOISE = np.random.default_rng(3).integers(0, 256, (80, 60, 3), dtype=np.uint8).repeat(16, axis=0).repeat(16, axis=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A fresh home with the real presets: what can be pulled stands there."""
    presets = Path(__file__).resolve().parents[2] / "presets"
    return Settings(home=tmp_path / "home", presets=presets, brand_models=tmp_path / "brand_models", device="cpu")


@pytest.fixture
def opencv(tmp_path: Path) -> OpenCvFaces:
    """A detector that sees one face of 96 px around (448, 352) in a photo of 1280 px, and a random recogniser."""
    detector = check_onnx(yunet(tmp_path / "yunet.onnx", [(11, 14)]), allow=None)
    return OpenCvFaces(detector, check_onnx(embedder(tmp_path / "sface.onnx", 128, "data"), allow=None))


def installed(settings: Settings) -> Installed:
    return Installed(settings, Presets(settings.presets, settings.brand_models, settings.models_dir))


def test_faces_come_back_to_the_photo_s_pixels_the_largest_first(tmp_path: Path, opencv: OpenCvFaces) -> None:
    (face,) = opencv.faces(NOISE)
    # The photo is halved for the detector: 14 and 11 cells of 16 px are 448 and 352 px, three cells are 96.
    np.testing.assert_allclose(face.box_px, (448 - 48, 352 - 48, 96, 96), atol=0.01)
    np.testing.assert_allclose(face.row[4:6], (448 - 16, 352 - 16), atol=0.01)
    assert face.score == pytest.approx(0.95, abs=0.01)
    two = FaceFinder(check_onnx(yunet(tmp_path / "two.onnx", [(5, 5), (20, 20)]), allow=None))
    assert len(two.faces(NOISE[:400, :300])) == 2
    none = FaceFinder(check_onnx(yunet(tmp_path / "none.onnx", []), allow=None))
    assert none.faces(NOISE) == []


def test_similarity_is_opencv_s_own_cosine(tmp_path: Path, opencv: OpenCvFaces) -> None:
    other = 255 - NOISE
    stock = cv2.FaceRecognizerSF.create(str(tmp_path / "sface.onnx"), "")
    vectors = [
        stock.feature(stock.alignCrop(np.ascontiguousarray(rgb[:, :, ::-1]), opencv.faces(rgb)[0].row)).copy()
        for rgb in (NOISE, other)
    ]
    expected = stock.match(vectors[0], vectors[1], cv2.FaceRecognizerSF_FR_COSINE)
    assert identity_similarity(opencv, NOISE, other) == pytest.approx(expected, abs=1e-5)
    assert identity_similarity(opencv, NOISE, NOISE) == pytest.approx(1.0, abs=1e-6)
    assert expected < 0.999
    assert np.linalg.norm(opencv.identity(NOISE)) == pytest.approx(1.0, abs=1e-6)


def test_without_a_face_there_is_nothing_to_compare(tmp_path: Path) -> None:
    nobody = check_onnx(yunet(tmp_path / "none.onnx", []), allow=None)
    reader = OpenCvFaces(nobody, check_onnx(embedder(tmp_path / "sface.onnx", 128, "data"), allow=None))
    with pytest.raises(InputError, match="no face"):
        identity_similarity(reader, NOISE, NOISE)


def test_what_opencv_cannot_use_is_refused_in_words(tmp_path: Path) -> None:
    strange = check_onnx(constant(tmp_path / "strange.onnx", [1, 2], {"x": np.zeros(3, np.float32)}), allow=None)
    with pytest.raises(GateError, match=r"strange\.onnx as a face model"):
        FaceFinder(strange).faces(NOISE)
    gone = check_onnx(yunet(tmp_path / "gone.onnx", []), allow=None)
    gone.path.write_bytes(b"cut")
    with pytest.raises(GateError, match=r"gone\.onnx as a face model"):
        FaceFinder(gone)


def test_the_readers_are_found_where_a_pull_puts_them(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(CapabilityError, match="models pull face-yunet"):
        face_finder(settings, installed(settings))
    folder = install(settings, YUNET, yunet(tmp_path / "yunet.onnx", [(11, 14)]))
    assert len(face_finder(settings, installed(settings)).faces(NOISE)) == 1
    with pytest.raises(CapabilityError, match="models pull face-sface"):
        face_reader(settings, installed(settings))
    install(settings, SFACE, embedder(tmp_path / "sface.onnx", 128, "data"))
    assert face_reader(settings, installed(settings)).same_person == SAME_PERSON_COSINE
    changed = bytearray((folder / "yunet.onnx").read_bytes())
    changed[-1] ^= 1
    (folder / "yunet.onnx").write_bytes(bytes(changed))
    with pytest.raises(GateError, match="not the file it should be"):
        face_finder(settings, installed(settings))


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack of insightface with a face at (448, 352) of a photo of 1280 px, without a licence of its own."""
    folder = tmp_path / "own_pack"
    folder.mkdir()
    scrfd(folder / "det.onnx", 11, 14)
    embedder(folder / "rec.onnx", 512, "input.1")
    return folder


def test_a_pack_without_a_commercial_licence_is_refused(pack: Path, settings: Settings) -> None:
    with pytest.raises(RightsError, match="does not permit commercial use") as caught:
        InsightFaces(pack, research_accepted=False)
    assert "YuNet and SFace" in caught.value.next_step
    assert "STUDIO_INSIGHTFACE_RESEARCH_USE" in caught.value.next_step
    (pack / "MODEL.LICENSE").write_text('{"grant": "commercial"}')
    with pytest.raises(RightsError):
        check_licence(pack, research_accepted=False)
    chosen = settings.model_copy(update={"insightface_pack": pack})
    with pytest.raises(RightsError):
        face_finder(chosen, installed(settings))
    with pytest.raises(NotFoundError, match="STUDIO_INSIGHTFACE_PACK"):
        InsightFaces(pack / "none", research_accepted=True)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_pack_for_research_reads_faces(pack: Path, settings: Settings) -> None:
    chosen = settings.model_copy(update={"insightface_pack": pack, "insightface_research_use": True})
    reader = face_reader(chosen, installed(settings))
    (face,) = reader.faces(NOISE)
    np.testing.assert_allclose(face.box_px, (448 - 64, 352 - 64, 128, 128), atol=1)
    assert identity_similarity(reader, NOISE, NOISE) == pytest.approx(1.0, abs=1e-6)
    assert identity_similarity(reader, NOISE, NOISE[::-1].copy()) < 0.999


def test_pickles_and_half_packs_are_refused(pack: Path) -> None:
    (pack / "old.pth").write_bytes(pickle.dumps({}))
    with pytest.raises(GateError, match=r"old\.pth is a pickle"):
        InsightFaces(pack, research_accepted=True)
    (pack / "old.pth").unlink()
    (pack / "rec.onnx").unlink()
    with pytest.raises(GateError, match="cannot use the pack"):
        InsightFaces(pack, research_accepted=True)


@pytest.mark.network
def test_the_real_models_know_a_real_face() -> None:
    """Needs what `python app.py models pull face-yunet` and `face-sface` fetch; runs once they are in STUDIO_HOME."""
    from skimage.data import astronaut

    real = Settings()
    try:
        reader = face_reader(real, installed(real))
    except StudioError as missing:
        pytest.skip(str(missing))
    portrait: RGB = astronaut()
    assert len(reader.faces(portrait)) == 1
    smaller = cv2.resize(portrait, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    assert identity_similarity(reader, portrait, smaller) > reader.same_person
