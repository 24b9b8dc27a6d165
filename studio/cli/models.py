"""`models`: the bases and brand models at hand, and the gate for weights from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.command import Context, Json, call_of, group
from studio.cli.output import table

app = group("models", "Look at base models and brand models, and check weights before they are used.")


@app.command("list")
def show_all(context: Context, as_json: Json = False) -> None:
    """List base models and brand models with their licences."""
    with call_of(context).studio() as (studio, output):
        bases, brands = studio.presets.bases(), studio.presets.brand_models()
        rows = [("base", c.name, c.licence, f"{c.width_px}x{c.height_px}") for c in bases.values()]
        rows += [("brand model", m.name, m.base_licence, f"trigger {m.trigger_token}") for m in brands.values()]
        output.result(
            {"bases": list(bases.values()), "brand_models": list(brands.values())},
            table("Models", "kind", "name", "licence", "note", rows=rows),
        )


@app.command()
def show(context: Context, name: Annotated[str, typer.Argument(help="A base model.")], as_json: Json = False) -> None:
    """Show what a base model can do, and why not where it cannot."""
    with call_of(context).studio() as (studio, output):
        capabilities = studio.cache.registry.capabilities(name)
        flat = {k: v for k, v in capabilities if k != "controlnet"}
        flat |= {f"controlnet {kind}": can for kind, can in capabilities.controlnet.items()}
        rows = [(thing, "yes" if can.supported else "no", can.reason) for thing, can in flat.items()]
        output.result(capabilities, table(f"{name} can", "thing", "supported", "reason", rows=rows))


@app.command()
def check(
    context: Context,
    path: Annotated[Path, typer.Argument(help="A .safetensors file, or the folder of a base model.")],
    as_json: Json = False,
) -> None:
    """Hold weights against the gate: only whole, plain safetensors pass, and no library opens them before that."""
    with call_of(context).studio() as (studio, output):
        headers = studio.check_weights(path)
        rows = [(name, header.sha256, f"{header.elements:,}") for name, header in headers.items()]
        output.result(headers, table(f"{path} passed", "file", "sha256", "numbers", rows=rows))
