"""What Alembic runs: the caller's connection and transaction, never one of its own."""

from alembic import context

from sereno.store.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
context.run_migrations()
