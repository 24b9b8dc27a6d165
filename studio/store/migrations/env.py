"""What Alembic runs: migrations on the connection (and inside the transaction) that `Database.migrate` hands over."""

from alembic import context

from studio.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite cannot alter most things in place; Alembic then copies the table.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
