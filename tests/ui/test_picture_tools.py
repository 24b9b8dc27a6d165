"""What pieces ask for upscaling, cutting out and masks: jobs are submitted, refusals come back in words."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.records.base import new_id, now
from studio.records.generation import GenerationRequest, Variant
from studio.studio import Studio
from studio.ui.components.canvas_desk import CanvasDesk
from studio.ui.components.listing_desk import ListingDesk
from studio.ui.components.review_desk import ReviewDesk


@pytest.fixture
def variant(studio: Studio) -> Variant:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 24, 3), np.uint8)).save(buffer, "PNG")
    made = Variant(
        id=new_id("var"), batch_id="b", request=GenerationRequest(prompt="a dress", seed=1), seconds=1.0,
        image_sha256=studio.store.files.put_bytes(buffer.getvalue(), ".png"), created_at=now(),
    )  # fmt: skip
    studio.store.variants.put(made)
    return made


def mask(size: tuple[int, int], level: int = 255) -> str:
    buffer = io.BytesIO()
    Image.new("RGBA", size, (level, level, level, 255)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize("desk", [CanvasDesk, ReviewDesk, ListingDesk])
def test_every_piece_with_pictures_upscales_and_takes_it_back(
    studio: Studio, variant: Variant, desk: type[Any]
) -> None:
    piece = desk(studio)

    def value(action: str, message: dict[str, Any]) -> Any:
        answer = piece.answer(action, message, "mika")
        assert "value" in answer, answer
        return answer["value"]

    assert {"lanczos", "grabcut"} <= {method["name"] for method in value("tool_methods", {}) if method["ready"]}
    job = value("tool_upscale", {"id": variant.id, "factor": 2, "method": "lanczos"})
    assert value("tool_made", {"job_id": job}) is None
    assert studio.jobs.get(job).owner == "mika"
    assert studio.lane.run_job(job).status == "done"
    made = value("tool_made", {"job_id": job})
    assert (made["width"], made["height"]) == (48, 64)
    assert value("tool_remove", {"id": made["id"]})
    assert value("tool_made", {"job_id": job}) is None
    refused = piece.answer("tool_cut_out", {"id": variant.id, "ground": "white", "method": "scissors"}, "mika")
    assert "scissors" in refused["error"]
    assert refused["next_step"]


def test_a_mask_is_kept_grey_at_the_pictures_size(studio: Studio, variant: Variant) -> None:
    piece = CanvasDesk(studio)
    asked = {"picture_sha256": variant.image_sha256, "png": mask((24, 32))}
    sha256 = piece.answer("keep_mask", asked, "mika")["value"]
    with Image.open(studio.store.files.path(sha256)) as kept:
        assert (kept.mode, kept.size, kept.getextrema()) == ("L", (24, 32), (255, 255))


@pytest.mark.parametrize(
    ("png", "words"),
    [
        (mask((24, 31)), "The mask has 24x31 px, the picture 24x32."),
        (mask((24, 32), 0), "Nothing is marked"),
        (base64.b64encode(b"no picture").decode(), "no picture"),
        (base64.b64encode(b"\x89PNG\r\n\x1a\n cut off").decode(), "no picture"),
        ("%%%", "did not arrive whole"),
    ],
)
def test_a_mask_that_cannot_be_one_is_refused_in_words(studio: Studio, variant: Variant, png: str, words: str) -> None:
    asked = {"picture_sha256": variant.image_sha256, "png": png}
    assert words in CanvasDesk(studio).answer("keep_mask", asked, "mika")["error"]
