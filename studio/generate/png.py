"""A picture with its full settings inside, and the way back from the file to the request.

Two text chunks: `sasage-studio` (iTXt) holds the request as JSON, for machines; `parameters` holds the same in the
words that other tools show to people. Reading walks the chunks with our own code and decodes no pixel.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError

from studio.errors import FaultsError, InputError, NotFoundError
from studio.records.base import field_faults
from studio.records.generation import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

KEYWORD = "sasage-studio"
VERSION = 1
MAX_FILE_BYTES = 64 * 2**20
MAX_SETTINGS_BYTES = 2**20
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def to_png(image: Image, request: GenerationRequest, made_with: Mapping[str, object] | None = None) -> bytes:
    """The PNG file. The same picture, request and `made_with` give the same bytes.

    Args:
        made_with: what else decided the picture and is no setting: digests of weights, scheduler, dtype.
    """
    from PIL.PngImagePlugin import PngInfo

    settings = {"version": VERSION, "request": request.model_dump(mode="json"), "made_with": dict(made_with or {})}
    info = PngInfo()
    info.add_itxt(KEYWORD, json.dumps(settings, ensure_ascii=False, sort_keys=True))
    info.add_itxt("parameters", parameters_text(request))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def parameters_text(request: GenerationRequest) -> str:
    """The settings for people: prompt, negative prompt, then one line of `Name: value` pairs."""
    framing = request.framing
    pairs: list[tuple[str, object]] = [
        ("Steps", request.num_inference_steps),
        ("CFG scale", request.guidance_scale),
        ("Seed", request.seed),
        ("Size", f"{framing.width_px}x{framing.height_px}"),
        ("Model", request.base),
    ]
    if request.pose is not None:
        span = f"{request.control_guidance_start:g}-{request.control_guidance_end:g}"
        control = f"openpose {request.controlnet_conditioning_scale:g} ({span})"
        pairs += [("Pose", request.pose.name), ("ControlNet", control)]
    for map_ in request.controls:
        span = f"{map_.control_guidance_start:g}-{map_.control_guidance_end:g}"
        pairs.append(("ControlNet", f"{map_.kind} {map_.controlnet_conditioning_scale:g} ({span})"))
    if request.reference is not None:
        pairs.append(("IP-Adapter", f"{request.reference.ip_adapter_scale:g}"))
    pairs += [("LoRA", f"{adapter.brand_model} {adapter.adapter_weight:g}") for adapter in request.adapters]
    lines = [request.prompt, *([f"Negative prompt: {request.negative_prompt}"] if request.negative_prompt else [])]
    return "\n".join([*lines, ", ".join(f"{name}: {value}" for name, value in pairs)])


def restore(path: Path) -> GenerationRequest:
    """The request that a picture was made from.

    Raises:
        NotFoundError: there is no such file.
        InputError: no PNG, not made here, or its settings are damaged.
        FaultsError: its settings are whole but hold values that a request does not take.
    """
    if not path.is_file():
        raise NotFoundError(f"There is no picture {path}.", "Check the path.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{path.name} has more than {MAX_FILE_BYTES // 2**20} MB.", "Give one that was made here.")
    texts = list(_texts(path.read_bytes(), path.name))
    ours = [text for keyword, text in texts if keyword == KEYWORD.encode()]
    if not ours:
        others = any(keyword in (b"parameters", b"prompt", b"workflow") for keyword, _ in texts)
        what = "carries settings of another program" if others else "carries no settings"
        _refuse(path.name, what, "Use the picture as the studio saved it: messengers and editors strip the settings.")
    if len(ours) > 1:
        _refuse(path.name, "carries settings twice", "Use the picture as the studio saved it.")
    return _request(_json(ours[0], path.name), path.name)


def _texts(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """(keyword, what follows it) of every text chunk."""
    if not data.startswith(SIGNATURE):
        _refuse(name, "is no PNG file", "Settings are kept in PNG files only.")
    at = len(SIGNATURE)
    while at < len(data):
        if at + 12 > len(data):
            _refuse(name, "is cut off", "Copy the file again.")
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            _refuse(name, "is cut off", "Copy the file again.")
        body = data[at + 8 : at + 8 + length]
        if zlib.crc32(kind + body) != struct.unpack_from(">I", data, at + 8 + length)[0]:
            _refuse(name, "is damaged", "Copy the file again.")
        if kind in (b"iTXt", b"tEXt", b"zTXt"):
            keyword, _, rest = body.partition(b"\0")
            yield keyword, rest if kind == b"iTXt" else b""
        at += 12 + length


def _json(chunk: bytes, name: str) -> dict[str, Any]:
    """The JSON in an iTXt chunk: compression flag and method, language NUL, translated keyword NUL, text."""
    fields = chunk[2:].split(b"\0", 2)
    if len(chunk) > MAX_SETTINGS_BYTES or chunk[:1] != b"\0" or len(fields) != 3:
        _refuse(name, "carries settings in a form that the studio does not write", "Use the picture as it was saved.")
    try:
        values = json.loads(fields[2].decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse(name, "carries damaged settings", "Copy the file again.")
    if not isinstance(values, dict) or not isinstance(values.get("request"), dict):
        _refuse(name, "carries damaged settings", "Copy the file again.")
    if values.get("version") != VERSION:
        _refuse(name, f"was saved by another version ({values.get('version')!r:.20})", "Update the studio.")
    return values


def _request(values: dict[str, Any], name: str) -> GenerationRequest:
    try:
        return GenerationRequest.model_validate(values["request"])
    except ValidationError as error:
        faults = field_faults(error, "request")
        raise FaultsError(f"The settings in {name}", faults, "Use the picture as the studio saved it.") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _refuse(name: str, what: str, next_step: str) -> NoReturn:
    raise InputError(f"{name} {what}.", next_step)
