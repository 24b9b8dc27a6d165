"""Products from a CSV: one line a product, its size table in columns like `M.chest_mm`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from pydantic import ValidationError

from studio.errors import Fault, FaultsError
from studio.label.tables import Row, cell_fault, read_table, row_faults
from studio.records.product import Product

_PLAIN = ("sku", "name", "brand", "colourway", "price", "currency")
_SIZE = re.compile(r"^(?P<size>[^.]{1,20})\.(?P<measure>[a-z][a-z0-9_]{0,39})_(?P<unit>mm|cm|m|in|inch)$")
_SKU = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,79}$")
MAX_MM = 5000.0


def read_products(data: bytes, name: str, *, encoding: str = "utf-8-sig") -> list[Product]:
    """The products of a CSV file.

    Columns: `sku` and `name`; optional `brand`, `colourway`, `price`, `currency`; and any number of
    `<size>.<measurement>_mm`. Empty size cells are left out of the table.

    Raises:
        FaultsError: everything that is wrong, each with its line number; no product is returned then.
        InputError: no readable CSV.
    """
    rows = read_table(data, name, ("sku", "name"), encoding=encoding)
    faults = _column_faults(rows)
    products: list[Product] = []
    seen: dict[str, int] = {}
    for row in rows:
        sku = row.cells["sku"]
        if sku in seen:
            faults.append(Fault(f"line {row.line}, sku", f"{sku!r} stands in line {seen[sku]} already."))
        seen.setdefault(sku, row.line)
        product, wrong = _product(row)
        faults += wrong
        if product is not None:
            products.append(product)
    if faults:
        raise FaultsError(f"Products in {name!r}", faults, "Mend these lines; nothing was taken in.")
    return products


def product_of(cells: Mapping[str, str]) -> Product:
    """One product from texts named like the columns of the CSV. Raises FaultsError, naming every wrong field."""
    row = Row(1, {"sku": "", "name": ""} | {name: text.strip() for name, text in cells.items()})
    product, faults = _product(row)
    faults += [Fault(name, what) for name, text in row.cells.items() if (what := cell_fault(text))]
    faults += _column_faults([row])
    if product is None or faults:
        # A form has no lines.
        raise FaultsError("Product", [Fault(f.where.removeprefix("line 1, "), f.what, f.next_step) for f in faults])
    return product


def _column_faults(rows: list[Row]) -> list[Fault]:
    faults = []
    for column in rows[0].cells if rows else ():
        match = _SIZE.match(column)
        if match and match["unit"] != "mm":
            faults.append(Fault(f"line 1, {column}", "is not in millimetres.", "Convert it and end its name in _mm."))
        elif not match and column not in _PLAIN:
            faults.append(Fault(f"line 1, {column}", "is no known column.", "Sizes are written like M.chest_mm."))
    return faults


def _product(row: Row) -> tuple[Product | None, list[Fault]]:
    cells, faults = row.cells, []
    sku_text = cells["sku"]
    if not _SKU.match(sku_text):
        faults.append(Fault(f"line {row.line}, sku", f"{sku_text!r} may hold letters, digits, space and . _ / - only."))
    sizes: dict[str, dict[str, float]] = {}
    for column, text in cells.items():
        match = _SIZE.match(column)
        if match is None or not text:
            continue
        number = _number(text)
        if number is None or not 0 < number <= MAX_MM:
            faults.append(Fault(f"line {row.line}, {column}", f"{text!r} is no length between 0 and {MAX_MM:.0f} mm."))
        else:
            sizes.setdefault(match["size"], {})[match["measure"]] = number
    price = _number(cells.get("price", ""))
    if cells.get("price") and (price is None or price < 0):
        faults.append(
            Fault(f"line {row.line}, price", f"{cells['price']!r} is no price.", "Write it like 12900 or 129.5.")
        )
    given = {name: cells[name] for name in ("sku", "name", "brand", "colourway", "currency") if cells.get(name)}
    try:
        product = Product.model_validate({"name": "", **given, "price": price, "size_table_mm": sizes})
    except ValidationError as error:
        return None, faults + row_faults(row, error)
    return product, faults


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
