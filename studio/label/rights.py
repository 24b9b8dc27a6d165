"""Rights per photo from a side file: `rights.csv` or `rights.yaml` beside the photos."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import ValidationError

from studio.errors import Fault, FaultsError, InputError
from studio.label.tables import Row, decode, read_table, row_faults
from studio.records.photo import Photo, Rights

FIELDS = tuple(Rights.model_fields)
FILE_NAMES = ("rights.csv", "rights.yaml", "rights.yml")
MAX_DEPTH = 8
DEFAULT = ""
"""Key of the rights that hold for every photo without its own."""


def read_rights(data: bytes, name: str) -> dict[str, Rights]:
    """File name -> rights; the key `DEFAULT` holds for all others.

    A CSV has the columns file_name, source, owner, licence, model_release, expires_on (an empty file_name or `*` is
    the default). A YAML file has `default:` and `photos:`, where a photo's entries override the default's.

    Raises:
        FaultsError: every faulty line or entry.
        InputError: not readable.
    """
    return _from_csv(data, name) if name.lower().endswith(".csv") else _from_yaml(data, name)


def write_rights(photos: dict[str, Photo]) -> bytes:
    """`rights.yaml` for file name -> photo, as `read_rights` takes it."""
    table = {file_name: photo.rights.model_dump(mode="json") for file_name, photo in photos.items()}
    return yaml.safe_dump({"photos": table}, allow_unicode=True, sort_keys=True).encode()


def _from_csv(data: bytes, name: str) -> dict[str, Rights]:
    rights: dict[str, Rights] = {}
    faults: list[Fault] = []
    for row in read_table(data, name, ("file_name",)):
        faults += [
            Fault(f"line {row.line}", f"has the unknown column {column!r}.")
            for column in row.cells
            if column not in (*FIELDS, "file_name")
        ]
        key = row.cells["file_name"].removeprefix("*")
        given = {field: row.cells[field] for field in FIELDS if row.cells.get(field)}
        _add(rights, key, given, row, faults)
    if faults:
        raise FaultsError(f"Rights in {name!r}", faults)
    return rights


def _from_yaml(data: bytes, name: str) -> dict[str, Rights]:
    text = decode(data, name)
    try:
        _refuse_monsters(text, name)
        content = yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{name!r} is no valid YAML ({error}).", "Mend the line it names.") from error
    if not isinstance(content, dict) or not set(content) <= {"default", "photos"}:
        raise InputError(f"{name!r} must hold `default:` and `photos:`, nothing else.", "See the guide on labelling.")
    default, photos = content.get("default") or {}, content.get("photos") or {}
    rights: dict[str, Rights] = {}
    faults: list[Fault] = []
    if not isinstance(default, dict) or not isinstance(photos, dict):
        raise InputError(f"In {name!r} `default:` and `photos:` must hold names and values.", "Indent them below.")
    if default:
        _add(rights, DEFAULT, default, "default", faults)
    for key, given in photos.items():
        if not isinstance(given or {}, dict):
            faults.append(Fault(str(key), "must hold names and values."))
        else:
            _add(rights, str(key), {**default, **(given or {})}, str(key), faults)
    if faults:
        raise FaultsError(f"Rights in {name!r}", faults)
    return rights


def _refuse_monsters(text: str, name: str) -> None:
    """Anchors let a small file grow without end, deep nesting takes minutes to parse; a rights list needs neither."""
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
            raise InputError(f"{name!r} uses YAML anchors.", "Write the values out.")
        opens = isinstance(token, yaml.FlowMappingStartToken | yaml.FlowSequenceStartToken)
        depth += opens - isinstance(token, yaml.FlowMappingEndToken | yaml.FlowSequenceEndToken)
        if depth > MAX_DEPTH:
            raise InputError(f"{name!r} is nested too deeply.", "Write `default:` and `photos:` only.")


def _add(rights: dict[str, Rights], key: str, given: dict[str, Any], where: Row | str, faults: list[Fault]) -> None:
    if key in rights:
        faults.append(Fault(f"line {where.line}" if isinstance(where, Row) else where, f"{key!r} stands there twice."))
    try:
        rights[key] = Rights.model_validate(given)
    except ValidationError as error:
        if isinstance(where, Row):
            faults += row_faults(where, error)
        else:
            faults += [Fault(f"{where}, {'.'.join(map(str, e['loc']))}", f"{e['msg']}.") for e in error.errors()]
