"""The face of the listing stage: approved pictures into a channel's slots, checked, and packed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from studio.errors import ConflictError, Fault, FaultsError, InputError, NotFoundError, RightsError
from studio.listing.alt_text import alt_text
from studio.listing.deliver import Encoder, in_shape
from studio.listing.encode import Encoded
from studio.listing.licences import LicenceUse, blocking, variant_licences
from studio.listing.naming import safe_stem
from studio.listing.package import ApprovedPicture, build_package, picture_names
from studio.listing.preflight import check_edits, check_licences, check_slot, not_approved
from studio.presets import Presets, pick
from studio.records.base import new_id, now
from studio.records.brand_model import BrandModel
from studio.records.capabilities import BaseCard
from studio.records.generation import Variant
from studio.records.listing import Channel, LicenceOverride, Listing, PreflightFinding, SlotImage
from studio.records.review import Decision, standing
from studio.settings import Settings
from studio.store import Store, write_atomic


@dataclass(frozen=True)
class Candidate:
    """An approved variant that may be put into a slot. `rating` is 0 where nobody gave one."""

    variant: Variant
    rating: int
    approved_by: str
    alt_text: str


@dataclass(frozen=True)
class Delivered:
    """One slot's picture as it would lie in the package."""

    file: str
    encoded: Encoded


class ListingService:
    """Listings of approved pictures."""

    def __init__(self, store: Store, settings: Settings, presets: Presets) -> None:
        self._store = store
        self._settings = settings
        self._presets = presets
        self._encoder = Encoder()

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
        slots = self.best_rated(sku, channel)
        return self._checked(Listing(id=new_id("lst"), sku=sku, channel=channel, slots=slots, created_at=now()))

    def open(self, sku: str, channel: str) -> Listing:
        """The newest listing of a product for a channel; where there is none yet, an empty one that is not stored.

        Raises:
            NotFoundError: no such product or channel.
        """
        self._store.products.get(sku)
        self._channel(channel)
        if found := self._store.listings.find(sku=sku, channel=channel):
            return found[-1].model_copy(update={"findings": self.preflight(found[-1])})
        return Listing(id=new_id("lst"), sku=sku, channel=channel, slots=(), created_at=now())

    def place(self, sku: str, channel: str, slots: Sequence[SlotImage]) -> Listing:
        """Put pictures into the newest listing of a product for a channel, or into its first one.

        Raises:
            NotFoundError: no such product, channel or variant.
            FaultsError: as `set_slots`.
        """
        return self._with_slots(self.open(sku, channel), slots)

    def candidates(self, sku: str) -> list[Candidate]:
        """The approved variants of a product, best rated first. Raises NotFoundError."""
        product = self._store.products.get(sku)
        found = []
        for variant in self._store.variants.find(sku=sku):
            if decision := self._approval(variant.id):
                words = alt_text(product, variant.request)
                found.append(Candidate(variant, decision.rating or 0, decision.author, words))
        return sorted(found, key=lambda candidate: -candidate.rating)  # stable: equal ratings in order of creation

    def best_rated(self, sku: str, channel: str) -> tuple[SlotImage, ...]:
        """The slots of a channel with the approved variants of a product, best rated first; stores nothing.

        Raises:
            NotFoundError: no such product or channel.
            ConflictError: no variant of the product is approved.
        """
        names, found = self._channel(channel).slots, self.candidates(sku)
        if not found:
            raise ConflictError(f"No variant of {sku} is approved.", "Review its variants first.")
        return tuple(
            SlotImage(slot=slot, variant_id=candidate.variant.id, alt_text=candidate.alt_text)
            for slot, candidate in zip(names, found, strict=False)
        )

    def set_slots(self, listing_id: str, slots: Sequence[SlotImage]) -> Listing:
        """Put other pictures, another order or other alternative texts into a listing, and check it again.

        Raises:
            FaultsError: a slot that the channel does not have or that is filled twice, a variant of another product.
        """
        return self._with_slots(self._store.listings.get(listing_id), slots)

    def _with_slots(self, listing: Listing, slots: Sequence[SlotImage]) -> Listing:
        known = self._channel(listing.channel).slots
        faults = self._slot_faults(listing, slots, known)
        if faults:
            raise FaultsError(f"Slots of {listing.id}", faults)
        ordered = tuple(sorted(slots, key=lambda image: known.index(image.slot)))
        return self._checked(listing.model_copy(update={"slots": ordered, "package_path": "", "package_sha256": ""}))

    def deliver(self, listing_id: str, slot: str) -> Delivered:
        """One slot's picture as it would lie in the package; what was encoded is kept, so packing is quick then.

        Raises:
            NotFoundError: no such listing, or an empty slot.
            InputError: the picture cannot be encoded within the channel's limits.
        """
        listing = self._store.listings.get(listing_id)
        names = [image.slot for image in listing.slots]
        if slot not in names:
            raise NotFoundError(f"Slot {slot} of {listing_id} is empty.", "Put a picture into it.")
        channel, image = self._channel(listing.channel), listing.slots[names.index(slot)]
        files = picture_names(self._store.products.get(listing.sku), channel, listing.slots)
        path = self._path(self._store.variants.get(image.variant_id))
        return Delivered(files[names.index(slot)], self._encoder(path, image, channel))

    def blocking_licences(self, listing: Listing) -> list[LicenceUse]:
        """The licences that block the export of a listing, each once, until a named person overrides them."""
        return self._blocking(listing, self._variants(listing))

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
            if not self._approval(variant.id):
                findings += not_approved(slot)
            with Image.open(self._path(variant)) as image:
                shaped = in_shape(image, slot, channel)
                findings += check_slot(slot, position, shaped, channel, repeated=variant.id in earlier)
            findings += check_edits(slot, variant.made_by)
            findings += check_licences(slot, variant_licences(variant, *cards), listing.overrides)
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
                slot, variant, self._path(variant), variant_licences(variant, *self._cards()), approval.author
            )
            for slot, variant, approval in zip(listing.slots, variants, approvals, strict=True)
        ]
        data = build_package(listing, self._store.products.get(listing.sku), channel, pictures, self._encoder)
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
        uses = [use for variant in variants for use in variant_licences(variant, *cards)]
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

    def _approval(self, variant_id: str) -> Decision | None:
        decision = self._newest(variant_id)
        return decision if decision and decision.verdict == "approved" else None

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
