"""Records in tables: one generic repository over key, search columns and the record as JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Select, Table, delete, func, select
from sqlalchemy.exc import IntegrityError

from studio.errors import ConflictError, InputError, NotFoundError
from studio.store.database import Database

R = TypeVar("R", bound=BaseModel)


class History(Generic[R]):
    """Records that are only ever added: captions and decisions keep everything that was once said."""

    def __init__(self, database: Database, table: Table, record_type: type[R], key: str = "id") -> None:
        self._database = database
        self._table = table
        self._type = record_type
        self._key = key
        self._columns = tuple(c.name for c in table.columns if c.name not in ("seq", "key", "body"))
        self._noun = table.name.replace("_", " ").removesuffix("s")

    def add(self, record: R) -> None:
        """Insert a new record.

        Raises:
            ConflictError: a record of that key exists.
            NotFoundError: the record it belongs to does not exist.
            InputError: the record holds a number that cannot be stored (not finite).
        """
        statement = (
            self._database.insert(self._table).values(self._row(record)).on_conflict_do_nothing(index_elements=["key"])
        )
        if self._write(statement, record) == 0:
            raise ConflictError(
                f"There is already a {self._noun} {self._key_of(record)!r}.", "Open that one, or choose another name."
            )

    def get(self, key: str) -> R:
        """The record of that key.

        Raises:
            NotFoundError: none such.
        """
        with self._database.reading() as connection:
            body = connection.scalar(select(self._table.c.body).where(self._table.c.key == key))
        if body is None:
            raise NotFoundError(f"There is no {self._noun} {key!r}.", "Check the name, or list what there is.")
        return self._type.model_validate_json(body)

    def find(self, *, newest: int | None = None, **where: str | Collection[str] | None) -> list[R]:
        """Records whose columns equal `where`, oldest first; a column given as None is not asked for.

        Args:
            newest: at most so many, the newest ones.
            where: column -> its value, or several values of which it has one.

        Raises:
            TypeError: a column that the table does not search by.
        """
        query = self._where(select(self._table.c.body), where).order_by(self._table.c.seq.desc()).limit(newest)
        with self._database.reading() as connection:
            bodies = list(connection.scalars(query))
        return [self._type.model_validate_json(body) for body in reversed(bodies)]

    def count(self, **where: str | Collection[str] | None) -> int:
        """How many records `find` would give. Raises TypeError as `find` does."""
        with self._database.reading() as connection:
            return connection.scalar(self._where(select(func.count()).select_from(self._table), where)) or 0

    def last(self) -> int:
        """The order number of the newest record, 0 without any; it grows with every record that is added."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.max(self._table.c.seq))) or 0

    def _where(self, query: Select[Any], where: Mapping[str, str | Collection[str] | None]) -> Select[Any]:
        if unknown := sorted(set(where) - {"key", *self._columns}):
            raise TypeError(f"{self._table.name} cannot be searched by {', '.join(unknown)}, only by {self._columns}")
        for name, value in where.items():
            column = self._table.c[name]
            if isinstance(value, str):
                query = query.where(column == value)
            elif value is not None:
                query = query.where(column.in_(value))
        return query

    def _write(self, statement: Any, record: R) -> int:
        try:
            with self._database.transaction() as connection:
                return connection.execute(statement).rowcount
        except IntegrityError as error:
            raise NotFoundError(
                f"The {self._noun} {self._key_of(record)!r} belongs to a record that does not exist.",
                "Store that one first.",
            ) from error

    def _row(self, record: R) -> dict[str, str]:
        body = record.model_dump_json()
        try:
            self._type.model_validate_json(body)  # JSON has no NaN: better refused now than unreadable later
        except ValidationError as error:
            raise InputError(
                f"The {self._noun} {self._key_of(record)!r} cannot be stored: {error.errors()[0]['msg']} "
                f"at {'.'.join(map(str, error.errors()[0]['loc']))}.",
                "Numbers must be finite.",
            ) from error
        return {"key": self._key_of(record), "body": body, **{c: str(getattr(record, c)) for c in self._columns}}

    def _key_of(self, record: R) -> str:
        return str(getattr(record, self._key))


class Repository(History[R]):
    """Records that may also be replaced and deleted."""

    def put(self, record: R) -> None:
        """Insert, or replace the record of the same key; its place in the order stays.

        Raises:
            NotFoundError: the record it belongs to does not exist.
            InputError: the record holds a number that cannot be stored (not finite).
        """
        row = self._row(record)
        changed = {name: value for name, value in row.items() if name != "key"}
        self._write(
            self._database.insert(self._table).values(row).on_conflict_do_update(index_elements=["key"], set_=changed),
            record,
        )

    def delete(self, key: str) -> None:
        """Remove the record.

        Raises:
            NotFoundError: none such.
            ConflictError: other records belong to it.
        """
        try:
            with self._database.transaction() as connection:
                count = connection.execute(delete(self._table).where(self._table.c.key == key)).rowcount
        except IntegrityError as error:
            raise ConflictError(
                f"The {self._noun} {key!r} is still in use by other records.", "Delete those first."
            ) from error
        if count == 0:
            raise NotFoundError(f"There is no {self._noun} {key!r}.", "Check the name, or list what there is.")
