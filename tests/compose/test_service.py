"""Poses are found, kept and read back; control maps are drawn into the file store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from studio.compose import ComposeService, draw_openpose
from studio.compose.skeleton import move_joint
from studio.errors import ConflictError, FaultsError, InputError, NotFoundError
from studio.presets import Presets
from studio.records.pose import Framing, Pose
from studio.settings import Settings
from studio.store import Store


@pytest.fixture
def compose(tmp_path: Path, standing: Pose) -> Iterator[ComposeService]:
    poses = tmp_path / "presets" / "poses"
    poses.mkdir(parents=True)
    preset = standing.model_copy(update={"name": "preset-pose"})
    (poses / "preset-pose.yaml").write_text(yaml.safe_dump(preset.model_dump(mode="json")))
    settings = Settings(home=tmp_path / "home", presets=tmp_path / "presets", brand_models=tmp_path / "brand_models")
    with Store.open(settings) as store:
        yield ComposeService(store, Presets(settings.presets, settings.brand_models))


def test_a_saved_pose_comes_back_beside_the_presets(compose: ComposeService, standing: Pose) -> None:
    path = compose.save_pose(standing)
    assert compose.poses().keys() == {"preset-pose", standing.name}
    assert compose.pose(standing.name) == standing == compose.load_pose(path)


def test_names_are_not_taken_twice_by_accident(compose: ComposeService, standing: Pose) -> None:
    compose.save_pose(standing)
    moved = move_joint(standing, "left_wrist", 300.0, 900.0)
    with pytest.raises(ConflictError, match="already saved"):
        compose.save_pose(moved)
    compose.save_pose(moved, overwrite=True)
    assert compose.pose(standing.name) == moved
    with pytest.raises(ConflictError, match="preset"):
        compose.save_pose(standing.model_copy(update={"name": "preset-pose"}), overwrite=True)


def test_broken_pose_files_are_explained(compose: ComposeService, tmp_path: Path, standing: Pose) -> None:
    data = standing.model_dump(mode="json") | {"joints": [{"x_mm": "left", "y_mm": 1}], "view": "above"}
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(FaultsError) as caught:
        compose.load_pose(tmp_path / "broken.yaml")
    assert len(caught.value.faults) >= 2
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(InputError, match=r"list\.yaml"):
        compose.load_pose(tmp_path / "list.yaml")
    with pytest.raises(InputError, match="no file"):
        compose.load_pose(tmp_path / "none.yaml")
    with pytest.raises(NotFoundError, match="preset-pose"):
        compose.pose("none")


def test_control_map_lies_in_the_file_store(compose: ComposeService, standing: Pose, tmp_path: Path) -> None:
    image, record = compose.control_map("preset-pose", Framing())
    assert image.size == (192, 256)
    stored = tmp_path / "home" / "files"
    kept = next(path for path in stored.rglob("*") if path.is_file() and record.image_sha256 in path.name)
    with Image.open(kept) as read_back:
        np.testing.assert_array_equal(np.asarray(read_back), draw_openpose(standing, Framing()))


def test_a_pose_that_does_not_fit_is_not_drawn(compose: ComposeService, standing: Pose) -> None:
    with pytest.raises(FaultsError, match="left wrist"):
        compose.control_map(move_joint(standing, "left_wrist", 900.0, 900.0), Framing())
