"""`listing`: approved pictures into a channel's slots, checked and packed."""

from __future__ import annotations

from typing import Annotated

import typer

from studio.cli.command import Context, Json, call_of, group
from studio.cli.output import table
from studio.errors import InputError

app = group("listing", "Fill a sales channel's slots with approved variants, check them, and pack them.")

Sku = Annotated[str, typer.Argument(help="SKU of a product.")]
Channel = Annotated[str, typer.Argument(help="Sales channel, as `listing channels` lists it.")]


@app.command()
def channels(context: Context, as_json: Json = False) -> None:
    """List the sales channels with what they ask of a picture; sources are in presets/channels/."""
    with call_of(context).studio() as (studio, output):
        found = studio.listing.channels()
        rows = []
        for channel in found.values():
            sizes = (channel.min_width_px, channel.min_height_px)
            least = "x".join(f"{size.value:.0f}" if size else "any" for size in sizes)
            most = f"{channel.max_images.value:.0f}" if channel.max_images else ""
            rows.append(
                (channel.name, channel.title, ", ".join(channel.formats), least, most, channel.refuses_generated)
            )
        shown = table(
            "Channels", "name", "title", "formats", "least px", "pictures", "on generated pictures", rows=rows
        )
        output.result(list(found.values()), shown)


@app.command()
def preflight(context: Context, sku: Sku, channel: Channel, as_json: Json = False) -> None:
    """Fill a channel's slots with the approved variants of a product and say what the channel would refuse."""
    with call_of(context).studio() as (studio, output):
        listing = studio.listing.fill(sku, channel)
        rows = [(f.slot, f.level, f.message, f.fix) for f in listing.findings]
        output.result(listing, table(f"{listing.id}", "slot", "level", "finding", "what to do", rows=rows))


@app.command()
def package(
    context: Context,
    sku: Sku,
    channel: Channel,
    listing_id: Annotated[
        str, typer.Option("--listing", help="Pack this listing, with its overrides, instead of filling slots anew.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Fill, check and pack: named and sized pictures, alternative texts, provenance and a manifest, in one zip."""
    with call_of(context).studio() as (studio, output):
        listing = studio.listing.get(listing_id) if listing_id else studio.listing.fill(sku, channel)
        if (listing.sku, listing.channel) != (sku, channel):
            raise InputError(
                f"{listing.id} is a listing of {listing.sku} for {listing.channel}, not of {sku} for {channel}.",
                "Name its own SKU and channel, or leave --listing out.",
            )
        path = studio.listing.package(listing.id)
        output.result({"listing": listing.id, "path": path, "pictures": len(listing.slots)}, str(path))


@app.command()
def override(
    context: Context,
    listing_id: Annotated[str, typer.Argument(help="Id of a listing, as `listing preflight` shows it.")],
    subject: Annotated[str, typer.Argument(help="What is blocked, as preflight names it, e.g. 'base croquis'.")],
    author: Annotated[str, typer.Option(help="Name of the person who answers for it.")],
    reason: Annotated[str, typer.Option(help="Why it may be exported; both are recorded.")],
    as_json: Json = False,
) -> None:
    """Record that a named person answers for a licence that blocks the export."""
    with call_of(context).studio() as (studio, output):
        listing = studio.listing.override_licence(listing_id, subject, author=author, reason=reason)
        output.result(listing, f"{author} answers for {subject} in {listing_id}.")
