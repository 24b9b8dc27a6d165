"""Who has accepted which licence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "licence_acceptances",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_licence_acceptances"),
        sa.UniqueConstraint("key", name="uq_licence_acceptances_key"),
    )
    op.create_index("ix_licence_acceptances_name", "licence_acceptances", ["name"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("licence_acceptances")
