"""ToolService: upscaling and cutting out, for pictures of the store and for files. Nothing happens unasked, and
everything that was done stands in the picture's record.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image
from pydantic import ValidationError

from studio.errors import FaultsError, InputError
from studio.jobs import JobContext
from studio.measure.pictures import Mask, open_picture
from studio.models.installed import Installed
from studio.presets import Presets
from studio.records.base import field_faults
from studio.records.generation import Variant
from studio.records.tool import CutOutHints, Ground, ToolMethod, ToolName, ToolUse
from studio.settings import Settings
from studio.store import Store
from studio.tools.birefnet import birefnet_matte
from studio.tools.cutout import on_ground
from studio.tools.derived import derived_id, keep, opened, png_bytes, remove
from studio.tools.enlarge import OnStep, enlarge, target_size
from studio.tools.figure import FigureFinder
from studio.tools.matte import Matte, grab_cut
from studio.tools.methods import Methods, Weights

NO_HINTS = CutOutHints()
MARKED = 128
"""The least level at which a mask counts as marking anything."""


class ToolService:
    """The two tools.

    Args:
        device: names the torch device to compute on; asked when a model is loaded.
    """

    def __init__(
        self, store: Store, settings: Settings, presets: Presets, installed: Installed, device: Callable[[], str]
    ) -> None:
        self._store, self._settings = store, settings
        self._methods = Methods(presets, installed, device)
        self._figure = FigureFinder(settings.presets / "judge")

    def methods(self) -> list[ToolMethod]:
        """Every way to upscale and to cut out, with whether it can be used now. Raises FaultsError."""
        return self._methods.all()

    def upscale(
        self, variant_id: str, factor: float, method: str = "lanczos", context: JobContext | None = None
    ) -> Variant:
        """A larger picture of a variant, as a new variant that nobody has decided about yet.

        Raises:
            NotFoundError: no such variant or method.
            CapabilityError, GateError: the method's model is not here, or not what it should be.
            InputError: a factor that makes nothing larger, or a result that is too large.
            ResourceError: no room on the disk or the device.
            Cancelled: between two parts, when asked.
        """
        begun = time.perf_counter()
        source = self._store.variants.get(variant_id)
        image = opened(self._store, source.image_sha256)
        larger, weights = self._larger(image, factor, method, _telling(context))
        settings = {"factor": f"{factor:g}", "size": f"{larger.width}x{larger.height}"}
        use = _use("upscale", method, weights, source, settings)
        return keep(self._store, source, larger, use, time.perf_counter() - begun, context)

    def cut_out(
        self, variant_id: str, ground: Ground = "white", method: str = "grabcut", hints: CutOutHints = NO_HINTS,
        context: JobContext | None = None,
    ) -> Variant:  # fmt: skip
        """A variant's figure on pure white or on nothing, as a new variant that nobody has decided about yet.

        Raises:
            NotFoundError: no such variant, method or mask.
            CapabilityError, GateError: the method's model is not here, or not what it should be.
            InputError: no figure is found, or a mask of another size.
            ResourceError: no room on the disk.
        """
        begun = time.perf_counter()
        source = self._store.variants.get(variant_id)
        on_step = _telling(context)
        on_step(0, 1)
        cut, weights = self._cut(opened(self._store, source.image_sha256), ground, method, hints)
        on_step(1, 1)
        settings = {"ground": ground} | ({"hints": "by hand"} if hints.given else {})
        use = _use("cut-out", method, weights, source, settings)
        return keep(self._store, source, cut, use, time.perf_counter() - begun, context)

    def upscale_file(
        self, path: Path, factor: float, method: str = "lanczos", on_step: OnStep | None = None
    ) -> Image.Image:
        """A larger picture of a file; nothing is stored. Raises as `upscale`, and InputError for what is no picture."""
        return self._larger(self._read(path), factor, method, on_step)[0]

    def cut_out_file(
        self, path: Path, ground: Ground = "white", method: str = "grabcut", hints: CutOutHints = NO_HINTS
    ) -> Image.Image:
        """The figure of a file; nothing is stored. Raises as `cut_out`, and InputError for what is no picture."""
        return self._cut(self._read(path), ground, method, hints)[0]

    def remove(self, variant_id: str) -> Variant:
        """Take away what a tool made. Raises NotFoundError, ConflictError (see `derived.remove`)."""
        return remove(self._store, variant_id)

    def keep_mask(self, picture_sha256: str, data: bytes) -> str:
        """Store a mask that was drawn over a stored picture, grey: white is what it is about. Returns its sha256.

        Raises:
            NotFoundError: no such picture.
            InputError: no PNG, not as large as the picture, or nothing is marked.
            ResourceError: no room on the disk.
        """
        if len(data) > self._settings.max_upload_bytes:
            raise InputError("The mask is too large a file.", "Draw it on this picture.")
        with Image.open(self._store.files.path(picture_sha256)) as picture:
            size = picture.size
        try:
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                _same_size(image.size, size)  # before a pixel is decoded
                grey = image.convert("L")
        except (OSError, SyntaxError) as error:
            raise InputError("The mask is no picture.", "Draw it on this picture, or give a PNG.") from error
        if not (np.asarray(grey) >= MARKED).any():
            raise InputError("Nothing is marked in the mask.", "Paint over the part first.")
        return self._store.files.put_bytes(png_bytes(grey), ".png")

    def made(self, job_id: str) -> Variant | None:
        """The picture that a job of this service made; None while there is none."""
        found = self._store.variants.find(key=derived_id(job_id))
        return found[0] if found else None

    def upscale_payload(self, variant_id: str, factor: float, method: str = "lanczos") -> dict[str, Any]:
        """The payload of a job of kind `upscale`, checked, so that a bad request is refused before it waits. Raises as
        `upscale`.
        """
        with Image.open(self._store.files.path(self._store.variants.get(variant_id).image_sha256)) as image:
            target_size(*image.size, factor, self._settings.max_image_pixels)
        self._methods.check("upscale", method)
        return {"variant_id": variant_id, "factor": factor, "method": method}

    def cut_out_payload(
        self, variant_id: str, ground: str = "white", method: str = "grabcut", hints: Any = None
    ) -> dict[str, Any]:
        """The payload of a job of kind `cut-out`, checked.

        Args:
            hints: what CutOutHints holds, as JSON.

        Raises:
            NotFoundError, CapabilityError, InputError: as `cut_out`.
            FaultsError: hints that are none.
        """
        variant, said = self._store.variants.get(variant_id), _hints(hints)
        if said.mask_sha256 is not None:
            self._mask(said.mask_sha256, opened(self._store, variant.image_sha256).size)
        self._methods.check("cut-out", method)
        return {
            "variant_id": variant_id, "ground": _ground(ground), "method": method,
            "hints": said.model_dump(mode="json"),
        }  # fmt: skip

    def handle_upscale(self, context: JobContext) -> dict[str, Any]:
        """Job handler of kind `upscale`: what `upscale_payload` gives -> `{"variant_id"}` of the new picture."""
        asked = context.payload
        made = self.upscale(str(asked["variant_id"]), float(asked["factor"]), str(asked["method"]), context)
        return {"variant_id": made.id}

    def handle_cut_out(self, context: JobContext) -> dict[str, Any]:
        """Job handler of kind `cut-out`: what `cut_out_payload` gives -> `{"variant_id"}` of the new picture."""
        asked = context.payload
        ground, hints = _ground(asked["ground"]), _hints(asked["hints"])
        return {"variant_id": self.cut_out(str(asked["variant_id"]), ground, str(asked["method"]), hints, context).id}

    def _larger(
        self, image: Image.Image, factor: float, method: str, on_step: OnStep | None
    ) -> tuple[Image.Image, Weights]:
        size = target_size(*image.size, factor, self._settings.max_image_pixels)
        enlarger, weights = self._methods.enlarger(method)
        return enlarge(image, size, enlarger, on_step), weights

    def _cut(self, image: Image.Image, ground: Ground, method: str, hints: CutOutHints) -> tuple[Image.Image, Weights]:
        if image.mode == "RGBA":  # cut out once already: its ground is white now
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        rgb = np.asarray(image)
        mask = None if hints.mask_sha256 is None else self._mask(hints.mask_sha256, image.size)
        model, weights = self._methods.matting(method)
        if model is not None:
            if hints.given:
                raise InputError(f"{method} takes no marks by hand.", "Use grabcut with them, or leave them out.")
            matte: Matte = birefnet_matte(model, rgb)
        else:
            found = None if mask is not None or hints.rectangle is not None else self._figure(rgb)
            matte = grab_cut(rgb, found, hints, mask)
        return on_ground(rgb, matte, ground), weights

    def _mask(self, sha256: str, size: tuple[int, int]) -> Mask:
        """A mask of the store. Raises NotFoundError; InputError: no picture, or not as large as the picture."""
        try:
            with Image.open(self._store.files.path(sha256)) as image:
                mask = np.asarray(image.convert("L")) > 127
        except OSError as error:
            raise InputError("The mask is no picture.", "Draw it on this picture, or give a PNG.") from error
        _same_size((mask.shape[1], mask.shape[0]), size)
        return mask

    def _read(self, path: Path) -> Image.Image:
        return open_picture(path, max_pixels=self._settings.max_image_pixels).image


def _use(tool: ToolName, method: str, weights: Weights, source: Variant, settings: dict[str, str]) -> ToolUse:
    return ToolUse(
        tool=tool, method=method, weights_sha256=weights.sha256, licence=weights.licence,
        commercial_use=weights.commercial_use, source_sha256=source.image_sha256, settings=settings,
    )  # fmt: skip


def _telling(context: JobContext | None) -> OnStep:
    """Tells a job how far it is, and stops it where a person asked for that."""

    def tell(done: int, total: int) -> None:
        if context is not None:
            context.progress(done, total)
            if done < total:
                context.check()

    return tell


def _same_size(mask: tuple[int, int], picture: tuple[int, int]) -> None:
    """Raises InputError where a mask does not fit its picture."""
    if mask != picture:
        raise InputError(
            f"The mask has {mask[0]}x{mask[1]} px, the picture {picture[0]}x{picture[1]}.",
            "Draw the mask on this picture.",
        )


def _ground(name: Any) -> Ground:
    for known in get_args(Ground):
        if known == name:
            return known  # type: ignore[no-any-return]
    raise InputError(f"{name!r} is no ground.", f"Use {' or '.join(get_args(Ground))}.")


def _hints(values: Any) -> CutOutHints:
    try:
        return CutOutHints.model_validate(values or {})
    except ValidationError as error:
        raise FaultsError("The marks", field_faults(error, "marks")) from error
