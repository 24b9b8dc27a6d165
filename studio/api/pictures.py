"""Routes that serve pictures and packages by content address or id, to people whom the guard has let in.

Content never changes under its address, so browsers may keep it for ever.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.background import BackgroundTask

from studio.errors import InputError, NotFoundError, StudioError
from studio.studio import Studio

FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
SHOWN = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
"""What a browser may show in place; anything else in the store is only ever downloaded."""
_CROP = re.compile(r"([0-9]{1,6}),([0-9]{1,6}),([0-9]{1,6}),([0-9]{1,6})")


def routes(studio: Studio) -> APIRouter:
    """Thumbnails, pictures, samples, packages, and exports of datasets."""
    router = APIRouter()

    @router.get("/thumbnails/{sha256}")
    def thumbnail(sha256: str, crop: str = "") -> FileResponse:
        path = studio.store.thumbnails.path(sha256, _box(crop) if crop else None)
        return FileResponse(path, media_type="image/webp", headers=FOREVER)

    @router.get("/pictures/{sha256}")
    def picture(sha256: str) -> FileResponse:
        path = studio.store.files.path(sha256)
        kind = SHOWN.get(path.suffix)
        disposition = "inline" if kind else "attachment"
        return FileResponse(
            path, media_type=kind or "application/octet-stream", headers=FOREVER,
            filename=path.name, content_disposition_type=disposition,
        )  # fmt: skip

    @router.get("/samples/{run_id}/{name}")
    def sample(run_id: str, name: str) -> FileResponse:
        # The name is compared with those there are and never taken as a path.
        folder = studio.settings.runs_dir / studio.store.training_runs.get(run_id).id / "samples"
        found = next((path for path in folder.glob("*.png") if path.name == name), None)
        if found is None:
            raise NotFoundError(f"Run {run_id} has no sample {name!r}.", "Look at the run's samples again.")
        return FileResponse(found, media_type="image/png")

    @router.get("/packages/{listing_id}")
    def package(listing_id: str) -> FileResponse:
        listing = studio.listing.get(listing_id)
        if not listing.package_path:
            raise NotFoundError(f"Listing {listing_id} has no package yet.", "Make one first.")
        path = studio.settings.packages_dir / Path(listing.package_path).name  # a home may have moved
        if not path.is_file():
            raise NotFoundError(f"The package of listing {listing_id} is not on the disk any more.", "Make it again.")
        return FileResponse(path, media_type="application/zip", filename=path.name)

    @router.get("/exports/{dataset_id}")
    def export(dataset_id: str, class_word: str = "person", repeats: int = 10) -> FileResponse:
        """A dataset in the common trainers' layout; the zip is made for this answer and removed after it."""
        folder = Path(tempfile.mkdtemp(prefix="sasage-export-"))
        try:
            path = studio.label.export_zip(dataset_id, folder, class_word=class_word, repeats=repeats)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        remove = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
        return FileResponse(path, media_type="application/zip", filename=path.name, background=remove)

    return router


def _box(crop: str) -> tuple[int, int, int, int]:
    """`left,top,right,bottom` in pixels. Raises InputError."""
    found = _CROP.fullmatch(crop)
    if found is None:
        raise InputError(f"{crop[:40]!r} is no crop.", "Write it as left,top,right,bottom in pixels.")
    left, top, right, bottom = (int(part) for part in found.groups())
    return left, top, right, bottom


def answer_errors(request: Request, error: Exception) -> JSONResponse:
    """Every StudioError of a route as RFC 9457 problem details."""
    assert isinstance(error, StudioError)
    status = {"not-found": 404, "conflict": 409, "rights": 403, "no-room": 507}.get(error.slug, 422)
    body = {"type": "about:blank", "title": error.message, "detail": error.next_step, "status": status}
    return JSONResponse(body, status, media_type="application/problem+json")
