"""`generate`: variants of looks in poses, and the pictures of a batch on disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from studio.cli.command import Context, Json, call_of, group, submit_and_finish
from studio.cli.output import Output, table
from studio.errors import InputError, NotFoundError
from studio.records.generation import AdapterWeight, ControlKind, ControlPicture, GenerationRequest, Reference
from studio.studio import Studio

app = group("generate", "Draw variants: every pose with every look with every seed.")

MAX_SCALE = 2.0
"""Of a map or a reference, as the records take it."""
Out = Annotated[Path | None, typer.Option(help="Folder to copy the pictures into, named by pose, look and seed.")]


@app.command()
def looks(context: Context, as_json: Json = False) -> None:
    """List all looks."""
    with call_of(context).studio() as (studio, output):
        found = studio.presets.looks()
        rows = [(x.name, x.garment, x.gender, x.age_group, x.background) for x in found.values()]
        output.result(list(found.values()), table("Looks", "name", "garment", "who", "age", "background", rows=rows))


@app.command()
def matrix(
    context: Context,
    look: Annotated[list[str], typer.Option(help="Name of a look; repeat for more.")],
    pose: Annotated[list[str] | None, typer.Option(help="Name of a pose; repeat for more. None: any pose.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seed; repeat for more.")] = None,
    brand_model: Annotated[list[str] | None, typer.Option(help="Brand model, as NAME or NAME:WEIGHT.")] = None,
    base: Annotated[str, typer.Option(help="Base model.")] = "croquis",
    sku: Annotated[str, typer.Option(help="Product that the pictures show.")] = "",
    negative_prompt: Annotated[str, typer.Option(help="What to keep away from.")] = "",
    num_inference_steps: Annotated[int | None, typer.Option(help="Steps; default: the base's.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="Guidance; default: the base's.")] = None,
    controlnet_conditioning_scale: Annotated[float, typer.Option(help="How strictly the pose is kept.")] = 1.0,
    reference: Annotated[Path | None, typer.Option(help="Photo whose fabric or product is kept.")] = None,
    reference_scale: Annotated[float, typer.Option(help="How strictly the reference is kept, 0 to 2.")] = 0.6,
    control: Annotated[
        list[str] | None,
        typer.Option(help="Map that the picture follows, as KIND:FILE or KIND:FILE:SCALE; repeat for more."),
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Draw every pose with every look with every seed."""
    with call_of(context).studio() as (studio, output):
        requests = studio.generate.matrix(
            list(pose) if pose else [None],
            look,
            seed or [0],
            base=base,
            adapters=[adapter(text) for text in brand_model or []],
            sku=sku,
            negative_prompt=negative_prompt,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            controlnet_conditioning_scale=controlnet_conditioning_scale,
            reference=None if reference is None else reference_of(studio, reference, reference_scale),
            controls=tuple(control_of(studio, text) for text in control or []),
        )
        draw(studio, output, requests, out)


@app.command()
def again(
    context: Context,
    picture: Annotated[Path, typer.Argument(help="A PNG that the studio made; its settings are inside.")],
    seed: Annotated[int | None, typer.Option(help="Another seed; default: the same picture again.")] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Draw a picture again from the settings that it carries."""
    with call_of(context).studio() as (studio, output):
        request = studio.generate.restore(picture)
        draw(studio, output, [request if seed is None else request.model_copy(update={"seed": seed})], out)


@app.command()
def batches(context: Context, as_json: Json = False) -> None:
    """List all batches with their number of variants."""
    with call_of(context).studio() as (studio, output):
        counts: dict[str, int] = {}
        for variant in studio.store.variants.find():
            counts[variant.batch_id] = counts.get(variant.batch_id, 0) + 1
        output.result(counts, table("Batches", "batch", "variants", rows=list(counts.items())))


@app.command()
def save(
    context: Context,
    batch: Annotated[str, typer.Argument(help="Id of a batch, as `generate batches` lists it.")],
    out: Annotated[Path, typer.Option(help="Folder to copy the pictures into.")],
    as_json: Json = False,
) -> None:
    """Copy a batch's pictures into a folder, named by pose, look and seed."""
    with call_of(context).studio() as (studio, output):
        ids = [variant.id for variant in studio.store.variants.find(batch_id=batch)]
        if not ids:
            raise NotFoundError(f"There is no batch {batch!r}.", "List them with `generate batches`.")
        paths = copy_out(studio, ids, out)
        output.result({"paths": paths}, "\n".join(map(str, paths)))


def adapter(text: str) -> AdapterWeight:
    """`name` or `name:0.8`. Raises InputError."""
    name, _, weight = text.partition(":")
    try:
        return AdapterWeight(brand_model=name, adapter_weight=float(weight or 1.0))
    except ValueError as error:
        raise InputError(f"{text!r} is no brand model with a weight.", "Write NAME or NAME:0.8 (-2 to 2).") from error


def reference_of(studio: Studio, photo: Path, scale: float) -> Reference:
    """A photo as reference, kept in the file store. Raises InputError."""
    if not 0 <= scale <= MAX_SCALE:
        raise InputError(f"{scale:g} is no scale for a reference.", f"Choose one from 0 to {MAX_SCALE:g}.")
    return Reference(picture_sha256=studio.generate.keep_picture(photo), ip_adapter_scale=scale)


def control_of(studio: Studio, text: str) -> ControlPicture:
    """`canny:map.png` or `canny:map.png:0.8`; the picture is a map as it is. Raises InputError."""
    kind, _, rest = text.partition(":")
    found = re.fullmatch(r"(?P<file>.+?)(?::(?P<scale>\d*\.?\d+))?", rest)
    if kind not in get_args(ControlKind) or found is None or float(found["scale"] or 1) > MAX_SCALE:
        raise InputError(
            f"{text!r} is no map to follow.",
            f"Write KIND:FILE or KIND:FILE:0.8 (0 to {MAX_SCALE:g}); kinds: {', '.join(get_args(ControlKind))}.",
        )
    fields = {"kind": kind, "picture_sha256": studio.generate.keep_picture(Path(found["file"]))}
    scale = {"controlnet_conditioning_scale": float(found["scale"])} if found["scale"] else {}
    return ControlPicture.model_validate(fields | scale)


def draw(studio: Studio, output: Output, requests: list[GenerationRequest], out: Path | None) -> None:
    """Draws requests as one job and says what came of it."""
    payload = studio.generate.payload(requests)
    result: dict[str, Any] = submit_and_finish(studio, output, "generate", "generate", payload)
    if out is not None:
        result["paths"] = copy_out(studio, result["variant_ids"], out)
    words = f"{len(requests)} variants in batch {result['batch_id']}"
    output.result(result, words + (f", copied into {out}" if out else ""))


def copy_out(studio: Studio, variant_ids: list[str], out: Path) -> list[Path]:
    """Writes each variant's PNG as `<pose>_<look>_<seed>_<end of id>.png`; the end keeps equal settings apart."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for variant_id in variant_ids:
        variant = studio.store.variants.get(variant_id)
        request = variant.request
        parts = (request.pose and request.pose.name, request.look and request.look.name, str(request.seed))
        path = out / ("_".join(part for part in (*parts, variant.id[-6:]) if part) + ".png")
        path.write_bytes(studio.store.files.path(variant.image_sha256).read_bytes())
        paths.append(path)
    return paths
