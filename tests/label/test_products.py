"""Products from CSV: sizes in millimetres, every fault with its line, no formulas."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import FaultsError, InputError
from studio.label import LabelService
from studio.label.products import read_products
from studio.label.tables import safe_cell
from studio.store import Store

GOOD = """sku,name,brand,colourway,price,currency,M.chest_mm,M.length_mm,L.chest_mm
D-1,Striped dress,Sasage,navy,12900,JPY,960,1050,1000
D-2,"Dress, long",Sasage,rust,129.5,EUR,960,,

D-3,+J シャツ,,,,,,,1010.5
"""


def test_products_with_their_size_tables(label: LabelService, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text(GOOD, encoding="utf-8-sig")
    products = label.import_products(path)
    assert [p.sku for p in products] == ["D-1", "D-2", "D-3"]
    assert products[0].size_table_mm == {"M": {"chest": 960, "length": 1050}, "L": {"chest": 1000}}
    assert products[1].name == "Dress, long"
    assert products[1].price == 129.5
    assert products[2].currency == "JPY"
    assert products[2].price is None
    assert store.products.get("D-3").name == "+J シャツ"


def test_every_fault_is_named_with_its_line_and_nothing_is_taken(
    label: LabelService, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "products.csv"
    path.write_text(
        "sku,name,price,M.chest_mm,M.waist_cm,shoe\n"
        "D-1,Dress,12900,960,,\n"
        ",No number,1,1,,\n"
        "D-2,,1,1,,\n"
        "D-1,Twice,1,1,,\n"
        "D/../x,Path,abc,-5,,\n"
        "D-4,Infinite,inf,nan,,\n",
        encoding="utf-8",
    )
    with pytest.raises(FaultsError) as caught:
        label.import_products(path)
    wheres = {fault.where for fault in caught.value.faults}
    assert wheres >= {
        "line 1, M.waist_cm", "line 1, shoe", "line 3, sku", "line 4, name", "line 5, sku", "line 6, price",
        "line 6, M.chest_mm", "line 7, price", "line 7, M.chest_mm",
    }  # fmt: skip
    assert store.products.find() == []


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|x", '=HYPERLINK("http://x")'])
def test_formulas_are_refused(cell: str) -> None:
    quoted = cell.replace('"', '""')
    with pytest.raises(FaultsError, match="line 2, name: begins like a spreadsheet formula"):
        read_products(f'sku,name\nD-1,"{quoted}"\n'.encode(), "products.csv")


def test_what_is_written_for_spreadsheets_cannot_run() -> None:
    assert safe_cell("=1+1") == "'=1+1"
    assert safe_cell("+J") == "'+J"
    assert safe_cell("dress") == "dress"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"name\nDress\n", "lacks the column 'sku'"),
        (b"sku,sku,name\n1,2,3\n", "column 'sku' twice"),
        (b"sku,name\nD-1\n", "line 2: has 1 cells"),
        (b"sku,name\nD-1,nul\0byte\n", "control characters"),
        (b'sku,name\nD-1,"open\n', "line 2: unexpected end"),
        (b"sku,name\nD-1," + b"x" * 200_000 + b"\n", "field larger"),
        ("sku,name\nD-1,シャツ\n".encode("cp932"), "not in UTF-8"),
        (b"sku,name\n" + b"D,x\n" * 20_001, "more than 20000 rows"),
    ],
)
def test_files_that_are_no_table(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_products(data, "products.csv")


def test_japanese_excel_is_read_when_it_is_named() -> None:
    (product,) = read_products("sku,name\nD-1,シャツ\n".encode("cp932"), "products.csv", encoding="cp932")
    assert product.name == "シャツ"
    with pytest.raises(InputError):
        read_products(b"sku,name\n", "products.csv", encoding="no-such-encoding")
