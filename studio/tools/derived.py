"""Pictures that a tool made of others: kept as variants of their own beside their source, and taken away again."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import AbstractContextManager
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from studio.errors import ConflictError
from studio.jobs import JobContext
from studio.records.base import new_id, now
from studio.records.generation import Variant
from studio.records.tool import ToolUse
from studio.store import Store

KEYWORD = "sasage-tools"
"""The text chunk of a PNG in which a derived picture says what was done to it."""


def opened(store: Store, sha256: str) -> Image.Image:
    """A stored picture, decoded, as RGB or, with transparent parts, RGBA; its text chunks in `info`."""
    with Image.open(store.files.path(sha256)) as image:
        image.load()
        info = dict(image.info)
        plain = image.convert("RGBA" if image.has_transparency_data else "RGB")
    plain.info = info
    return plain


def keep(
    store: Store, source: Variant, image: Image.Image, use: ToolUse, seconds: float, context: JobContext | None
) -> Variant:
    """Store what a tool made: the file first, then the row, so that a row always has its file.

    With a job's context the id follows from the job, so that a job that is started again keeps one picture.
    """
    made_by = (*source.made_by, use)
    sha256 = store.files.put_bytes(to_png(image, opened(store, source.image_sha256).info, made_by), ".png")
    variant = Variant(
        id=new_id("var") if context is None else derived_id(context.job.id), batch_id=source.batch_id,
        request=source.request, image_sha256=sha256, seconds=seconds, created_at=now(), sku=source.sku,
        derived_from=source.id, made_by=made_by,
    )  # fmt: skip
    writing: AbstractContextManager[Any] = (context or store).transaction()
    with writing:
        store.variants.put(variant)
    store.thumbnails.prepare(sha256)
    return variant


def derived_id(job_id: str) -> str:
    """The id of what a job made, however often it was begun."""
    return f"var_{hashlib.sha256(f'{job_id}/derived'.encode()).hexdigest()[:16]}"


def to_png(image: Image.Image, info: dict[Any, Any], made_by: tuple[ToolUse, ...]) -> bytes:
    """The PNG: the source's own settings go along as they stand in it, and what was done is added."""
    texts = PngInfo()
    for name, text in info.items():
        if isinstance(name, str) and isinstance(text, str) and name != KEYWORD:
            texts.add_itxt(name, text)
    uses = [use.model_dump(mode="json") for use in made_by]
    texts.add_itxt(KEYWORD, json.dumps(uses, ensure_ascii=False, sort_keys=True))
    return png_bytes(image, texts)


def png_bytes(image: Image.Image, texts: PngInfo | None = None) -> bytes:
    """A picture as the bytes of a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


def remove(store: Store, variant_id: str) -> Variant:
    """Take a derived picture away; what it was made of stays. Measurements of it go along.

    Raises:
        NotFoundError: no such variant.
        ConflictError: it was generated, somebody has decided about it, or another picture was made of it.
    """
    variant = store.variants.get(variant_id)
    if not variant.derived_from:
        raise ConflictError(f"{variant_id} was generated, not made by a tool.", "Reject it in review instead.")
    if store.decisions.find(variant_id=variant_id):
        raise ConflictError(f"Somebody has decided about {variant_id}.", "Reject it in review instead.")
    if any(other.derived_from == variant_id for other in store.variants.find(batch_id=variant.batch_id)):
        raise ConflictError(f"Another picture was made of {variant_id}.", "Remove that one first.")
    with store.transaction():
        for measurement in store.measurements.find(variant_id=variant_id):
            store.measurements.delete(measurement.id)
        store.variants.delete(variant_id)
    return variant
