"""The products of a store: taken in from a CSV or a form, with photos of the product itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from studio.errors import InputError, NotFoundError
from studio.label.products import product_of, read_products
from studio.measure.pictures import open_picture
from studio.records.product import Product
from studio.settings import Settings
from studio.store import Store


class ProductShelf:
    """Products as people take them in."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings

    def find(self, sku: str) -> Product | None:
        """The product of that SKU, if there is one."""
        try:
            return self._store.products.get(sku) if sku else None
        except NotFoundError:
            return None

    def take_in(self, path: Path, *, encoding: str) -> list[Product]:
        """Take in products from a CSV, all of them or none; photos that a product has already stay with it.

        Raises:
            FaultsError: every fault with its line.
            InputError: not readable.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path.name!r} cannot be read: {error.strerror}.", "Check the path.") from error
        products = read_products(data, path.name, encoding=encoding)
        with self._store.transaction():
            for product in products:
                old = self.find(product.sku)
                kept = old.photo_sha256 if old else ()
                self._store.products.put(product.model_copy(update={"photo_sha256": kept}))
        return [self._store.products.get(product.sku) for product in products]

    def add(self, cells: Mapping[str, str]) -> Product:
        """Take in one new product from texts named like the columns of the CSV, as a form has them.

        Raises:
            FaultsError: every wrong field.
            ConflictError: there is a product of that SKU.
        """
        product = product_of(cells)
        self._store.products.add(product)
        return product

    def add_photos(self, sku: str, paths: Sequence[Path]) -> Product:
        """Put photos of the product itself into the store; the first one ever added is the main one.

        Raises:
            NotFoundError: no such product.
            InputError: a picture that cannot be used; none is added then.
        """
        product = self._store.products.get(sku)
        limits = self._settings
        for path in paths:
            open_picture(path, max_pixels=limits.max_image_pixels, max_bytes=limits.max_upload_bytes)
        added = [self._store.files.put_file(path) for path in paths]
        together = tuple(dict.fromkeys((*product.photo_sha256, *added)))
        changed = product.model_copy(update={"photo_sha256": together})
        self._store.products.put(changed)
        return changed
