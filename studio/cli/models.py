"""`models`: bases, add-ons and brand models at hand; licences, pulls, and the gate for weights from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli import loras
from studio.cli.command import Context, Json, call_of, group
from studio.cli.output import plain, table
from studio.records.capabilities import BaseCard
from studio.records.pullable import Pullable
from studio.studio import Studio

app = group(
    "models", "Look at base models, add-ons and brand models; pull them, and check weights before they are used."
)

app.command("import-lora")(loras.import_lora)
app.command("export-lora")(loras.export_lora)

GB = 10**9
Name = Annotated[str, typer.Argument(help="A base or add-on, as `models list` shows it.")]


@app.command("list")
def show_all(context: Context, as_json: Json = False) -> None:
    """List bases, add-ons and brand models with their licences, and which of them are on this machine."""
    with call_of(context).studio() as (studio, output):
        bases, brands, pullables = studio.presets.bases(), studio.presets.brand_models(), studio.presets.pullables()
        addons = {name: item for name, item in pullables.items() if item.kind != "base"}
        states = {name: studio.installed.state(name) for name in [*bases, *addons]}
        rows = [("base", c.name, states[c.name], c.licence, _commercial(c.commercial_use)) for c in bases.values()]
        rows += [
            (item.kind, name, states[name], item.licence.name, _commercial(item.licence.commercial_use))
            for name, item in addons.items()
        ]
        rows += [("brand model", m.name, "installed", m.base_licence, "") for m in brands.values()]
        output.result(
            {
                "bases": list(bases.values()),
                "addons": list(addons.values()),
                "states": states,
                "brand_models": list(brands.values()),
            },
            table("Models", "kind", "name", "state", "licence", "commercial use", rows=rows),
        )


@app.command()
def show(context: Context, name: Name, as_json: Json = False) -> None:
    """Show what a base can do, and why not where it cannot; licence, size and state of a base or add-on."""
    with call_of(context).studio() as (studio, output):
        told = _facts(studio, name)
        output.result(told, table(name, "thing", "value", rows=list(_rows(told))))


@app.command()
def accept(
    context: Context,
    name: Name,
    by: Annotated[str, typer.Option(help="Who accepts it: a person's name, which is recorded.")],
    as_json: Json = False,
) -> None:
    """Accept the licence of a base or add-on; nothing is pulled before."""
    with call_of(context).studio() as (studio, output):
        one = studio.pulls.accept(name, by=by)
        words = f"{one.accepted_by} accepted {one.licence.name} for {name}; {_commercial(one.licence.commercial_use)}."
        output.result(one, words)


@app.command()
def pull(
    context: Context,
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Take the files from this folder (OWNER/NAME/... inside) instead of from the hub."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch a base or add-on. A pull that was cut goes on where it stopped. HF_ENDPOINT names a mirror."""
    with call_of(context).studio() as (studio, output):
        with output.progress(name) as advance:
            manifest = studio.pulls.pull(
                name, folder=folder, progress=lambda done, total, note: advance(-(-done >> 20), -(-total >> 20), note)
            )
        size = sum(file.size_bytes for file in manifest.files)
        output.result(manifest, f"{name} is installed: {len(manifest.files)} files, {size / GB:.2f} GB.")


@app.command()
def verify(context: Context, name: Name, as_json: Json = False) -> None:
    """Read every file of what is installed again, and hold it against what was pulled."""
    with call_of(context).studio() as (studio, output):
        digests = studio.installed.verify(name)
        rows = list(digests.items())
        output.result({"name": name, "files": digests}, table(f"{name} is whole", "file", "sha256", rows=rows))


@app.command()
def remove(context: Context, name: Name, as_json: Json = False) -> None:
    """Take what was pulled off the disk, also what is half done. The licence stays accepted."""
    with call_of(context).studio() as (studio, output):
        freed = studio.installed.remove(name)
        output.result({"name": name, "freed_bytes": freed}, f"{name} is gone; {freed / GB:.2f} GB became free.")


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


def _facts(studio: Studio, name: str) -> dict[str, Any]:
    """Everything there is to say of a base or add-on."""
    state = studio.installed.state(name)
    card = studio.presets.bases().get(name)
    item = studio.presets.pullables().get(name)
    about: BaseCard | Pullable | None = card or item
    accepted = studio.pulls.accepted(name) if item is not None else None
    told = {"state": state, "accepted": accepted, "record": about}
    return told if card is None else told | {"capabilities": studio.cache.registry.capabilities(name)}


def _rows(told: dict[str, Any]) -> Iterator[tuple[str, object]]:
    record, accepted = plain(told["record"]), told["accepted"]
    yield "state", told["state"]
    licence = record["licence"]
    if isinstance(licence, str):
        licence = {"name": licence, "commercial_use": record["commercial_use"], "source": record["licence_source"]}
    yield "licence", f"{licence['name']}, {_commercial(licence['commercial_use'])}"
    yield "read in", licence["source"]
    if record.get("sources"):
        yield "accepted by", f"{accepted.accepted_by}, {accepted.accepted_at:%Y-%m-%d}" if accepted else "nobody yet"
    for source in record.get("sources", []):
        yield "from", f"{source['repo']} at {source['revision']}, {len(source['files'])} files"
    for need in record.get("memory", []):
        kind = f"{need['dtype']}{', offload' if need['offload'] else ''}"
        yield f"memory, {kind}", f"{need['weights_bytes'] / GB:.1f} GB of weights"
    yield "notes", record["notes"]
    if "capabilities" in told:
        flat = {key: can for key, can in told["capabilities"] if key != "controlnet"}
        flat |= {f"controlnet {kind}": can for kind, can in told["capabilities"].controlnet.items()}
        yield from ((thing, "yes" if can.supported else f"no: {can.reason}") for thing, can in flat.items())


def _commercial(flag: bool | None) -> str:
    """What a licence says of commercial use."""
    return {True: "commercial use allowed", False: "no commercial use", None: "unknown: export is blocked"}[flag]
