"""Connections and transactions, for SQLite and PostgreSQL alike.

SQLite write transactions begin IMMEDIATE: a deferred one that upgrades from reading to writing
fails at once when another writer came between, whatever the busy time-out (measured).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from shared.errors import MissingExtra, SettingsError, StoreUnavailable

#: How long a SQLite writer waits for another one.
SQLITE_BUSY_TIMEOUT_SECONDS = 10.0

_WRITE = "nestor_write"


class now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock, in Unix seconds: the one clock that all processes share."""

    type = sa.Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_on_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_on_postgresql(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


class Store:
    """The SQL store; safe to share between threads."""

    def __init__(self, url: str) -> None:
        self.url = _driver_url(url)
        self.engine = _create_engine(self.url)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded store."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Yield a connection inside one write transaction; commit at the end of the block.

        Raises:
            StoreUnavailable: if the store cannot be reached or stays locked.
        """
        with self._transaction(write=True) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection inside one read transaction.

        Raises:
            StoreUnavailable: if the store cannot be reached.
        """
        with self._transaction(write=False) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as connection:
                connection.execution_options(**{_WRITE: write})
                with connection.begin():
                    yield connection
        except (OperationalError, InterfaceError) as error:
            raise StoreUnavailable(_one_line(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StoreUnavailable(_one_line(error)) from error
            raise

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def migrate(url: str) -> None:
    """Bring the schema to the newest revision; harmless when it is there already."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = _driver_url(url)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    command.upgrade(config, "head")


def _driver_url(url: str) -> str:
    if url.startswith("sqlite:///"):
        return url
    for prefix in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    scheme = url.split(":", 1)[0]
    raise SettingsError(f"store URL scheme '{scheme}' is unknown: use sqlite:/// or postgresql://")


def _create_engine(url: str) -> sa.Engine:
    # hide_parameters: rows hold URIs, which may hold secrets, and errors are logged.
    options: dict[str, Any] = {"pool_size": 10, "max_overflow": 20, "hide_parameters": True}
    if not url.startswith("sqlite:"):
        try:
            return sa.create_engine(url, pool_pre_ping=True, **options)
        except ImportError as error:
            raise MissingExtra(extra="postgres", purpose="a PostgreSQL store") from error
    engine = sa.create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, **options)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: DBAPIConnection, _: object) -> None:
    dbapi_connection.isolation_level = None  # the driver must not begin by itself
    cursor = dbapi_connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _one_line(error: DBAPIError) -> str:
    return f"the store failed: {str(error.orig).strip().splitlines()[0]}"
