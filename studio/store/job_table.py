"""The SQL of the job table: what `studio.jobs` asks for, one statement a method. Rows are plain dictionaries.

Methods that belong together are called inside one `Store.transaction()`; the rules lie in `studio.jobs.queue`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Select, func, insert, or_, select, update

from studio.store.database import Database
from studio.store.tables import ATTEMPTS, JOBS

Row = dict[str, Any]


class JobTable:
    """Rows of `jobs` and `attempts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, row: Row) -> bool:
        """A new job; False when another with its idempotency key was there first."""
        with self._database.transaction() as connection:
            return connection.execute(self._database.insert(JOBS).values(row).on_conflict_do_nothing()).rowcount == 1

    def get(self, job_id: str) -> Row | None:
        """The job, or None."""
        return next(iter(self._rows(select(JOBS).where(JOBS.c.id == job_id))), None)

    def by_idempotency_key(self, owner: str, key: str) -> Row | None:
        """The job that this owner submitted under that key, or None."""
        query = select(JOBS).where(JOBS.c.owner == owner, JOBS.c.idempotency_key == key)
        return next(iter(self._rows(query)), None)

    def find(self, status: str | None = None, owner: str | None = None) -> list[Row]:
        """Jobs, oldest first."""
        query = select(JOBS).order_by(JOBS.c.seq)
        if status is not None:
            query = query.where(JOBS.c.status == status)
        if owner is not None:
            query = query.where(JOBS.c.owner == owner)
        return self._rows(query)

    def count(self, status: str) -> int:
        """Number of jobs in that status."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(JOBS).where(JOBS.c.status == status)) or 0

    def recent_seconds(self, limit: int = 20) -> list[float]:
        """How long the last finished jobs took, newest first."""
        query = (
            select((JOBS.c.finished_at - JOBS.c.started_at).label("seconds"))
            .where(JOBS.c.status == "done")
            .order_by(JOBS.c.finished_at.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def has_work(self, kinds: Collection[str], now: float) -> bool:
        """Whether a claim might find something; a read only, for polling."""
        waiting = (JOBS.c.status == "waiting") & JOBS.c.kind.in_(kinds)
        expired = (JOBS.c.status == "running") & (JOBS.c.lease_until < now)
        with self._database.reading() as connection:
            return connection.scalar(select(JOBS.c.seq).where(or_(waiting, expired)).limit(1)) is not None

    def next_waiting(self, kinds: Collection[str], limit: int) -> list[Row]:
        """The next jobs in fair order, locked against other claimers."""
        return self._rows(next_waiting_query(kinds, limit))

    def lost(self, now: float, place: str | None) -> list[Row]:
        """Running jobs whose lease is over; with `place`, also all that run there."""
        gone = JOBS.c.lease_until < now
        if place is not None:
            gone = or_(gone, JOBS.c.place == place)
        query = select(JOBS).where(JOBS.c.status == "running", gone).with_for_update(skip_locked=True)
        return self._rows(query)

    def change(self, job_id: str, values: Row, *, status: str, token: int | None = None) -> bool:
        """Set columns, but only of a job in `status` (and under `token`). Returns whether it was."""
        statement = update(JOBS).where(JOBS.c.id == job_id, JOBS.c.status == status).values(values)
        if token is not None:
            statement = statement.where(JOBS.c.token == token)
        with self._database.transaction() as connection:
            return connection.execute(statement).rowcount == 1

    def pass_over(self, job_ids: Iterable[str]) -> None:
        """Count that these were ahead of the job that was taken."""
        statement = update(JOBS).where(JOBS.c.id.in_(list(job_ids))).values(passed_over=JOBS.c.passed_over + 1)
        with self._database.transaction() as connection:
            connection.execute(statement)

    def open_attempt(self, row: Row) -> None:
        """Write down that a try begins."""
        with self._database.transaction() as connection:
            connection.execute(insert(ATTEMPTS).values(row))

    def close_attempt(self, job_id: str, token: int, *, outcome: str, error: str, ended_at: float) -> None:
        """Write down how a try ended."""
        statement = update(ATTEMPTS).where(ATTEMPTS.c.job_id == job_id, ATTEMPTS.c.token == token)
        with self._database.transaction() as connection:
            connection.execute(statement.values(outcome=outcome, error=error, ended_at=ended_at))

    def attempts(self, job_id: str) -> list[Row]:
        """All tries of a job, oldest first."""
        return self._rows(select(ATTEMPTS).where(ATTEMPTS.c.job_id == job_id).order_by(ATTEMPTS.c.seq))

    def _rows(self, query: Select[Any]) -> list[Row]:
        with self._database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def next_waiting_query(kinds: Collection[str], limit: int) -> Select[Any]:
    """Waiting jobs: first of the owner whose last start is longest ago, among one owner's in order.

    On Postgres the rows are locked and others' locked rows skipped; SQLite's transaction is exclusive already.
    """
    others = JOBS.alias()
    last_start = select(func.max(others.c.started_at)).where(others.c.owner == JOBS.c.owner).scalar_subquery()
    return (
        select(JOBS)
        .where(JOBS.c.status == "waiting", JOBS.c.kind.in_(kinds))
        .order_by(func.coalesce(last_start, 0.0), JOBS.c.seq)
        .limit(limit)
        .with_for_update(skip_locked=True, of=JOBS)
    )
