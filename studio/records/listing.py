"""Channel, Listing, and what preflight finds: pictures of one SKU in the slots of one sales channel."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from studio.records.base import Record, Slug


class Sourced(Record):
    """A rule's number with where it was read and when; `secondary` marks sources other than the channel's own."""

    value: float
    source: str
    read_on: date
    secondary: bool = False


class Channel(Record):
    """A sales channel's picture rules, as data in `presets/channels/<name>.yaml`. None: no such rule.

    `aspect` is width / height. `aspect_tolerance` is relative.
    """

    name: Slug
    title: str
    formats: tuple[Literal["jpeg", "webp", "png"], ...]
    min_width_px: Sourced | None = None
    min_height_px: Sourced | None = None
    min_longest_px: Sourced | None = None
    advised_longest_px: Sourced | None = None
    max_longest_px: Sourced | None = None
    max_megapixels: Sourced | None = None
    max_bytes: Sourced | None = None
    aspect: Sourced | None = None
    aspect_tolerance: float = 0.01
    max_images: Sourced | None = None
    advised_width_px: Sourced | None = None
    advised_height_px: Sourced | None = None
    main_white_background: Sourced | None = None
    """Level (0-255) that every channel of the main picture's background must have."""
    min_product_fill: Sourced | None = None
    """Least share of the main picture's longer extent that the product fills, 0 to 1."""
    max_text_share: Sourced | None = None
    """Greatest share of the picture that text may cover, 0 to 1."""
    human_checks: tuple[str, ...] = ()
    """Rules of the channel that only a person can check; preflight says "not measured" for each."""
    refuses_generated: str = ""
    """Not empty: the channel's own words against generated pictures; preflight warns."""
    slots: tuple[str, ...] = ("main", "alt-1", "alt-2", "alt-3", "alt-4", "alt-5")
    file_name_pattern: str = "{sku}_{slot}_{index:02d}"


class PreflightFinding(Record):
    """One finding for one slot: a refusal stops the package, a warning does not."""

    slot: str
    variant_id: str
    level: Literal["ok", "warning", "refused"]
    message: str
    fix: str = ""
    code: str = ""
    """What kind of finding it is, for a page that says it in another language or offers the fix as a button."""
    values: dict[str, str] = {}
    """What the words of that kind are filled with."""


class SlotImage(Record):
    """An approved variant in a ranked slot."""

    slot: str
    variant_id: str
    alt_text: str = ""
    padded: bool = False
    """Put on white in the channel's shape before it is checked and packed; nothing is scaled up for it."""


class LicenceOverride(Record):
    """A named person took the responsibility for one licence that would block the export."""

    subject: str
    """What is overridden, e.g. `base croquis` or `brand model atelier`."""
    licence: str
    author: str
    reason: str
    created_at: datetime


class Listing(Record):
    """The pictures of one SKU for one channel, and the package that was written."""

    id: str
    sku: str
    channel: Slug
    slots: tuple[SlotImage, ...]
    findings: tuple[PreflightFinding, ...] = ()
    overrides: tuple[LicenceOverride, ...] = ()
    package_path: str = ""
    package_sha256: str = ""
    created_at: datetime
