"""Fixtures for the store: each contract test runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from shared.store.engine import Store, migrate


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request, tmp_path) -> str:
    """The URL of an empty, migrated store."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres_url")
    migrate(url)
    return url


@pytest.fixture
def store(store_url) -> Iterator[Store]:
    """An empty store."""
    opened = Store(store_url)
    yield opened
    opened.close()
