"""The connection to the one database: pragmas, migrations, transactions, and its errors in plain words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from studio.errors import ConflictError, ResourceError

BUSY_TIMEOUT_S = 30
_WRITING = "studio_writing"

# SQLite's primary result codes, https://sqlite.org/rescode.html
_PLAIN = {
    5: ("The database is busy: another process has been writing for too long.", "Try again."),
    8: ("The database may only be read.", "Check the owner and the rights of the studio's home folder."),
    10: ("The database could not be written (disk error or no room).", "Free disk space or check the disk; try again."),
    11: ("The database file is damaged.", "Restore it from a backup."),
    13: ("No room for the database on the disk.", "Free some disk space and try again; earlier work is untouched."),
    14: ("The database file cannot be opened.", "Check that the studio's home folder exists and may be written."),
    26: ("The database file is not an SQLite database.", "Move it away, or set STUDIO_HOME to another folder."),
}


class Database:
    """One engine for all threads. `transaction` is per thread: what a thread does inside it is one commit."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._local = threading.local()

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the SQLite of one machine."""
        return self.engine.dialect.name == "sqlite"

    def migrate(self) -> None:
        """Bring the tables to the present version; safe when several processes start at once.

        Raises:
            ConflictError: the database was written by a newer studio.
        """
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        with self.transaction() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise ConflictError(
                    f"The database has a version this studio does not know ({error}).", "Update the studio."
                ) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing. On SQLite it takes the write lock at once, so what it reads cannot change under it.

        A transaction inside a transaction is part of the outer one.

        Raises:
            ResourceError: no room, disk error, or another writer held the database for too long.
        """
        outer: Connection | None = getattr(self._local, "connection", None)
        if outer is not None:
            yield outer
            return
        connect = self.engine.execution_options(**{_WRITING: True}).begin
        with _plain_errors(), connect() as connection:
            self._local.connection = connection
            try:
                yield connection
            finally:
                self._local.connection = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view for reading; inside a transaction it sees that transaction's own writes."""
        outer: Connection | None = getattr(self._local, "connection", None)
        if outer is not None:
            yield outer
            return
        with _plain_errors(), self.engine.connect() as connection:
            yield connection

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An insert that knows ON CONFLICT: both dialects spell it alike, SQLAlchemy's neutral one lacks it."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        """Close all connections; SQLite then folds its write-ahead log into the file."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _prepare(dbapi_connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself, else BEGIN IMMEDIATE comes too late.
        dbapi_connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            dbapi_connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred BEGIN that writes later fails at once when somebody else wrote in between.
        writing = connection.get_execution_options().get(_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code in _PLAIN:
            raise ResourceError(*_PLAIN[code]) from error
        raise
