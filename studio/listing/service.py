"""The face of the listing stage: approved pictures into a channel's slots, checked, and packed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from studio.errors import ConflictError, Fault, FaultsError, InputError, RightsError
from studio.listing.alt_text import alt_text
from studio.listing.licences import LicenceUse, blocking, licence_uses
from studio.listing.naming import safe_stem
from studio.listing.package import ApprovedPicture, build_package
from studio.listing.preflight import check_licences, check_slot
from studio.presets import Presets, pick
from studio.records.base import new_id, now
from studio.records.brand_model import BrandModel
from studio.records.capabilities import BaseCard
from studio.records.generation import Variant
from studio.records.listing import Channel, LicenceOverride, Listing, PreflightFinding, SlotImage
from studio.records.review import Decision, standing
from studio.settings import Settings
from studio.store import Store, write_atomic


class ListingService:
    """Listings of approved pictures."""

    def __init__(self, store: Store, settings: Settings, presets: Presets) -> None:
        self._store = store
        self._settings = settings
        self._presets = presets

    def channels(self) -> dict[str, Channel]:
        """All sales channels by name. Raises FaultsError."""
        return self._presets.channels()

    def get(self, listing_id: str) -> Listing:
        """A listing as it stands. Raises NotFoundError."""
        return self._store.listings.get(listing_id)

    def fill(self, sku: str, channel: str) -> Listing:
        """A new listing with the approved variants of a product in the channel's slots, best rated first.

        Raises:
            NotFoundError: no such product or channel.
            ConflictError: no variant of the product is approved.
        """
        product, rules = self._store.products.get(sku), self._channel(channel)
        rated = []
        for variant in self._store.variants.find(sku=sku):
            decision = self._newest(variant.id)
            if decision and decision.verdict == "approved":
                rated.append((decision.rating or 0, variant))
        if not rated:
            raise ConflictError(f"No variant of {sku} is approved.", "Review its variants first.")
        rated.sort(key=lambda pair: -pair[0])  # stable: equal ratings stay in the order of creation
        slots = tuple(
            SlotImage(slot=slot, variant_id=variant.id, alt_text=alt_text(product, variant.request))
            for slot, (_, variant) in zip(rules.slots, rated, strict=False)
        )
        return self._checked(Listing(id=new_id("lst"), sku=sku, channel=channel, slots=slots, created_at=now()))

    def set_slots(self, listing_id: str, slots: Sequence[SlotImage]) -> Listing:
        """Put other pictures, another order or other alternative texts into a listing, and check it again.

        Raises:
            FaultsError: a slot that the channel does not have or that is filled twice, a variant of another product.
        """
        listing = self._store.listings.get(listing_id)
        known = self._channel(listing.channel).slots
        faults = self._slot_faults(listing, slots, known)
        if faults:
            raise FaultsError(f"Slots of {listing_id}", faults)
        ordered = tuple(sorted(slots, key=lambda image: known.index(image.slot)))
        return self._checked(listing.model_copy(update={"slots": ordered, "package_path": "", "package_sha256": ""}))

    def override_licence(self, listing_id: str, subject: str, *, author: str, reason: str) -> Listing:
        """Record that a named person answers for a licence that blocks the export, and check the listing again.

        Args:
            subject: as preflight names it, e.g. `base croquis` or `brand model atelier`.

        Raises:
            InputError: no person's name or no reason.
            ConflictError: no such licence blocks this listing.
        """
        if author.strip().lower() in ("", "local") or not reason.strip():
            raise InputError("An override needs a person's name and a reason.", "Give both; they are recorded.")
        listing = self._store.listings.get(listing_id)
        waiting = {use.subject: use for use in self._blocking(listing, self._variants(listing))}
        if subject not in waiting:
            names = ", ".join(waiting) or "none"
            raise ConflictError(f"No licence of '{subject}' blocks this listing.", f"Blocking now: {names}.")
        override = LicenceOverride(
            subject=subject,
            licence=waiting[subject].licence,
            author=author.strip(),
            reason=reason.strip(),
            created_at=now(),
        )
        return self._checked(listing.model_copy(update={"overrides": (*listing.overrides, override)}))

    def preflight(self, listing: Listing) -> tuple[PreflightFinding, ...]:
        """Findings for every filled slot, in the order of the slots; stores nothing."""
        channel, cards = self._channel(listing.channel), self._cards()
        findings: list[PreflightFinding] = []
        for position, (slot, variant) in enumerate(zip(listing.slots, self._variants(listing), strict=True)):
            earlier = [other.variant_id for other in listing.slots[:position]]
            with Image.open(self._path(variant)) as image:
                findings += check_slot(slot, position, image, channel, repeated=variant.id in earlier)
            findings += check_licences(slot, licence_uses(variant.request, *cards), listing.overrides)
        return tuple(findings)

    def package(self, listing_id: str) -> Path:
        """Write the zip of a listing and record its path and hash.

        Raises:
            ConflictError: a variant's newest decision is not an approval; names all of them.
            RightsError: a licence blocks the export and nobody has overridden it.
            FaultsError: preflight refuses a slot, or a picture cannot be encoded within the channel's limits.
            ResourceError: no room on the disk.
        """
        listing = self._store.listings.get(listing_id)
        if not listing.slots:
            raise ConflictError(f"Listing {listing_id} has no pictures.", "Put approved variants into its slots.")
        variants = self._variants(listing)
        approvals = self._require_approved(variants)
        if blocked := self._blocking(listing, variants):
            raise RightsError(
                "Export is blocked: " + "; ".join(use.words for use in blocked) + ".",
                "Use another base or brand model, or let a named person override it.",
            )
        listing = self._checked(listing)
        channel = self._channel(listing.channel)
        refused = [Fault(f.slot, f"{f.message}.", f.fix) for f in listing.findings if f.level == "refused"]
        if refused:
            raise FaultsError(f"{listing.sku} for {channel.title}", refused)
        pictures = [
            ApprovedPicture(
                slot, variant, self._path(variant), licence_uses(variant.request, *self._cards()), approval.author
            )
            for slot, variant, approval in zip(listing.slots, variants, approvals, strict=True)
        ]
        data = build_package(listing, self._store.products.get(listing.sku), channel, pictures)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._settings.packages_dir / f"{safe_stem(listing.sku)}_{listing.channel}_{sha256[:12]}.zip"
        write_atomic(path, data)
        self._store.listings.put(listing.model_copy(update={"package_path": str(path), "package_sha256": sha256}))
        return path

    def _slot_faults(self, listing: Listing, slots: Sequence[SlotImage], known: Sequence[str]) -> list[Fault]:
        faults = []
        for place, image in enumerate(slots):
            if image.slot not in known:
                faults.append(Fault(image.slot, f"is no slot of {listing.channel}.", f"Use {', '.join(known)}."))
            if image.slot in (other.slot for other in slots[:place]):
                faults.append(Fault(image.slot, "is filled twice.", "Put one picture into each slot."))
            if self._store.variants.get(image.variant_id).sku != listing.sku:
                what = f"{image.variant_id} shows another product."
                faults.append(Fault(image.slot, what, f"Choose a variant of {listing.sku}."))
        return faults

    def _checked(self, listing: Listing) -> Listing:
        """The listing with fresh findings, stored."""
        fresh = listing.model_copy(update={"findings": self.preflight(listing)})
        self._store.listings.put(fresh)
        return fresh

    def _blocking(self, listing: Listing, variants: Iterable[Variant]) -> list[LicenceUse]:
        cards = self._cards()
        uses = [use for variant in variants for use in licence_uses(variant.request, *cards)]
        return blocking(uses, [override.subject for override in listing.overrides])

    def _require_approved(self, variants: Iterable[Variant]) -> list[Decision]:
        """The approving decisions. Raises ConflictError naming every variant that is not approved."""
        approvals, others = [], []
        for variant in variants:
            decision = self._newest(variant.id)
            if decision and decision.verdict == "approved":
                approvals.append(decision)
            else:
                others.append(f"{variant.id} ({decision.verdict if decision else 'undecided'})")
        if others:
            raise ConflictError(f"Not approved: {', '.join(others)}.", "Approve them in review or take them out.")
        return approvals

    def _newest(self, variant_id: str) -> Decision | None:
        decisions = standing(self._store.decisions.find(variant_id=variant_id))
        return decisions[-1] if decisions else None

    def _variants(self, listing: Listing) -> list[Variant]:
        return [self._store.variants.get(slot.variant_id) for slot in listing.slots]

    def _channel(self, name: str) -> Channel:
        return pick(self._presets.channels(), name, "channel")

    def _cards(self) -> tuple[dict[str, BaseCard], dict[str, BrandModel]]:
        return self._presets.bases(), self._presets.brand_models()

    def _path(self, variant: Variant) -> Path:
        return self._store.files.path(variant.image_sha256)
