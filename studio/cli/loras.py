"""`models import-lora` and `models export-lora`: LoRAs from other tools, and for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.command import Context, Json, call_of
from studio.records.brand_model import LoraLayout


def import_lora(
    context: Context,
    file: Annotated[Path, typer.Argument(help="A .safetensors file of kohya, ai-toolkit, peft or diffusers.")],
    name: Annotated[str, typer.Option(help="Name of the brand model: lower case, digits, - and _.")],
    base: Annotated[str, typer.Option(help="Base model that it was trained on, or one of its family.")],
    source: Annotated[str, typer.Option(help="Where it comes from, e.g. the address of its page.")],
    owner: Annotated[str, typer.Option(help="Whose it is.")],
    licence: Annotated[str, typer.Option(help="The licence that you have read.")],
    by: Annotated[str, typer.Option(help="Your name: who says so.")],
    trigger: Annotated[str | None, typer.Option(help="Word that calls it; default: what the file says.")] = None,
    commercial_use: Annotated[
        bool | None,
        typer.Option(help="Whether the licence allows commercial use; without an answer export is blocked."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a brand model of a LoRA that was trained elsewhere. The file is kept as it is."""
    with call_of(context).studio() as (studio, output):
        model, notes = studio.loras.bring_in(
            file, name=name, base=base, trigger_token=trigger, source=source, owner=owner, licence=licence,
            commercial_use=commercial_use, by=by,
        )  # fmt: skip
        words = f"{model.name} lies in {studio.presets.brand_model_folder(model.name)}"
        output.result({"brand_model": model, "notes": notes}, "\n".join((words, *notes)))


def export_lora(
    context: Context,
    name: Annotated[str, typer.Argument(help="A brand model.")],
    to: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    layout: Annotated[
        LoraLayout, typer.Option(help="kohya is what ComfyUI and A1111 read; Z-Image has ai-toolkit instead.")
    ] = "kohya",
    as_json: Json = False,
) -> None:
    """Write a brand model's LoRA as a file for other tools."""
    with call_of(context).studio() as (studio, output):
        size = studio.loras.export(name, layout, to)
        output.result({"file": to, "layout": layout, "bytes": size}, f"{to}: {layout}, {size / 1e6:.1f} MB")
