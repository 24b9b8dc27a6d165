"""The listing tab's work surface: approved pictures, a channel's slots with their findings, and the shop's page."""

from __future__ import annotations

import base64
import binascii
import tempfile
from pathlib import Path
from typing import Any

from studio.errors import CapabilityError, InputError
from studio.records.base import LOCAL_PERSON
from studio.records.listing import Channel, Listing, SlotImage
from studio.records.product import Product
from studio.studio import Studio
from studio.ui.brands import other_skus
from studio.ui.picture_tools import tool_actions
from studio.ui.piece import Piece


class ListingDesk(Piece):
    """What the listing tab shows. A listing is addressed by SKU and channel; every change is saved at once."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        super().__init__(
            fill=True,
            actions={
                "start": self._start, "open": self._open, "save": self._save,
                "best_rated": self._best_rated, "deliver": self._deliver, "package": self._package,
                "override": self._override, "settings": self._settings,
                "add_product": self._add_product, "import_products": self._import_products, **tool_actions(studio),
            },
        )  # fmt: skip

    def _start(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """All products of a `brand`, or of all of them, and all channels to choose from, and who asks."""
        others = other_skus(self._studio, message)
        return {
            "products": [_product_row(one) for one in self._studio.store.products.find() if one.sku not in others],
            "channels": [_channel_row(channel) for channel in self._studio.listing.channels().values()],
            "person": "" if person == LOCAL_PERSON else person,
        }

    def _open(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """The listing of `sku` for `channel` with everything around it."""
        return self._view(self._studio.listing.open(str(message["sku"]), str(message["channel"])))

    def _save(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Puts `slots` into the listing of `sku` for `channel`."""
        slots = [
            SlotImage(
                slot=str(slot["slot"]),
                variant_id=str(slot["variant_id"]),
                alt_text=" ".join(str(slot.get("alt_text", "")).split()),
                padded=bool(slot.get("padded")),
            )
            for slot in message["slots"]
        ]
        return self._view(self._studio.listing.place(str(message["sku"]), str(message["channel"]), slots))

    def _best_rated(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        """The slots as the ratings would fill them; saves nothing."""
        slots = self._studio.listing.best_rated(str(message["sku"]), str(message["channel"]))
        return [slot.model_dump() for slot in slots]

    def _deliver(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Name and weight of one slot's picture as it will be written, or why it cannot be."""
        try:
            found = self._studio.listing.deliver(str(message["id"]), str(message["slot"]))
        except (InputError, CapabilityError) as error:  # shown in the slot, where it belongs
            return {"fault": error.message, "fix": error.next_step}
        encoded = found.encoded
        return {"file": found.file, "bytes": len(encoded.data), "width": encoded.width_px, "height": encoded.height_px}

    def _package(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Writes the package of the listing `id`."""
        self._studio.listing.package(str(message["id"]))
        return self._view(self._studio.listing.get(str(message["id"])))

    def _override(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Records that a person answers for `subject`; who is logged in cannot sign with another name."""
        author = str(message.get("author", "")) if person == LOCAL_PERSON else person
        subject, reason = str(message["subject"]), str(message.get("reason", ""))
        return self._view(
            self._studio.listing.override_licence(str(message["id"]), subject, author=author, reason=reason)
        )

    def _settings(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """All settings that a variant was made with."""
        request = self._studio.store.variants.get(str(message["variant_id"])).request
        return request.model_dump(mode="json")

    def _add_product(self, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Takes in one product from the form's fields."""
        cells = {str(name): str(text) for name, text in message["fields"].items()}
        return _product_row(self._studio.label.add_product(cells))

    def _import_products(self, message: dict[str, Any], person: str) -> list[dict[str, Any]]:
        """Takes in the products of a CSV, sent as base64."""
        try:
            data = base64.b64decode(str(message["data"]), validate=True)
        except binascii.Error as error:
            raise InputError("The file did not arrive whole.", "Choose it again.") from error
        name = Path(str(message["name"]).replace("\\", "/")).name.lstrip(".")[-80:] or "products.csv"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            found = self._studio.label.import_products(path, encoding=str(message.get("encoding", "utf-8-sig")))
        return [_product_row(product) for product in found]

    def _view(self, listing: Listing) -> dict[str, Any]:
        variants = self._studio.store.variants
        blocking = self._studio.listing.blocking_licences(listing)
        return {
            "id": listing.id,
            "sku": listing.sku,
            "channel": listing.channel,
            "slots": [
                {**slot.model_dump(), "sha256": variants.get(slot.variant_id).image_sha256} for slot in listing.slots
            ],
            "findings": [finding.model_dump(exclude={"variant_id"}) for finding in listing.findings],
            "licences": [
                {"subject": use.subject, "licence": use.licence, "forbidden": use.commercial_use is False}
                for use in blocking
            ],
            "package": Path(listing.package_path).name,
            "product": self._studio.store.products.get(listing.sku).model_dump(mode="json"),
            "pictures": [
                {
                    "variant_id": candidate.variant.id, "sha256": candidate.variant.image_sha256,
                    "rating": candidate.rating, "approved_by": candidate.approved_by, "alt_text": candidate.alt_text,
                }
                for candidate in self._studio.listing.candidates(listing.sku)
            ],
        }  # fmt: skip


def _product_row(product: Product) -> dict[str, Any]:
    return {"sku": product.sku, "name": product.name, "brand": product.brand, "colourway": product.colourway}


def _channel_row(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "title": channel.title,
        "slots": list(channel.slots),
        "aspect": channel.aspect.value if channel.aspect else None,
    }
