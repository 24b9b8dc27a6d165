"""Edge maps lie where the picture's edges lie, and are those of controlnet_aux."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.measure.annotators import MapAnnotator
from studio.measure.annotators.edges import Canny, LineArt
from studio.measure.pictures import RGB
from tests.measure.painting import paint


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The installed controlnet_aux without its own `__init__`, which imports every detector and takes 17 s."""
    spec = importlib.util.find_spec("controlnet_aux")
    assert spec is not None
    assert spec.submodule_search_locations
    package = types.ModuleType("reference_aux")
    package.__path__ = [str(Path(spec.submodule_search_locations[0]))]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return package


def drawn(width: int, height: int) -> RGB:
    """A black circle and a black square on white; the circle has a radius of 50, the square a side of 60."""
    rgb = np.full((height, width, 3), 255, np.uint8)
    cv2.circle(rgb, (width // 2, 70), 50, (0, 0, 0), -1)
    cv2.rectangle(rgb, (width // 2 - 30, 150), (width // 2 + 30, 210), (0, 0, 0), -1)
    return rgb


@pytest.mark.parametrize("annotator", [Canny(), LineArt()])
@pytest.mark.parametrize(("width", "height"), [(192, 256), (301, 229), (233, 640)])
def test_edges_lie_within_a_pixel_of_the_picture_s_own(annotator: MapAnnotator, width: int, height: int) -> None:
    found = annotator.annotate(drawn(width, height))
    assert found.shape == (height, width, 3)
    assert found.dtype == np.uint8
    strong = found[:, :, 0] > 100
    for top, bottom, half in ((0, 140, 50), (140, height, 30)):
        rows, columns = np.nonzero(strong[top:bottom])
        middle = 70 if half == 50 else 180
        assert columns.min() == pytest.approx(width // 2 - half, abs=1)
        assert columns.max() == pytest.approx(width // 2 + half, abs=1)
        assert rows.min() + top == pytest.approx(middle - half, abs=1)
        assert rows.max() + top == pytest.approx(middle + half, abs=1)


def test_equal_to_controlnet_aux_where_it_does_not_resize(theirs: types.ModuleType) -> None:
    rgb = paint(size=(512, 704), background="busy").rgb
    canny = importlib.import_module("reference_aux.canny").CannyDetector()
    np.testing.assert_array_equal(Canny().annotate(rgb), canny(rgb, output_type="np"))
    lines = importlib.import_module("reference_aux.lineart_standard").LineartStandardDetector()
    difference = np.abs(LineArt().annotate(rgb).astype(int) - lines(rgb, output_type="np").astype(int))
    assert difference.max() <= 1
    assert Canny().annotate(rgb).any()
    assert LineArt().annotate(rgb).any()


@pytest.mark.parametrize("annotator", [Canny(), LineArt()])
def test_a_picture_without_edges_stays_black(annotator: MapAnnotator) -> None:
    assert not annotator.annotate(np.full((40, 30, 3), 120, np.uint8)).any()
