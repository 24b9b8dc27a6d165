"""What every record is: frozen, typed, strict about unknown fields, and JSON on disk."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from studio.errors import Fault

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""A name that is safe as a folder: lower case, digits, `-` and `_`."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
LOCAL_PERSON = "local"
"""Whose name stands under what is done where nobody logs in."""
Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class Record(BaseModel):
    """Base of all records that stages hand on."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def new_id(prefix: str) -> str:
    """A fresh id such as `var_3f9c0a1b2c3d4e5f`; random, so it tells nothing and never collides in practice."""
    return f"{prefix}_{secrets.token_hex(8)}"


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def field_faults(error: ValidationError, whole: str = "") -> list[Fault]:
    """One Fault for each thing that a record refused, named by its field; `whole` names the record itself."""
    return [Fault(".".join(map(str, e["loc"])) or whole, f"{e['msg']}.") for e in error.errors()]
