"""Leader leases: of several producers or aggregators, one at a time runs each loop."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from shared.store.engine import now
from shared.store.tables import leader_leases


def hold(connection: sa.Connection, *, name: str, owner: str, seconds: float) -> bool:
    """Take or renew the lease `name`; False while another owner holds it."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    statement = insert(leader_leases).values(name=name, owner=owner, expires_at=now() + seconds)
    taken = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[leader_leases.c.name],
            set_={"owner": owner, "expires_at": now() + seconds},
            where=sa.or_(leader_leases.c.owner == owner, leader_leases.c.expires_at < now()),
        ).returning(leader_leases.c.owner)
    )
    return taken.first() is not None


def give_up(connection: sa.Connection, *, name: str, owner: str) -> None:
    """Let the next one in at once."""
    connection.execute(
        leader_leases.delete().where(leader_leases.c.name == name, leader_leases.c.owner == owner)
    )
