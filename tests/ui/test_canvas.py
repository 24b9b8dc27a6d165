"""What the canvas asks of Python: poses read back, prompts, grids as jobs, previews beside the queue."""

from __future__ import annotations

from typing import Any

import pytest

from studio.studio import Studio
from studio.ui.components.canvas_desk import CanvasDesk


@pytest.fixture
def desk(studio: Studio) -> CanvasDesk:
    studio.warm.set()
    return CanvasDesk(studio)


@pytest.fixture
def start(desk: CanvasDesk) -> dict[str, Any]:
    started: dict[str, Any] = value(desk, "start")
    return started


def value(desk: CanvasDesk, action: str, message: dict[str, Any] | None = None) -> Any:
    answer = desk.answer(action, message or {}, "mika")
    assert "value" in answer, answer
    return answer["value"]


def pose_of(start: dict[str, Any], name: str = "standing-front") -> dict[str, Any]:
    found = next(pose for pose in start["poses"] if pose["name"] == name)
    return {field: item for field, item in found.items() if field != "own"}


def request_of(start: dict[str, Any], **changes: Any) -> dict[str, Any]:
    base = start["bases"][0]
    return {
        "base": base["name"], "prompt": "a woman in a red dress", "seed": 7, "num_inference_steps": 2,
        "guidance_scale": 2.0, "framing": base["framing"], "pose": pose_of(start), "look": start["looks"][0],
    } | changes  # fmt: skip


def test_the_start_tells_what_the_base_cannot_do_and_why(start: dict[str, Any]) -> None:
    capabilities = start["bases"][0]["capabilities"]
    assert not capabilities["reference_image"]["supported"]
    assert capabilities["reference_image"]["reason"]
    assert len(start["figure"]["joints"]) == 18


def test_a_commit_reads_the_pose_back_with_its_revision_prompt_and_joints_off_the_canvas(
    desk: CanvasDesk, start: dict[str, Any]
) -> None:
    pose = pose_of(start)
    pose["joints"] = [*pose["joints"]]
    pose["joints"][4] = {"x_mm": -5000, "y_mm": 900, "present": True}
    message = {"rev": 3, "pose": pose, "look": start["looks"][0], "framing": start["bases"][0]["framing"]}
    answer = value(desk, "commit", message)
    assert answer["rev"] == 3
    assert answer["pose"]["joints"][4]["x_mm"] == -5000
    assert "right wrist" in answer["off"]
    assert start["looks"][0]["garment"] in answer["prompt"]


def test_a_grid_with_a_joint_off_the_canvas_is_refused_in_plain_words(desk: CanvasDesk, start: dict[str, Any]) -> None:
    pose = pose_of(start)
    pose["joints"] = [{"x_mm": 9000, "y_mm": 10, "present": True}, *pose["joints"][1:]]
    message = {"request": request_of(start), "poses": [pose], "looks": start["looks"][:1], "seeds": 1}
    answer = desk.answer("grid", message, "mika")
    assert "nose" in answer["error"]
    assert "the picture" in answer["error"]


def test_an_empty_prompt_is_refused(desk: CanvasDesk, start: dict[str, Any]) -> None:
    assert "empty" in desk.answer("draw", {"request": request_of(start, prompt=" ")}, "mika")["error"]


def test_a_grid_is_a_job_whose_own_prompt_stays_with_its_look(
    desk: CanvasDesk, start: dict[str, Any], studio: Studio
) -> None:
    poses = [pose_of(start), pose_of(start, "walking-front")]
    message = {"request": request_of(start), "poses": poses, "looks": start["looks"][:2], "seeds": 2}
    answer = value(desk, "grid", message)
    asked = studio.jobs.get(answer["job_id"])
    assert (asked.kind, asked.owner) == ("generate", "mika")
    requests = answer["requests"]
    assert len(requests) == 8
    own = [request["prompt"] == "a woman in a red dress" for request in requests]
    assert own == [True, True, False, False] * 2
    assert [request["seed"] for request in requests] == [7, 8] * 4
    found = value(desk, "batch", {"job_id": answer["job_id"]})
    assert (found["status"], found["place"], found["cells"]) == ("waiting", 1, {})
    value(desk, "cancel", {"job_id": answer["job_id"]})
    assert value(desk, "batch", {"job_id": answer["job_id"]})["status"] == "cancelled"


def test_a_drawn_picture_fills_its_cell_and_stands_first_in_the_film(
    desk: CanvasDesk, start: dict[str, Any], studio: Studio
) -> None:
    job = value(desk, "draw", {"request": request_of(start, prompt="<img onerror=alert(1)>")})["job_id"]
    studio.lane.run_job(job)
    found = value(desk, "batch", {"job_id": job})
    film = value(desk, "film")
    assert found["cells"]["0"]["sha256"] == film[0]["sha256"]
    assert film[0]["request"]["prompt"] == "<img onerror=alert(1)>"
    assert value(desk, "time", {"base": "croquis"}) > 0


def test_a_preview_comes_as_a_picture_with_its_revision(desk: CanvasDesk, start: dict[str, Any]) -> None:
    message = {"page": "one", "rev": 2, "request": request_of(start)}
    for _ in range(20):
        answer = value(desk, "preview", message)
        if answer["state"] != "drawing":
            break
    assert (answer["rev"], answer["state"]) == (2, "ready")
    assert answer["picture"].startswith("data:image/jpeg;base64,")
    assert value(desk, "preview", message | {"rev": 1})["state"] == "superseded"


def test_a_saved_pose_stands_among_the_own_ones_and_is_not_overwritten_unasked(
    desk: CanvasDesk, start: dict[str, Any]
) -> None:
    message = {"pose": pose_of(start) | {"name": "lean-left"}}
    saved = value(desk, "save_pose", message)["poses"]
    assert [pose["name"] for pose in saved if pose["own"]] == ["lean-left"]
    assert "already saved" in desk.answer("save_pose", message, "mika")["error"]
    assert value(desk, "save_pose", message | {"overwrite": True})
