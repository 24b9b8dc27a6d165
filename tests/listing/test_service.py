"""From approved variants to a package; what is not approved or not licensed stays out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from studio.errors import ConflictError, FaultsError, InputError, NotFoundError, RightsError
from studio.listing import ListingService
from studio.listing.alt_text import MAX_CHARACTERS, alt_text
from studio.listing.manifest import settings_sha256
from studio.listing.xmp import TRAINED_ALGORITHMIC_MEDIA, digital_source_type
from studio.records.generation import Variant
from studio.records.listing import SlotImage
from studio.records.product import Product
from studio.records.review import decide
from studio.records.tool import ToolUse
from studio.store import Store
from tests.listing.pictures import painted

SKU = "DRESS-01"
Add = Callable[..., Variant]


def test_approved_pictures_come_in_order_of_rating(listings: ListingService, add_variant: Add) -> None:
    plain, rejected = add_variant(seed=1), add_variant(seed=2, verdict="rejected")
    best, undecided = add_variant(seed=3, rating=5), add_variant(seed=4, verdict="undecided")
    listing = listings.fill(SKU, "shopify")
    assert [slot.variant_id for slot in listing.slots] == [best.id, plain.id]
    assert [slot.slot for slot in listing.slots] == ["main", "alt-1"]
    assert listing.slots[0].alt_text == "Linen dress in navy, worn by a woman in her 30s"
    assert not {rejected.id, undecided.id} & {slot.variant_id for slot in listing.slots}
    assert {finding.level for finding in listing.findings} <= {"ok", "warning"}


def test_a_package_holds_the_pictures_and_says_what_they_are(
    listings: ListingService, add_variant: Add, store: Store
) -> None:
    variants = [add_variant(seed=seed, adapters=("atelier",)) for seed in (1, 2)]
    listing = listings.fill(SKU, "rakuten")
    path = listings.package(listing.id)
    kept = store.listings.get(listing.id)
    assert kept.package_path == str(path)
    assert kept.package_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert list(files) == ["images/DRESS-01_01.jpg", "images/DRESS-01_02.jpg", "manifest.csv", "manifest.json"]
    manifest = json.loads(files["manifest.json"])
    assert manifest["ai_disclosure"]["digital_source_type"] == TRAINED_ALGORITHMIC_MEDIA
    for position, (entry, variant) in enumerate(zip(manifest["images"], variants, strict=True), start=1):
        data = files[f"images/{entry['file']}"]
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["bytes"] == len(data)
        assert (entry["width_px"], entry["height_px"], entry["position"]) == (192, 256, position)
        assert entry["settings_sha256"] == settings_sha256(variant.request)
        assert entry["approved_by"] == "mika"
        assert [use["subject"] for use in entry["licences"]] == ["base croquis", "brand model atelier"]
        assert all(use["commercial_use"] is True for use in entry["licences"])
        assert digital_source_type(data) == TRAINED_ALGORITHMIC_MEDIA
        assert b"rm -rf" not in data
    rows = list(csv.DictReader(io.StringIO(files["manifest.csv"].decode("utf-8-sig"))))
    assert [row["variant_id"] for row in rows] == [variant.id for variant in variants]
    assert rows[0]["ai_generated"] == "yes"


def edited(variant: Variant, **changes: object) -> Variant:
    """The variant as a tool's model would have left it."""
    use = ToolUse(
        tool="upscale", method="sharpener", weights_sha256="a" * 64, licence="CC-BY-NC-4.0", commercial_use=False,
        source_sha256=variant.image_sha256, settings={"factor": "2"},
    ).model_copy(update=changes)  # fmt: skip
    return variant.model_copy(update={"id": f"{variant.id}x", "derived_from": variant.id, "made_by": (use,)})


def test_what_tools_did_is_said_in_the_slot_and_stands_in_the_manifest(
    listings: ListingService, add_variant: Add, store: Store
) -> None:
    larger = edited(add_variant(verdict="undecided"), licence="BSD-3-Clause", commercial_use=True)
    store.variants.put(larger)
    assert listings.candidates(SKU) == []  # the larger one waits for a decision of its own
    store.decisions.add(decide(larger.id, "approved", author="mika"))
    listing = listings.fill(SKU, "rakuten")
    assert "enlarged 2 times by sharpener" in [finding.message for finding in listing.findings]
    with zipfile.ZipFile(listings.package(listing.id)) as archive:
        (entry,) = json.loads(archive.read("manifest.json"))["images"]
        (row,) = csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig")))
    assert entry["edits"] == [larger.made_by[0].model_dump(mode="json")]
    assert entry["licences"][-1] == {
        "subject": "tool sharpener", "licence": "BSD-3-Clause", "commercial_use": True,
    }  # fmt: skip
    assert row["edits"] == "upscale by sharpener (factor 2)"


def test_a_tools_licence_blocks_the_export_as_a_base_does(
    listings: ListingService, add_variant: Add, store: Store
) -> None:
    larger = edited(add_variant(verdict="undecided"))
    store.variants.put(larger)
    store.decisions.add(decide(larger.id, "approved", author="mika"))
    listing = listings.fill(SKU, "rakuten")
    with pytest.raises(RightsError, match=r"tool sharpener .CC-BY-NC-4\.0. is non-commercial"):
        listings.package(listing.id)
    listings.override_licence(listing.id, "tool sharpener", author="Mika", reason="a test")
    assert listings.package(listing.id).is_file()


def test_packing_twice_gives_the_same_bytes(listings: ListingService, add_variant: Add) -> None:
    add_variant()
    listing = listings.fill(SKU, "shopify")
    first = listings.package(listing.id)
    before = first.read_bytes()
    first.unlink()
    assert listings.package(listing.id).read_bytes() == before
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_a_withdrawn_approval_stops_the_package_and_is_named(
    listings: ListingService, add_variant: Add, store: Store
) -> None:
    kept, first, second = (add_variant(seed=seed) for seed in range(3))
    listing = listings.fill(SKU, "shopify")
    store.decisions.add(decide(first.id, "rejected", author="jun"))
    store.decisions.add(decide(second.id, "undecided", author="jun"))
    with pytest.raises(ConflictError) as caught:
        listings.package(listing.id)
    assert f"{first.id} (rejected)" in caught.value.message
    assert f"{second.id} (undecided)" in caught.value.message
    assert kept.id not in caught.value.message
    store.decisions.add(decide(first.id, "approved", author="jun"))
    store.decisions.add(decide(second.id, "approved", author="jun"))
    assert listings.package(listing.id).is_file()


def test_nothing_approved_makes_no_listing(listings: ListingService, add_variant: Add) -> None:
    add_variant(verdict="rejected")
    with pytest.raises(ConflictError, match="No variant"):
        listings.fill(SKU, "shopify")
    with pytest.raises(NotFoundError, match="rakuten"):
        listings.fill(SKU, "bazaar")
    with pytest.raises(NotFoundError):
        listings.fill("no such sku", "shopify")


def test_zalando_refuses_and_writes_nothing(listings: ListingService, add_variant: Add, tmp_path: Path) -> None:
    add_variant()
    listing = listings.fill(SKU, "zalando")
    with pytest.raises(FaultsError, match="192x256, needs 762x1100"):
        listings.package(listing.id)
    assert not list(tmp_path.rglob("*.zip"))


@pytest.mark.parametrize(
    ("made_with", "words"),
    [
        ({"base": "rehearsal"}, "base rehearsal (FLUX non-commercial) is non-commercial"),
        ({"base": "riddle"}, "not known to allow commercial use"),
        ({"base": "vanished"}, "not known to allow commercial use"),
        ({"adapters": ("borrowed",)}, "brand model borrowed"),
        ({"adapters": ("vanished",)}, "brand model vanished"),
    ],
)
def test_a_licence_blocks_until_a_named_person_answers_for_it(
    listings: ListingService, add_variant: Add, store: Store, made_with: dict[str, object], words: str
) -> None:
    add_variant(**made_with)
    listing = listings.fill(SKU, "shopify")
    assert any(f.level == "refused" and words in f.message for f in listing.findings)
    with pytest.raises(RightsError) as caught:
        listings.package(listing.id)
    assert words in caught.value.message
    subject = (
        next(f.message for f in listing.findings if f.level == "refused").split(" (")[0].removeprefix("the licence of ")
    )
    for author, reason in (("", "cleared"), ("local", "cleared"), ("Aoi", " ")):
        with pytest.raises(InputError):
            listings.override_licence(listing.id, subject, author=author, reason=reason)
    with pytest.raises(ConflictError):
        listings.override_licence(listing.id, "base croquis", author="Aoi", reason="cleared")
    answered = listings.override_licence(listing.id, subject, author="Aoi", reason="contract 7")
    assert not any(f.level == "refused" for f in answered.findings)
    assert any("Aoi answers for it" in f.message for f in answered.findings)
    with zipfile.ZipFile(listings.package(listing.id)) as archive:
        overrides = json.loads(archive.read("manifest.json"))["licence_overrides"]
    assert [(o["subject"], o["author"], o["reason"]) for o in overrides] == [(subject, "Aoi", "contract 7")]
    assert store.listings.get(listing.id).overrides == answered.overrides


def test_slots_are_rearranged_and_faults_come_together(
    listings: ListingService, add_variant: Add, store: Store
) -> None:
    first, second = add_variant(seed=1), add_variant(seed=2)
    store.products.put(Product(sku="OTHER", name="Skirt"))
    stranger = add_variant(seed=3, sku="OTHER")
    listing = listings.fill(SKU, "shopify")
    wrong = [
        SlotImage(slot="roof", variant_id=first.id),
        SlotImage(slot="main", variant_id=first.id),
        SlotImage(slot="main", variant_id=stranger.id),
    ]
    with pytest.raises(FaultsError) as caught:
        listings.set_slots(listing.id, wrong)
    assert [fault.where for fault in caught.value.faults] == ["roof", "main", "main"]
    swapped = listings.set_slots(
        listing.id,
        [
            SlotImage(slot="alt-1", variant_id=first.id),
            SlotImage(slot="main", variant_id=second.id, alt_text="A dress"),
        ],
    )
    assert [slot.variant_id for slot in swapped.slots] == [second.id, first.id]
    doubled = listings.set_slots(
        listing.id, [SlotImage(slot="main", variant_id=first.id), SlotImage(slot="alt-1", variant_id=first.id)]
    )
    assert [f.slot for f in doubled.findings if f.level == "refused"] == ["alt-1"]
    emptied = listings.set_slots(listing.id, [])
    with pytest.raises(ConflictError, match="no pictures"):
        listings.package(emptied.id)


def test_cells_are_not_run_as_formulas(listings: ListingService, add_variant: Add) -> None:
    variant = add_variant()
    listing = listings.fill(SKU, "shopify")
    evil = '=HYPERLINK("http://x","y")'
    listings.set_slots(listing.id, [SlotImage(slot="main", variant_id=variant.id, alt_text=evil)])
    with zipfile.ZipFile(listings.package(listing.id)) as archive:
        row = next(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
        assert json.loads(archive.read("manifest.json"))["images"][0]["alt_text"] == evil
    assert row["alt_text"] == f"'{evil}"


def test_large_pictures_are_sized_down_within_the_bytes(listings: ListingService, add_variant: Add) -> None:
    add_variant(painted(900, 4000))
    listing = listings.fill(SKU, "rakuten")
    assert any("sized down to 864x3840" in finding.message for finding in listing.findings)
    with zipfile.ZipFile(listings.package(listing.id)) as archive:
        data = archive.read("images/DRESS-01_01.jpg")
    assert len(data) <= 2_000_000
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (864, 3840)


def test_alt_text_is_one_short_line(add_variant: Add) -> None:
    request = add_variant().request
    assert alt_text(Product(sku="S", name="Navy\nlinen  dress", colourway="navy"), request).startswith(
        "Navy linen dress, "
    )
    assert len(alt_text(Product(sku="S", name="x" * 200), request)) <= MAX_CHARACTERS


def test_a_listing_is_opened_without_being_stored_and_stored_when_a_picture_is_placed(
    listings: ListingService, add_variant: Add, store: Store
) -> None:
    variant = add_variant()
    assert listings.open(SKU, "etsy").slots == ()
    assert store.listings.find() == []
    placed = listings.place(SKU, "etsy", [SlotImage(slot="main", variant_id=variant.id)])
    moved = listings.place(SKU, "etsy", [SlotImage(slot="alt-1", variant_id=variant.id)])
    assert (moved.id, [slot.slot for slot in moved.slots]) == (placed.id, ["alt-1"])
    assert [listing.id for listing in store.listings.find()] == [placed.id]
    with pytest.raises(NotFoundError):
        listings.open("NO-SUCH", "etsy")


def test_a_padded_picture_has_the_channels_shape_and_keeps_every_pixel(
    listings: ListingService, add_variant: Add
) -> None:
    variant = add_variant(painted(768, 1024))
    slot = SlotImage(slot="main", variant_id=variant.id, padded=True)
    listing = listings.place(SKU, "zalando", [slot])
    assert not [finding for finding in listing.findings if finding.level == "refused"]
    delivered = listings.deliver(listing.id, "main")
    with Image.open(io.BytesIO(delivered.encoded.data)) as image:
        assert image.size == (768, 1106)
        assert all(min(image.getpixel((384, y))) > 250 for y in (0, 1105))  # type: ignore[arg-type]
    with zipfile.ZipFile(listings.package(listing.id)) as archive:
        assert archive.read(f"images/{delivered.file}") == delivered.encoded.data


def test_a_picture_that_lost_its_approval_is_a_finding(
    listings: ListingService, add_variant: Add, store: Store
) -> None:
    variant = add_variant()
    listing = listings.fill(SKU, "etsy")
    store.decisions.add(decide(variant.id, "rejected", author="ken"))
    assert "unapproved" in {finding.code for finding in listings.preflight(listing)}
    assert listings.candidates(SKU) == []
    assert listings.open(SKU, "etsy").findings == listings.preflight(listing)
