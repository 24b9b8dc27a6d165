"""`review`: measure variants, decide by rule or by hand, and see where each stands."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from studio.cli.command import Context, Json, call_of, group
from studio.cli.output import table
from studio.errors import InputError, NotFoundError
from studio.records.review import Measurement, Reason
from studio.studio import Studio

app = group("review", "Measure variants against their requests, and decide about them.")

Batch = Annotated[str, typer.Option(help="All variants of this batch.")]
Sku = Annotated[str, typer.Option(help="All variants of this product.")]
Rules = Annotated[str, typer.Option(help="Set of limits, as `review rules` lists it.")]
Author = Annotated[str, typer.Option(help="Name of the person who decides.")]


@app.command()
def rules(context: Context, as_json: Json = False) -> None:
    """List the sets of limits."""
    with call_of(context).studio() as (studio, output):
        found = studio.review.rules()
        rows = [
            (
                name,
                limit.measure,
                "at most" if limit.at_most is not None else "at least",
                f"{limit.value:g}",
                limit.source,
            )
            for name, rule in found.items()
            for limit in rule.limits
        ]
        output.result(list(found.values()), table("Limits", "rules", "measure", "", "limit", "source", rows=rows))


@app.command()
def measure(
    context: Context, batch: Batch = "", sku: Sku = "", rules: Rules = "default", as_json: Json = False
) -> None:
    """Measure pose, garment colour, nearest training photo and sharpness of variants."""
    with call_of(context).studio() as (studio, output):
        ids = variants(studio, batch, sku)
        with output.progress("measure") as advance:
            found = studio.review.measure(ids, rules=rules, progress=lambda done, total: advance(done, total, ""))
        rows = [(m.variant_id, *said(m)) for m in found]
        output.result(found, table("Measured", "variant", "measures", "not measured", rows=rows))


@app.command()
def rule(context: Context, batch: Batch = "", sku: Sku = "", rules: Rules = "default", as_json: Json = False) -> None:
    """Decide by limits what no person has decided; measures first what was not measured."""
    with call_of(context).studio() as (studio, output):
        found = studio.review.rule_review(variants(studio, batch, sku), rules)
        rows = [(d.variant_id, d.verdict, ", ".join(d.reasons), d.note) for d in found]
        output.result(found, table("Decided by rule", "variant", "verdict", "reasons", "note", rows=rows))


@app.command()
def decide(
    context: Context,
    variant_id: Annotated[str, typer.Argument(help="Id of a variant.")],
    verdict: Annotated[str, typer.Argument(help="approved, rejected or undecided.")],
    author: Author,
    reason: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(get_args(Reason))}; may repeat.")] = None,
    rating: Annotated[int | None, typer.Option(help="1 to 5.")] = None,
    note: Annotated[str, typer.Option(help="In your own words.")] = "",
    as_json: Json = False,
) -> None:
    """Decide about one variant by hand; a rejection needs a reason or a note."""
    with call_of(context).studio() as (studio, output):
        match verdict:
            case "approved" | "rejected" | "undecided":
                kind = verdict
            case _:
                raise InputError(f"{verdict!r} is no verdict.", "Say approved, rejected or undecided.")
        reasons: list[Reason] = [known for known in get_args(Reason) if known in (reason or [])]
        if unknown := set(reason or []) - set(reasons):
            raise InputError(f"{sorted(unknown)} are no reasons.", f"Use {', '.join(get_args(Reason))}.")
        made = studio.review.decide(variant_id, kind, author=author, reasons=tuple(reasons), rating=rating, note=note)
        output.result(made, f"{variant_id} is {made.verdict} by {made.author}.")


@app.command()
def undo(
    context: Context,
    variant_id: Annotated[str, typer.Argument(help="Id of a variant.")],
    author: Author,
    as_json: Json = False,
) -> None:
    """Take your newest decision back."""
    with call_of(context).studio() as (studio, output):
        made = studio.review.undo(variant_id, author=author)
        output.result(made, f"{variant_id} is {made.verdict} again.")


@app.command()
def show(context: Context, batch: Batch = "", sku: Sku = "", as_json: Json = False) -> None:
    """Show where variants stand: verdict, measures, picture."""
    with call_of(context).studio() as (studio, output):
        board = studio.review.board(batch_id=batch or None, sku=sku or None)
        rows = [
            (row.variant.id, row.verdict, *(said(row.measurement) if row.measurement else ("", "")), row.picture)
            for row in board
        ]
        data = [
            {"variant": r.variant, "verdict": r.verdict, "measurement": r.measurement, "picture": r.picture}
            for r in board
        ]
        output.result(data, table("Review", "variant", "verdict", "measures", "not measured", "picture", rows=rows))


def variants(studio: Studio, batch: str, sku: str) -> list[str]:
    """Ids of the variants that a command is about. Raises InputError, NotFoundError."""
    if not (batch or sku):
        raise InputError("Which variants?", "Give --batch or --sku.")
    found = studio.store.variants.find(batch_id=batch or None, sku=sku or None)
    if not found:
        raise NotFoundError(f"There are no variants of {batch or sku}.", "List batches with `generate batches`.")
    return [variant.id for variant in found]


def said(measurement: Measurement) -> tuple[str, str]:
    """What was measured, and what was not, in words."""
    measured = [f"{m.name} {m.value:.3g} {m.unit}".strip() for m in measurement.measures if m.value is not None]
    return "; ".join(measured), "; ".join(f"{m.name}: {m.note}" for m in measurement.measures if m.value is None)
