"""Alembic's entry: runs the revisions over the store that `shared.store.engine.migrate` names."""

from alembic import context

from shared.store.engine import Store
from shared.store.tables import metadata

store = Store(context.config.attributes["url"])
with store.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=store.is_sqlite,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
store.close()
