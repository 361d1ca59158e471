"""The servers that other tests lean on do what they say."""

import psycopg
import pytest
import redis

from tests.support.valkey import ValkeyServer


def psycopg_url(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def test_a_killed_valkey_forgets_and_keeps_its_address(valkey_server: ValkeyServer):
    with valkey_server.client() as client:
        client.set("colour", "red")
    first_pid = valkey_server.pid

    valkey_server.restart(kill=True)

    with valkey_server.client() as client:
        assert client.get("colour") is None
    assert valkey_server.pid != first_pid


def test_a_persistent_valkey_remembers_over_a_kill(persistent_valkey_server: ValkeyServer):
    with persistent_valkey_server.client() as client:
        client.set("colour", "red")

    persistent_valkey_server.restart(kill=True)

    with persistent_valkey_server.client() as client:
        assert client.get("colour") == b"red"


def test_flush_all_empties_a_valkey_on_tcp():
    server = ValkeyServer(tcp=True)
    server.start()
    try:
        with server.client() as client:
            client.set("colour", "red")
            server.flush_all()
            assert client.dbsize() == 0
    finally:
        server.close()


def test_a_stopped_valkey_refuses_connections(valkey_server: ValkeyServer):
    valkey_server.stop()

    with valkey_server.client() as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_each_postgres_database_is_fresh(postgres_server):
    with (
        postgres_server.fresh_database() as first,
        postgres_server.fresh_database() as second,
    ):
        with psycopg.connect(psycopg_url(first)) as connection:
            connection.execute("CREATE TABLE only_here (x int)")
        with psycopg.connect(psycopg_url(second)) as connection:
            found = connection.execute("SELECT to_regclass('only_here')").fetchone()

    assert found == (None,)


def test_a_postgres_database_is_gone_afterwards_even_with_a_connection_open(postgres_server):
    with postgres_server.fresh_database() as url:
        lingering = psycopg.connect(psycopg_url(url))

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(psycopg_url(url))
    lingering.close()
