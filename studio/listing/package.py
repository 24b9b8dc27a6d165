"""The zip of a listing: encoded pictures under `images/` with their manifest beside them.

The same approved pictures give the same bytes, on every machine and at every time.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import Fault, FaultsError, InputError
from studio.listing.channels import delivered_format
from studio.listing.deliver import Encoder
from studio.listing.encode import Encoded
from studio.listing.licences import LicenceUse
from studio.listing.manifest import PackedImage, manifest_csv, manifest_json
from studio.listing.naming import file_names
from studio.records.generation import Variant
from studio.records.listing import Channel, Listing, SlotImage
from studio.records.product import Product

_SUFFIXES = {"jpeg": ".jpg", "webp": ".webp"}
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can name; the true one would change the bytes at every packing."""
_UNIX = 3
_PLAIN_FILE_MODE = 0o100644


@dataclass(frozen=True)
class ApprovedPicture:
    """A picture that may be packed: `path` is its PNG, `approved_by` the author of the newest decision."""

    slot: SlotImage
    variant: Variant
    path: Path
    licences: tuple[LicenceUse, ...]
    approved_by: str


def build_package(
    listing: Listing, product: Product, channel: Channel, pictures: Sequence[ApprovedPicture], encoder: Encoder
) -> bytes:
    """Encode, name, describe and zip.

    Raises:
        FaultsError: naming every picture that cannot be encoded within the channel's limits, or a bad name pattern.
        CapabilityError: the channel takes no format that can be written.
    """
    names = picture_names(product, channel, [picture.slot for picture in pictures])
    encoded = _encode_all(f"{listing.sku} for {channel.title}", channel, pictures, encoder)
    packed = [
        PackedImage(name, picture.slot, position, picture.variant, result, picture.licences, picture.approved_by)
        for position, (name, picture, result) in enumerate(zip(names, pictures, encoded, strict=True), start=1)
    ]
    files = {f"images/{image.file}": image.encoded.data for image in packed}
    files["manifest.json"] = manifest_json(listing, product, channel, packed)
    files["manifest.csv"] = manifest_csv(listing, packed)
    return zip_bytes(files)


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip with these files in the order of their names.

    Stored, not deflated: pictures do not shrink, and the output of deflate differs between zlib versions.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.create_system = _UNIX
            entry.external_attr = _PLAIN_FILE_MODE << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def picture_names(product: Product, channel: Channel, slots: Sequence[SlotImage]) -> list[str]:
    """The file names of a listing's pictures, in the order of its slots. Raises FaultsError, CapabilityError."""
    rows: list[dict[str, str | int]] = [
        {
            "sku": product.sku,
            "channel": channel.name,
            "slot": slot.slot,
            "index": position,
            "colourway": product.colourway,
            "brand": product.brand,
            "variant": slot.variant_id,
        }
        for position, slot in enumerate(slots, start=1)
    ]
    return file_names(channel.file_name_pattern, rows, _SUFFIXES[delivered_format(channel)])


def _encode_all(subject: str, channel: Channel, pictures: Sequence[ApprovedPicture], encoder: Encoder) -> list[Encoded]:
    encoded, faults = [], []
    for picture in pictures:
        try:
            encoded.append(encoder(picture.path, picture.slot, channel))
        except InputError as error:
            faults.append(Fault(picture.slot.slot, error.message, error.next_step))
    if faults:
        raise FaultsError(subject, faults)
    return encoded
