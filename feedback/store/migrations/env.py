"""Alembic runs this file. The connection, which is inside a transaction, comes from `feedback.store.database`."""

from alembic import context

from feedback.store.database import VERSION_TABLE
from feedback.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # also on SQLite, where the transaction is begun by us
)
context.run_migrations()
