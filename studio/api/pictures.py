"""Routes that serve pictures and packages by content address or id, to people whom the guard has let in.

Content never changes under its address, so browsers may keep it for ever.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse

from studio.errors import NotFoundError, StudioError
from studio.studio import Studio

FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
SHOWN = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
"""What a browser may show in place; anything else in the store is only ever downloaded."""


def routes(studio: Studio) -> APIRouter:
    """`/thumbnails/{sha256}`, `/pictures/{sha256}`, `/samples/...` and `/packages/{listing_id}`."""
    router = APIRouter()

    @router.get("/thumbnails/{sha256}")
    def thumbnail(sha256: str, crop: str = "") -> FileResponse:
        box = tuple(int(part) for part in crop.split(",")) if crop else None
        path = studio.store.thumbnails.path(sha256, box if box is None or len(box) != 4 else (*box,))  # type: ignore[arg-type]
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
        folder = Path(studio.store.training_runs.get(run_id).folder) / "samples"
        found = next((path for path in folder.glob("*.png") if path.name == name), None)
        if found is None:
            raise NotFoundError(f"Run {run_id} has no sample {name!r}.", "Look at the run's samples again.")
        return FileResponse(found, media_type="image/png")

    @router.get("/brand-models/{model}/{name}")
    def brand_sample(model: str, name: str) -> FileResponse:
        folder = studio.presets.brand_model_folder(model) / "samples"
        found = next((path for path in folder.glob("*.png") if path.name == name), None)
        if found is None:
            raise NotFoundError(f"{model} has no sample {name!r}.", "Look at its card again.")
        return FileResponse(found, media_type="image/png")

    @router.get("/packages/{listing_id}")
    def package(listing_id: str) -> FileResponse:
        listing = studio.listing.get(listing_id)
        if not listing.package_path:
            raise NotFoundError(f"Listing {listing_id} has no package yet.", "Make one first.")
        path = Path(listing.package_path)
        return FileResponse(path, media_type="application/zip", filename=path.name)

    return router


def answer_errors(request: Request, error: Exception) -> JSONResponse:
    """Every StudioError of a route as RFC 9457 problem details."""
    assert isinstance(error, StudioError)
    status = {"not-found": 404, "conflict": 409, "rights": 403, "no-room": 507}.get(error.slug, 422)
    body = {"type": "about:blank", "title": error.message, "detail": error.next_step, "status": status}
    return JSONResponse(body, status, media_type="application/problem+json")
