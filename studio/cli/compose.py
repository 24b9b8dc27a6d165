"""`compose`: poses, and the control maps that are drawn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.command import Context, Json, call_of, group
from studio.cli.output import table
from studio.errors import InputError
from studio.records.pose import Framing

app = group("compose", "Look at poses, add your own, and draw their control maps.")


@app.command("poses")
def show_all(context: Context, as_json: Json = False) -> None:
    """List all poses: the presets and your own."""
    with call_of(context).studio() as (studio, output):
        poses = studio.compose.poses()
        rows = [(p.name, p.view, p.action, f"{p.figure_height_mm:.0f} mm") for p in poses.values()]
        output.result(list(poses.values()), table("Poses", "name", "view", "action", "height", rows=rows))


@app.command()
def draw(
    context: Context,
    pose: Annotated[str, typer.Argument(help="Name of a pose, as `compose poses` lists it.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    scale: Annotated[float, typer.Option(help="Resolution as a multiple of 192x256 px.", min=0.5, max=16)] = 1.0,
    as_json: Json = False,
) -> None:
    """Draw a pose as the OpenPose map that ControlNet models expect."""
    with call_of(context).studio() as (studio, output):
        if out.suffix.lower() != ".png":
            raise InputError(f"{out} is no PNG file.", "End its name with .png.")
        image, control_map = studio.compose.control_map(pose, Framing().scaled(scale))
        out.parent.mkdir(parents=True, exist_ok=True)
        image.save(out)
        output.result({"path": out, "control_map": control_map}, f"{out}: {image.width}x{image.height} px")


@app.command()
def add(
    context: Context,
    file: Annotated[Path, typer.Argument(help="A pose as YAML or JSON: 18 joints in mm, as in presets/poses/.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace your pose of the same name.")] = False,
    as_json: Json = False,
) -> None:
    """Keep a pose of your own."""
    with call_of(context).studio() as (studio, output):
        pose = studio.compose.load_pose(file)
        path = studio.compose.save_pose(pose, overwrite=overwrite)
        output.result({"pose": pose, "path": path}, f"{pose.name} is kept in {path}")
