"""What a variant is held against: the product's photo and the training photos of its brand models, each read once."""

from __future__ import annotations

from studio.errors import InputError, NotFoundError
from studio.measure.copies import Fingerprint, fingerprint
from studio.measure.pictures import RGB, open_picture
from studio.presets import Presets
from studio.records.brand_model import BrandModel
from studio.records.generation import Variant
from studio.review.measured import CopySources, GarmentReference, PictureJudge, garment_reference
from studio.settings import Settings
from studio.store import Store


class References:
    """References for the variants of one call of `measure`.

    Args:
        product_photo: content address that replaces the main photo of every product.

    Raises:
        NotFoundError: `product_photo` is not in the file store.
    """

    def __init__(
        self, store: Store, settings: Settings, presets: Presets, judge: PictureJudge | None, product_photo: str | None
    ) -> None:
        self._store = store
        self._settings = settings
        self._judge = judge
        self._product_photo = product_photo
        self._models: dict[str, BrandModel] = presets.brand_models()
        self._garments: dict[str, GarmentReference] = {}
        self._fingerprints: dict[str, Fingerprint] = {}
        if product_photo is not None:
            store.files.path(product_photo)

    def garment(self, variant: Variant) -> GarmentReference | None:
        """The garment that the variant should show; None where the variant belongs to no product."""
        photo = self._product_photo
        if photo is None:
            sku = variant.sku or variant.request.sku
            if not sku:
                return None
            try:
                photos = self._store.products.get(sku).photo_sha256
            except NotFoundError:
                return GarmentReference(missing=f"there is no product {sku}")
            if not photos:
                return GarmentReference(missing=f"product {sku} has no photo")
            photo = photos[0]
        if photo not in self._garments:
            self._garments[photo] = self._read_garment(photo)
        return self._garments[photo]

    def training_photos(self, variant: Variant) -> CopySources | None:
        """Training photos of the variant's brand models; None where it was made without any."""
        names = [adapter.brand_model for adapter in variant.request.adapters if adapter.adapter_weight]
        if not names:
            return None
        photos: dict[str, Fingerprint] = {}
        for name in names:
            model = self._models.get(name)
            if model is None:
                return CopySources({}, f"there is no brand model {name}")
            for sha256 in model.training_sha256:
                try:
                    photos[sha256] = self._fingerprint(sha256)
                except (NotFoundError, InputError):
                    # One missing photo might be the copied one: a number would claim too much.
                    return CopySources({}, f"training photo {sha256[:12]} of {name} cannot be read")
            if model.imported is not None:
                return CopySources({}, f"brand model {name} came without its training photos")
            if not model.training_sha256:
                return CopySources({}, f"brand model {name} names no training photos")
        return CopySources(photos)

    def _read_garment(self, sha256: str) -> GarmentReference:
        try:
            rgb = self._rgb(sha256)
        except (NotFoundError, InputError) as error:
            return GarmentReference(missing=f"the product photo cannot be read ({error.message})")
        return garment_reference(rgb, self._judge.read([rgb])[0] if self._judge else None)

    def _fingerprint(self, sha256: str) -> Fingerprint:
        if sha256 not in self._fingerprints:
            self._fingerprints[sha256] = fingerprint(self._rgb(sha256))
        return self._fingerprints[sha256]

    def _rgb(self, sha256: str) -> RGB:
        return open_picture(self._store.files.path(sha256), max_pixels=self._settings.max_image_pixels).rgb
