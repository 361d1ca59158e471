"""Sockets that keep to an allowance: so many seconds and so many bytes for one fetch.

The limits sit under HTTP, so that nothing above can stretch them: a header, a chunk size or a
body that drips in, byte by byte, still ends at the deadline. `resolve` is the one place that
decides which addresses a connection may go to.
"""

import ipaddress
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimedOut
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from shared.errors import FetchTimedOut, ImageTooLarge


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a connection may go: an address family and what `connect` takes."""

    family: int
    sockaddr: tuple[Any, ...]


#: Turns host and port into the addresses that may be connected to, in order of preference.
Resolve = Callable[[str, int], Sequence[Address]]


def resolve_any(host: str, port: int) -> list[Address]:
    """Ask the system's resolver, and allow whatever it says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(family=family, sockaddr=sockaddr) for family, _, _, _, sockaddr in found]


class Allowance:
    """What is left for one fetch; the sockets of this thread spend from it."""

    def __init__(self, *, seconds: float, received_bytes: int) -> None:
        self._deadline = time.monotonic() + seconds
        self._bytes_each_attempt = received_bytes
        self._bytes_left = received_bytes

    def seconds_left(self) -> float:
        """Until the deadline; zero or less when it has passed."""
        return self._deadline - time.monotonic()

    def refill_bytes(self) -> None:
        """Start another attempt."""
        self._bytes_left = self._bytes_each_attempt

    def spend_bytes(self, count: int) -> None:
        """Take note of received bytes.

        Raises:
            ImageTooLarge: if they are more than the fetch may receive.
        """
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise ImageTooLarge("the server sent far more bytes than an image may have")


_current: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


def current_allowance() -> Allowance | None:
    """What this thread's fetch may still use; None where each read has its own time-out."""
    return _current.get()


@contextmanager
def spending(allowance: Allowance) -> Iterator[None]:
    """Let the sockets of this thread spend from `allowance`."""
    token = _current.set(allowance)
    try:
        yield
    finally:
        _current.reset(token)


def _prepare_read(endpoint: socket.socket) -> Allowance | None:
    allowance = _current.get()
    if allowance is not None:
        left = allowance.seconds_left()
        if left <= 0:
            raise FetchTimedOut("the fetch took longer than the limit")
        endpoint.settimeout(left)
    return allowance


class BoundedSocket(socket.socket):
    """A TCP socket whose reads keep to the allowance."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive within the allowance."""
        allowance = _prepare_read(self)
        count = super().recv_into(buffer, nbytes, flags)
        if allowance is not None:
            allowance.spend_bytes(count)
        return count


class BoundedTlsSocket(ssl.SSLSocket):
    """A TLS socket whose reads keep to the allowance."""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive within the allowance."""
        allowance = _prepare_read(self)
        count = super().recv_into(buffer, nbytes, flags)
        if allowance is not None:
            allowance.spend_bytes(count)
        return count


def open_pools(resolve: Resolve, *, hosts: int, connections_each: int) -> urllib3.PoolManager:
    """Connection pools over bounded sockets; TLS is verified, environment proxies are ignored."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, resolve)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, resolve)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Tls

    context = create_urllib3_context()
    context.load_default_certs()
    context.sslsocket_class = BoundedTlsSocket
    pools = urllib3.PoolManager(
        num_pools=hosts, maxsize=connections_each, ssl_context=context, retries=False
    )
    pools.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
    return pools


def _connect(connection: HTTPConnection, resolve: Resolve) -> socket.socket:
    host = connection.host.strip("[]")
    try:
        addresses = _resolve_in_time(resolve, host, connection.port)
    except (socket.gaierror, UnicodeError) as error:
        reason = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
        raise NameResolutionError(host, connection, reason) from error
    failure: OSError = OSError("the name has no address")
    for address in addresses:
        try:
            connected = _connect_to(address, float(cast("float", connection.timeout)))
        except OSError as error:
            failure = error
            continue
        sys.audit("http.client.connect", connection, connection.host, connection.port)
        return connected
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, f"connecting to {host} timed out") from failure
    raise NewConnectionError(connection, f"cannot connect to {host}: {failure}") from failure


def _resolve_in_time(resolve: Resolve, host: str, port: int) -> Sequence[Address]:
    """Resolve within the allowance: the system's resolver knows no time-out of ours."""
    allowance = _current.get()
    if allowance is None or _is_literal(host):
        return resolve(host, port)
    outcome: Future[Sequence[Address]] = Future()

    def look_up() -> None:
        try:
            outcome.set_result(resolve(host, port))
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            outcome.set_exception(error)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    try:
        return outcome.result(timeout=max(0.0, allowance.seconds_left()))
    except FutureTimedOut as error:
        raise FetchTimedOut(f"looking up {host} took longer than the limit") from error


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _connect_to(address: Address, timeout_seconds: float) -> socket.socket:
    endpoint = BoundedSocket(address.family, socket.SOCK_STREAM)
    try:
        _prepare_read(endpoint)
        left = endpoint.gettimeout()
        endpoint.settimeout(timeout_seconds if left is None else min(left, timeout_seconds))
        endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        endpoint.connect(address.sockaddr)
    except BaseException:
        endpoint.close()
        raise
    return endpoint
