"""The manifest of a package, for machines (JSON) and for spreadsheets (CSV).

Nothing in it depends on the moment of packing, so the same approved pictures give the same package.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

from studio.listing.encode import Encoded
from studio.listing.licences import LicenceUse
from studio.listing.xmp import TRAINED_ALGORITHMIC_MEDIA
from studio.records.generation import GenerationRequest, Variant
from studio.records.listing import Channel, Listing, SlotImage
from studio.records.product import Product

DISCLOSURE = "This picture was generated with AI."
"""Suggested caption where a law or a channel asks for a conspicuous disclosure."""

COLUMNS = (
    "file", "slot", "position", "sku", "channel", "sha256", "width_px", "height_px", "bytes", "format", "alt_text",
    "ai_generated", "digital_source_type", "ai_disclosure", "licences", "licence_overrides", "variant_id",
    "settings_sha256", "source_sha256", "edits", "approved_by",
)  # fmt: skip

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A cell that begins so is run as a formula by spreadsheets (OWASP, CSV injection), full-width ones too."""


@dataclass(frozen=True)
class PackedImage:
    """One encoded picture with what it was made from and who approved it."""

    file: str
    slot: SlotImage
    position: int
    variant: Variant
    encoded: Encoded
    licences: tuple[LicenceUse, ...]
    approved_by: str


def settings_sha256(request: GenerationRequest) -> str:
    """Digest of everything that decides the picture: sha256 of the request as JSON with sorted keys."""
    text = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def manifest_json(listing: Listing, product: Product, channel: Channel, images: list[PackedImage]) -> bytes:
    """The whole manifest as JSON, UTF-8."""
    data = {
        "manifest_version": 1,
        "listing": listing.id,
        "sku": product.sku,
        "product": product.name,
        "channel": channel.name,
        "ai_disclosure": {"generated": True, "digital_source_type": TRAINED_ALGORITHMIC_MEDIA, "caption": DISCLOSURE},
        "licence_overrides": [override.model_dump(mode="json") for override in listing.overrides],
        "images": [_entry(image) for image in images],
    }
    return (json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()


def manifest_csv(listing: Listing, images: list[PackedImage]) -> bytes:
    """One row per picture, UTF-8 with a byte order mark (spreadsheets take it for another encoding without)."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, extrasaction="raise", lineterminator="\r\n")
    writer.writeheader()
    overrides = "; ".join(f"{o.subject}: {o.author}: {o.reason}" for o in listing.overrides)
    for image in images:
        row = _entry(image)
        row |= {
            "sku": listing.sku,
            "channel": listing.channel,
            "ai_generated": "yes",
            "digital_source_type": TRAINED_ALGORITHMIC_MEDIA,
            "ai_disclosure": DISCLOSURE,
            "edits": "; ".join(use.words for use in image.variant.made_by),
            "licences": "; ".join(f"{use.subject}: {use.licence}" for use in image.licences),
            "licence_overrides": overrides,
        }
        writer.writerow({column: _cell(row[column]) for column in COLUMNS})
    return buffer.getvalue().encode("utf-8-sig")


def _entry(image: PackedImage) -> dict[str, Any]:
    return {
        "file": image.file,
        "slot": image.slot.slot,
        "position": image.position,
        "sha256": image.encoded.sha256,
        "width_px": image.encoded.width_px,
        "height_px": image.encoded.height_px,
        "bytes": len(image.encoded.data),
        "format": image.encoded.format,
        "alt_text": image.slot.alt_text,
        "ai_disclosure": DISCLOSURE,
        "licences": [
            {"subject": use.subject, "licence": use.licence, "commercial_use": use.commercial_use}
            for use in image.licences
        ],
        "variant_id": image.variant.id,
        "settings_sha256": settings_sha256(image.variant.request),
        "source_sha256": image.variant.image_sha256,
        "edits": [use.model_dump(mode="json") for use in image.variant.made_by],
        "approved_by": image.approved_by,
    }


def _cell(value: object) -> str:
    """A cell that no spreadsheet runs: a formula's first sign gets an apostrophe in front."""
    text = str(value)
    return f"'{text}" if text.lstrip(" \u3000").startswith(_FORMULA_STARTS) else text
