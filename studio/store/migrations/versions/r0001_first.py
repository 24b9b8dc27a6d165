"""The first tables: records, jobs and their attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    _records("products")
    _records("datasets", "name")
    _records("photos", "dataset_id", "sha256", "sku", "split", parents={"dataset_id": "datasets"})
    _records("captions", "photo_id", parents={"photo_id": "photos"})
    _records("training_runs", "status")
    _records("variants", "batch_id", "sku")
    _records("measurements", "variant_id", parents={"variant_id": "variants"})
    _records("decisions", "variant_id", parents={"variant_id": "variants"})
    _records("listings", "sku", "channel")
    _jobs()
    _attempts()


def downgrade() -> None:
    """Drop all tables, children first."""
    for name in ("attempts", "jobs", "listings", "decisions", "measurements", "variants", "training_runs", "captions"):
        op.drop_table(name)
    for name in ("photos", "datasets", "products"):
        op.drop_table(name)


def _records(name: str, *columns: str, parents: dict[str, str] | None = None) -> None:
    parents = parents or {}
    op.create_table(
        name,
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("key", sa.String(80), nullable=False),
        *(sa.Column(column, sa.String(200), nullable=False) for column in columns),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=f"pk_{name}"),
        sa.UniqueConstraint("key", name=f"uq_{name}_key"),
        *(
            sa.ForeignKeyConstraint([column], [f"{parent}.key"], name=f"fk_{name}_{column}")
            for column, parent in parents.items()
        ),
    )
    for column in columns:
        op.create_index(f"ix_{name}_{column}", name, [column])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("idempotency_key", sa.String(200)),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("warm_key", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("seconds_left", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("passed_over", sa.Integer, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("place", sa.String(600), nullable=False),
        sa.Column("lease_until", sa.Float),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("error_slug", sa.String(40), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("finished_at", sa.Float),
        sa.PrimaryKeyConstraint("seq", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sa.UniqueConstraint("owner", "idempotency_key", name="uq_jobs_owner_idempotency_key"),
    )
    op.create_index("ix_jobs_status_kind", "jobs", ["status", "kind"])
    op.create_index("ix_jobs_owner_started_at", "jobs", ["owner", "started_at"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_attempts"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_attempts_job_id"),
        sa.UniqueConstraint("job_id", "token", name="uq_attempts_job_id_token"),
    )
