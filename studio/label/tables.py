"""CSV from outside: header, line numbers, all faults together, and no cell that a spreadsheet would execute."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from typing import NamedTuple

from pydantic import ValidationError

from studio.errors import Fault, FaultsError, InputError

MAX_TABLE_BYTES = 8 * 1024**2
MAX_ROWS = 20_000
# Spreadsheets run a cell that begins so. A bare + or - is common in names ("+J") and numbers: there it takes a call.
_FORMULA = re.compile(r"^\s*[=@]|^[\t\r]|^\s*[+-].*[(!|]")
_RISKY_START = ("=", "+", "-", "@", "\t", "\r")


class Row(NamedTuple):
    """One line of a table: its line number in the file, and column -> text."""

    line: int
    cells: dict[str, str]


def decode(data: bytes, name: str, encoding: str = "utf-8-sig") -> str:
    """Text of a side file.

    Raises:
        InputError: too large, or in another encoding.
    """
    if len(data) > MAX_TABLE_BYTES:
        raise InputError(f"{name!r} has {len(data) / 1e6:.0f} MB, too much for a table.", "Split it.")
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise InputError(
            f"{name!r} is not in {encoding.removesuffix('-sig').upper()}.",
            "Save it as UTF-8, or name its encoding (Japanese Excel writes cp932).",
        ) from error


def read_table(data: bytes, name: str, required: Collection[str], *, encoding: str = "utf-8-sig") -> list[Row]:
    """Rows of a CSV file with a header; empty lines are skipped, text is stripped at both ends.

    Raises:
        FaultsError: missing or doubled columns, rows of another width, control characters, formulas; all of them.
        InputError: no text, too large, or no CSV at all.
    """
    reader = csv.reader(io.StringIO(decode(data, name, encoding), newline=""), strict=True)
    faults: list[Fault] = []
    rows: list[Row] = []
    try:
        header = [column.strip() for column in next(reader, [])]
        faults += _header_faults(header, required)
        for cells in reader:
            if len(rows) >= MAX_ROWS:
                raise InputError(f"{name!r} has more than {MAX_ROWS} rows.", "Split it.")
            if not any(cell.strip() for cell in cells):
                continue
            where = f"line {reader.line_num}"
            if len(cells) != len(header):
                faults.append(Fault(where, f"has {len(cells)} cells, the header has {len(header)}."))
                continue
            row = dict(zip(header, cells, strict=True))
            faults += [Fault(f"{where}, {column}", what) for column, cell in row.items() if (what := cell_fault(cell))]
            rows.append(Row(reader.line_num, {column: cell.strip() for column, cell in row.items()}))
    except csv.Error as error:
        raise InputError(f"{name!r}, line {reader.line_num}: {error}.", "Save the table again as CSV.") from error
    if faults:
        raise FaultsError(f"Table {name!r}", faults)
    return rows


def cell_fault(text: str) -> str:
    """What is wrong with a cell, or nothing."""
    if _FORMULA.search(text):
        return "begins like a spreadsheet formula."
    if any((ord(c) < 32 and c not in "\t\r\n") or ord(c) == 127 for c in text):
        return "holds control characters."
    return ""


def safe_cell(text: str) -> str:
    """Text for a CSV that people open in a spreadsheet: what could run as a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(_RISKY_START) else text


def row_faults(row: Row, error: ValidationError) -> list[Fault]:
    """A record's refusals as faults of the line they came from."""
    return [Fault(f"line {row.line}, {'.'.join(map(str, e['loc'])) or 'row'}", f"{e['msg']}.") for e in error.errors()]


def _header_faults(header: list[str], required: Collection[str]) -> list[Fault]:
    if not header:
        return [Fault("line 1", "is missing: the file is empty.", f"Give the columns {', '.join(required)}.")]
    faults = [Fault("line 1", f"lacks the column {column!r}.") for column in required if column not in header]
    doubled = sorted({column for column in header if header.count(column) > 1})
    return faults + [Fault("line 1", f"has the column {column!r} twice.") for column in doubled]
