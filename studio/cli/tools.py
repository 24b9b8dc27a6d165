"""`tools`: upscale a picture or cut its figure out. Of a variant a new one is made; of a file, another file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from studio.cli.command import Context, Json, call_of, group, submit_and_finish
from studio.cli.output import Output, table
from studio.errors import InputError
from studio.records.tool import CutOutHints
from studio.studio import Studio

app = group("tools", "Upscale pictures and cut figures out. Nothing else in the studio does either unasked.")

What = Annotated[str, typer.Argument(metavar="PICTURE|VARIANT", help="A picture file, or the id of a variant.")]
Out = Annotated[Path | None, typer.Option(help="For a file: where the result is written, as PNG.")]
Method = Annotated[str, typer.Option(help="As `tools list` names it.")]


@app.command("list")
def show_all(context: Context, as_json: Json = False) -> None:
    """List every way to upscale and to cut out, and what has yet to be pulled."""
    with call_of(context).studio() as (studio, output):
        found = studio.tools.methods()
        rows = [(m.tool, m.name, m.title, "yes" if m.ready else "no", m.licence, m.reason) for m in found]
        output.result(found, table("Tools", "tool", "method", "title", "ready", "licence", "reason", rows=rows))


@app.command()
def upscale(
    context: Context,
    what: What,
    factor: Annotated[float, typer.Option(help="How many times as wide and high.")] = 2.0,
    method: Method = "lanczos",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Make a larger picture. A variant's result waits for a decision of its own."""
    with call_of(context).studio() as (studio, output):
        if not is_file(what):
            finish_variant(studio, output, "upscale", studio.tools.upscale_payload(what, factor, method))
            return
        with output.progress("upscale") as advance:
            image = studio.tools.upscale_file(Path(what), factor, method, lambda done, total: advance(done, total, ""))
        finish_file(output, image, Path(what), out, "larger")


@app.command("cut-out")
def cut_out(
    context: Context,
    what: What,
    ground: Annotated[str, typer.Option(help="white or transparent.")] = "white",
    method: Method = "grabcut",
    rectangle: Annotated[
        str, typer.Option(help="Where the figure is: left,top,right,bottom as shares of the picture, 0 to 1.")
    ] = "",
    mask: Annotated[
        Path | None, typer.Option(help="A picture as large as this one: white is figure, black is ground.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Put the figure on pure white or on nothing. A variant's result waits for a decision of its own."""
    with call_of(context).studio() as (studio, output):
        hints = CutOutHints(
            rectangle=corners(rectangle) if rectangle else None,
            mask_sha256=None if mask is None else studio.store.files.put_file(mask),
        )
        if not is_file(what):
            payload = studio.tools.cut_out_payload(what, ground, method, hints.model_dump(mode="json"))
            finish_variant(studio, output, "cut-out", payload)
            return
        match ground:
            case "white" | "transparent":
                image = studio.tools.cut_out_file(Path(what), ground, method, hints)
            case _:
                raise InputError(f"{ground!r} is no ground.", "Use white or transparent.")
        finish_file(output, image, Path(what), out, "cut-out")


@app.command()
def remove(
    context: Context,
    variant_id: Annotated[str, typer.Argument(help="Id of a variant that a tool made.")],
    as_json: Json = False,
) -> None:
    """Take away a picture that a tool made and that nobody has decided about."""
    with call_of(context).studio() as (studio, output):
        gone = studio.tools.remove(variant_id)
        output.result(gone, f"{variant_id} is gone; {gone.derived_from} stays.")


def is_file(what: str) -> bool:
    """Whether a picture file is meant: there is one, or it looks like a path."""
    return Path(what).is_file() or "/" in what or bool(Path(what).suffix)


def finish_variant(studio: Studio, output: Output, kind: str, payload: dict[str, object]) -> None:
    """Runs the job and says which variant came of it."""
    result = submit_and_finish(studio, output, kind, kind, payload)
    variant = studio.store.variants.get(result["variant_id"])
    path = studio.store.files.path(variant.image_sha256)
    output.result({"job": result["job"], "variant": variant, "picture": path}, f"{variant.id}, {path}")


def finish_file(output: Output, image: Image.Image, source: Path, out: Path | None, ending: str) -> None:
    """Writes the result beside its source, or where it was asked for. Raises InputError: that would replace a file."""
    target = out or source.with_name(f"{source.stem}-{ending}.png")
    if target.exists():
        raise InputError(f"{target} is there already.", "Give another place with --out.")
    image.save(target, "PNG")
    output.result({"picture": target, "width_px": image.width, "height_px": image.height}, str(target))


def corners(text: str) -> tuple[float, float, float, float]:
    """`left,top,right,bottom`. Raises InputError."""
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{text!r} is no rectangle.", "Write left,top,right,bottom, e.g. 0.2,0.1,0.8,1.") from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InputError(f"{text!r} lies outside the picture.", "Use shares from 0 to 1, left and top first.")
    return left, top, right, bottom
