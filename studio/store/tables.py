"""The tables as SQLAlchemy knows them. A change here needs a migration; a test compares the two.

A record table has the columns that are searched by, and the whole record as JSON in `body`. `seq` is the order of
creation. Job tables have columns only, because their SQL works on single values.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text
from sqlalchemy import UniqueConstraint as Unique

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _record_table(name: str, *columns: str, parents: dict[str, str] | None = None) -> Table:
    """`parents`: column -> record table whose key it holds."""
    links = {c: ForeignKey(f"{parent}.key") for c, parent in (parents or {}).items()}
    return Table(
        name,
        METADATA,
        Column("seq", Integer, primary_key=True),
        Column("key", String(80), nullable=False, unique=True),
        *(Column(c, String(200), *([links[c]] if c in links else []), nullable=False, index=True) for c in columns),
        Column("body", Text, nullable=False),
    )


PRODUCTS = _record_table("products")
DATASETS = _record_table("datasets", "name")
PHOTOS = _record_table("photos", "dataset_id", "sha256", "sku", "split", parents={"dataset_id": "datasets"})
CAPTIONS = _record_table("captions", "photo_id", parents={"photo_id": "photos"})
TRAINING_RUNS = _record_table("training_runs", "status")
VARIANTS = _record_table("variants", "batch_id", "sku")
MEASUREMENTS = _record_table("measurements", "variant_id", parents={"variant_id": "variants"})
DECISIONS = _record_table("decisions", "variant_id", parents={"variant_id": "variants"})
LISTINGS = _record_table("listings", "sku", "channel")
LICENCE_ACCEPTANCES = _record_table("licence_acceptances", "name")

# Moments are seconds since 1970 (UTC).
JOBS = Table(
    "jobs",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    Column("payload", Text, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("idempotency_key", String(200)),
    Column("body_sha256", String(64), nullable=False),
    Column("warm_key", String(200), nullable=False),
    Column("status", String(20), nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("seconds_left", Float),
    Column("attempts", Integer, nullable=False),
    Column("passed_over", Integer, nullable=False),
    Column("token", Integer, nullable=False),
    Column("worker", String(200), nullable=False),
    Column("place", String(600), nullable=False),
    Column("lease_until", Float),
    Column("result", Text),
    Column("error", Text, nullable=False),
    Column("error_slug", String(40), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Unique("owner", "idempotency_key"),
    Index(None, "status", "kind"),
    Index(None, "owner", "started_at"),
)

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("job_id", String(40), ForeignKey("jobs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("token", Integer, nullable=False),
    Column("worker", String(200), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("outcome", String(20), nullable=False),
    Column("error", Text, nullable=False),
    Unique("job_id", "token"),
)
