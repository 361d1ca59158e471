"""Tests see neither the developer's environment nor the network."""

import os
import socket

import pytest

from tests.support.isolation import NetworkRefusedError

DOCUMENTATION_ADDRESS = ("192.0.2.1", 80)


def test_connecting_to_another_machine_is_refused_before_a_packet_leaves():
    with socket.socket() as client, pytest.raises(NetworkRefusedError, match=r"192\.0\.2\.1"):
        client.connect(DOCUMENTATION_ADDRESS)


def test_connecting_by_name_to_another_machine_is_refused():
    with socket.socket() as client, pytest.raises(NetworkRefusedError):
        client.connect_ex(("example.org", 80))


def test_connecting_to_this_machine_works():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())

        assert client.getpeername() == server.getsockname()


@pytest.fixture(scope="module", autouse=True)
def _developer_environment():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NESTOR_STORE_URL", "AWS_PROFILE", "HTTPS_PROXY", "no_proxy"):
            patch.setenv(name, "set by a developer")
        yield


def test_a_developers_variables_are_not_seen():
    seen = {"NESTOR_STORE_URL", "AWS_PROFILE", "HTTPS_PROXY", "no_proxy"} & set(os.environ)

    assert seen == set()
