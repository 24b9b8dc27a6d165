"""`label`: photos into a dataset, checked, captioned, with rights and a held-out split."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.command import Context, Json, call_of, group
from studio.cli.output import table
from studio.errors import InputError
from studio.records.photo import Photo, Rights

app = group("label", "Take photos in, check and caption them, record their rights, and split them.")

Name = Annotated[str, typer.Argument(help="Name of a dataset, as `label datasets` lists it.")]
Base = Annotated[str, typer.Option(help="Base model whose picture sizes the checks are for.")]
PhotoId = Annotated[str, typer.Argument(help="Id of a photo, as `label photos` shows it.")]
Author = Annotated[str, typer.Option(help="Who writes.")]
Source = Annotated[str, typer.Option("--source", help="Rights: where the photos come from.")]
Owner = Annotated[str, typer.Option("--owner", help="Rights: who owns them.")]
Licence = Annotated[str, typer.Option("--licence", help="Rights: what allows training on them.")]
Release = Annotated[str, typer.Option("--model-release", help="Rights: signed, not-needed or missing.")]
Expires = Annotated[str, typer.Option("--expires-on", help="Rights: last day, as 2027-03-31; empty: never.")]


@app.command()
def ingest(
    context: Context,
    sources: Annotated[list[Path], typer.Argument(help="Photos, folders or zips.")],
    dataset: Annotated[str, typer.Option(help="Dataset to put them into; made when it does not exist.")],
    trigger_token: Annotated[str | None, typer.Option(help="Made-up word for the brand; default: one is made.")] = None,
    sku: Annotated[str, typer.Option(help="Product that the photos show.")] = "",
    base: Base = "croquis",
    source: Source = "",
    owner: Owner = "",
    licence: Licence = "",
    model_release: Release = "missing",
    expires_on: Expires = "",
    as_json: Json = False,
) -> None:
    """Take photos in. Beside them count NAME.txt (caption), rights.yaml or .csv, hints.csv, trainers' folders."""
    with call_of(context).studio() as (studio, output):
        given = rights_of(source, owner, licence, model_release, expires_on) if source or owner or licence else None
        with output.progress("ingest") as advance:
            report = studio.label.ingest(
                sources,
                dataset=dataset,
                rights=given,
                trigger_token=trigger_token,
                sku=sku,
                base=base,
                progress=advance,
            )
        rows = [*warned(report.photos), *((f.file_name, f.finding.level, f.finding.message) for f in report.files)]
        output.result(report, table(report.sentence(), "file", "level", "finding", rows=rows))


@app.command()
def datasets(context: Context, as_json: Json = False) -> None:
    """List all datasets."""
    with call_of(context).studio() as (studio, output):
        found = studio.label.datasets()
        rows = [(d.name, d.trigger_token, len(studio.label.photos(d.id)), d.sku) for d in found]
        output.result(found, table("Datasets", "name", "trigger token", "photos", "sku", rows=rows))


@app.command()
def photos(context: Context, dataset: Name, as_json: Json = False) -> None:
    """List a dataset's photos with caption, split and missing rights."""
    with call_of(context).studio() as (studio, output):
        found = studio.label.dataset(dataset)
        gaps = studio.label.without_rights(found.id)
        listed = studio.label.photos(found.id)
        rows = [(p.id, p.file_name, p.split, ", ".join(gaps.get(p.id, ())) or "cleared", p.caption) for p in listed]
        output.result(listed, table(found.name, "id", "file", "split", "rights", "caption", rows=rows))


@app.command()
def check(context: Context, dataset: Name, base: Base = "croquis", as_json: Json = False) -> None:
    """Check all photos again, for example for another base's sizes."""
    with call_of(context).studio() as (studio, output), output.progress("check") as advance:
        found = studio.label.check(studio.label.dataset(dataset).id, base=base, progress=advance)
        output.result(found, table(dataset, "file", "level", "finding", rows=warned(found)))


@app.command()
def statistics(context: Context, dataset: Name, base: Base = "croquis", as_json: Json = False) -> None:
    """Show a dataset in numbers, with advice."""
    with call_of(context).studio() as (studio, output):
        found = studio.label.statistics(studio.label.dataset(dataset).id, base=base)
        rows = [(name, value) for name, value in found if name != "advice"]
        rows += [("advice", advice) for advice in found.advice]
        output.result(found, table(dataset, "what", "value", rows=rows))


@app.command()
def caption(
    context: Context,
    photo_id: PhotoId,
    text: Annotated[str, typer.Argument(help="The new caption, on one line.")],
    author: Author = "local",
    as_json: Json = False,
) -> None:
    """Replace a photo's caption; the old one stays in its history."""
    with call_of(context).studio() as (studio, output):
        photo = studio.label.set_caption(photo_id, text, author)
        output.result(photo, f"{photo.file_name}: {photo.caption}")


@app.command("undo-caption")
def undo_caption(context: Context, photo_id: PhotoId, author: Author = "local", as_json: Json = False) -> None:
    """Go back to the caption before."""
    with call_of(context).studio() as (studio, output):
        photo = studio.label.undo_caption(photo_id, author)
        output.result(photo, f"{photo.file_name}: {photo.caption}")


@app.command()
def rights(
    context: Context,
    dataset: Name,
    source: Source,
    owner: Owner,
    licence: Licence,
    model_release: Release,
    expires_on: Expires = "",
    photo: Annotated[list[str] | None, typer.Option(help="Id of a photo; repeat for more. None: all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Record what allows the use of photos for training."""
    with call_of(context).studio() as (studio, output):
        found = studio.label.dataset(dataset)
        ids = photo or [p.id for p in studio.label.photos(found.id)]
        changed: list[Photo] = studio.label.set_rights(
            ids, rights_of(source, owner, licence, model_release, expires_on)
        )
        open_ids = studio.label.without_rights(found.id)
        output.result(changed, f"{len(changed)} photos changed; {len(open_ids)} of {found.name} still lack rights.")


@app.command()
def split(
    context: Context,
    dataset: Name,
    held_out: Annotated[float, typer.Option(help="Share to hold out, 0 to 0.5.")] = 0.1,
    as_json: Json = False,
) -> None:
    """Divide a dataset into photos to train on and photos to judge by."""
    with call_of(context).studio() as (studio, output):
        found = studio.label.split(studio.label.dataset(dataset).id, held_out=held_out)
        apart = sum(photo.split == "held-out" for photo in found)
        output.result(found, f"{len(found) - apart} to train on, {apart} held out.")


@app.command()
def export(
    context: Context,
    dataset: Name,
    folder: Annotated[Path, typer.Argument(help="An empty or new folder.")],
    class_word: Annotated[str, typer.Option(help="Class word of the folder's name.")] = "person",
    repeats: Annotated[int, typer.Option(help="Repeats in the folder's name.")] = 10,
    as_json: Json = False,
) -> None:
    """Write a dataset in the common trainers' layout: upright pictures with .txt captions, without positions."""
    with call_of(context).studio() as (studio, output):
        found = studio.label.dataset(dataset)
        path = studio.label.export(found.id, folder, class_word=class_word, repeats=repeats)
        output.result({"path": path}, str(path))


@app.command()
def products(
    context: Context,
    csv: Annotated[Path, typer.Argument(help="CSV with sku and name; sizes in columns like M.chest_mm.")],
    encoding: Annotated[str, typer.Option(help="Encoding of the file; Japanese Excel writes cp932.")] = "utf-8-sig",
    as_json: Json = False,
) -> None:
    """Take products in from a CSV, all of them or none."""
    with call_of(context).studio() as (studio, output):
        found = studio.label.import_products(csv, encoding=encoding)
        rows = [(p.sku, p.name, p.brand, p.colourway, ", ".join(p.size_table_mm)) for p in found]
        output.result(found, table("Products", "sku", "name", "brand", "colourway", "sizes", rows=rows))


@app.command("product-photos")
def product_photos(
    context: Context,
    sku: Annotated[str, typer.Argument(help="SKU of a product.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos of the product itself; the first is the main one.")],
    as_json: Json = False,
) -> None:
    """Add photos of a product itself, for its colour to be measured against."""
    with call_of(context).studio() as (studio, output):
        product = studio.label.add_product_photos(sku, photos)
        output.result(product, f"{product.sku} has {len(product.photo_sha256)} photos.")


def warned(photos: Iterable[Photo]) -> list[tuple[str, str, str]]:
    """File, level and message of every finding that is not plainly good."""
    return [(p.file_name, str(f.level), f.message) for p in photos for f in p.findings if f.level != "ok"]


def rights_of(source: str, owner: str, licence: str, model_release: str, expires_on: str) -> Rights:
    """Rights from what was typed. Raises InputError."""
    try:
        expires = date.fromisoformat(expires_on) if expires_on else None
        return Rights.model_validate(
            {
                "source": source,
                "owner": owner,
                "licence": licence,
                "model_release": model_release,
                "expires_on": expires,
            }
        )
    except ValueError as error:
        raise InputError(
            f"These rights cannot be read: model release {model_release!r}, expires on {expires_on!r}.",
            "The release is signed, not-needed or missing; the day is written 2027-03-31.",
        ) from error
