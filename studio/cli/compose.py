"""`compose`: poses, the control maps that are drawn from them, and maps and poses of photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer
import yaml

from studio.cli.command import Context, Json, call_of, group
from studio.cli.output import table
from studio.errors import InputError
from studio.records.annotator import MapKind
from studio.records.pose import Framing

app = group("compose", "Look at poses, add your own, draw their control maps, and take maps and poses from photos.")


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
        _check_suffix(out, ".png")
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


@app.command("annotators")
def show_annotators(context: Context, as_json: Json = False) -> None:
    """List what reads photos: each with its licence, and how to get it."""
    with call_of(context).studio() as (studio, output):
        cards = studio.compose.annotators()
        commercial = {True: "yes", False: "no", None: "unknown"}
        rows = [
            (c.name, c.makes, c.licence.name, commercial[c.licence.commercial_use], "ready" if c.ready else c.why_not)
            for c in cards
        ]
        columns = ("name", "makes", "licence", "commercial use", "state")
        output.result(cards, table("Annotators", *columns, rows=rows))


@app.command("map")
def take_map(
    context: Context,
    photo: Annotated[Path, typer.Argument(help="A photo: JPEG, PNG or WebP.")],
    kind: Annotated[str, typer.Option(help="canny, lineart or depth.")],
    to: Annotated[Path, typer.Option(help="PNG file to write.")],
    as_json: Json = False,
) -> None:
    """Take a control map from a photo, of exactly its size."""
    with call_of(context).studio() as (studio, output):
        _check_suffix(to, ".png")
        image, made = studio.compose.photo_map(cast(MapKind, kind), studio.compose.photo(photo))
        to.parent.mkdir(parents=True, exist_ok=True)
        image.save(to)
        words = f"{to}: {image.width}x{image.height} px, by {made.annotator} ({made.licence.name})"
        output.result({"path": to, "map": made}, words)


@app.command("pose-from")
def take_pose(
    context: Context,
    photo: Annotated[Path, typer.Argument(help="A photo of one person: JPEG, PNG or WebP.")],
    to: Annotated[Path, typer.Option(help="YAML file to write; the pose is called as the file.")],
    action: Annotated[str, typer.Option(help="What the person does, for the prompt.")] = "standing",
    annotator: Annotated[str, typer.Option(help="Which pose model, as `compose annotators` lists them.")] = "rtmpose-m",
    as_json: Json = False,
) -> None:
    """Read the pose of the person in a photo. Keep it with `compose add`."""
    with call_of(context).studio() as (studio, output):
        _check_suffix(to, ".yaml")
        found = studio.compose.pose_from_photo(studio.compose.photo(photo), to.stem, action=action, annotator=annotator)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(yaml.safe_dump(found.pose.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
        for note in found.notes:
            output.say(note)
        words = f"{to}: {found.pose.view} view, by {found.annotator} ({found.licence.name})"
        output.result({"path": to, "found": found}, words)


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise InputError(f"{path} is no {suffix[1:].upper()} file.", f"End its name with {suffix}.")
