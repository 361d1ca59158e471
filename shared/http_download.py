"""Bytes from http and https: images whole and within limits, lists as a stream.

Redirects and retries are followed here and not in urllib3, so that one wall-clock limit holds
for all of them together and each new address passes the same checks.
"""

import base64
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urljoin

from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from shared.bounded_sockets import (
    Allowance,
    Resolve,
    current_allowance,
    open_pools,
    resolve_any,
    spending,
)
from shared.errors import (
    BadReference,
    FetchError,
    FetchTimedOut,
    ForbiddenAddress,
    SourceChanged,
    SourceError,
    TooManyRedirects,
)
from shared.fetch_failures import (
    Transient,
    attempt_repeatedly,
    failure_of_status,
    named_failures,
)
from shared.http_answers import (
    declared_bytes,
    discard,
    headers_of_part,
    is_encoded,
    range_of,
    read_body,
)
from shared.redaction import host_of, redact_uri
from shared.settings import Settings

Result = TypeVar("Result")

#: A list comes in pieces of this many bytes, each within `fetch_timeout_seconds`.
PIECE_BYTES = 64 * 1024
#: Connections are kept open to this many hosts; bounds open files.
HOSTS_KEPT_OPEN = 16
#: Headers and chunk sizes may cost this much beside twice the wanted bytes.
FRAMING_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpStat:
    """What a server says of a file; `final_url` is where its redirects led."""

    size_bytes: int | None
    etag: str | None
    last_modified: str | None
    accepts_ranges: bool
    final_url: str


class _Answer(NamedTuple):
    url: str
    response: BaseHTTPResponse


class HttpDownloader:
    """Reads http and https addresses; one for a process, used by all its threads.

    `resolve` decides which addresses a name may be connected to.
    """

    def __init__(self, settings: Settings, *, resolve: Resolve = resolve_any) -> None:
        self._settings = settings
        self._user_agent = f"nestor/{version('nestor')}"
        self._pools = open_pools(
            resolve, hosts=HOSTS_KEPT_OPEN, connections_each=settings.fetch_threads
        )

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """Read an image, redirects and retries included, within `fetch_timeout_seconds`.

        Raises:
            FetchError: the subclass says why.
        """

        def attempt() -> bytes:
            answer = self._open(url, headers={})
            with answer.response as response:
                return read_body(response, max_bytes=max_bytes, host=host_of(answer.url))

        return self._repeat(attempt, received_bytes=2 * max_bytes + FRAMING_BYTES)

    def stat(self, url: str) -> HttpStat:
        """Ask what a list is: by its first byte, since signed addresses refuse HEAD.

        Raises:
            SourceError: if it cannot be had.
        """

        def attempt() -> HttpStat:
            answer = self._open(url, headers={"Range": "bytes=0-0"}, allowed={416})
            with answer.response:
                return _stat_of(answer)

        try:
            return self._repeat(attempt, received_bytes=FRAMING_BYTES)
        except FetchError as error:
            raise _source_error(url, error) from error

    def stream(
        self, url: str, *, start_byte: int = 0, if_match: str | None = None
    ) -> Iterator[bytes]:
        """Yield a list from `start_byte` on, in pieces; each has `fetch_timeout_seconds`.

        With `if_match` (an ETag), a connection that breaks is taken up where it broke.

        Raises:
            SourceChanged: if the list no longer has the ETag `if_match`.
            SourceError: if it cannot be read.
        """
        position, failures = start_byte, 0
        while True:
            try:
                for piece in self._stream_once(url, start_byte=position, if_match=if_match):
                    position, failures = position + len(piece), 0
                    yield piece
            except FetchError as error:
                raise _source_error(url, error) from error
            except Transient as broken:
                failures += 1
                if if_match is None or failures >= self._settings.fetch_attempts:
                    raise _source_error(url, broken.error) from broken
            else:
                return

    def close(self) -> None:
        """Close the idle connections."""
        self._pools.clear()

    def _stream_once(self, url: str, *, start_byte: int, if_match: str | None) -> Iterator[bytes]:
        headers = headers_of_part(start_byte=start_byte, if_match=if_match)
        answer = self._repeat(
            lambda: self._open(url, headers=headers, allowed={412, 416}),
            received_bytes=FRAMING_BYTES,
        )
        with answer.response as response:
            if _is_past_the_end(url, response, start_byte=start_byte):
                return
            _check_part(url, response, start_byte=start_byte, if_match=if_match)
            pieces = response.stream(PIECE_BYTES)
            while True:
                allowance = Allowance(
                    seconds=self._settings.fetch_timeout_seconds,
                    received_bytes=2 * PIECE_BYTES + FRAMING_BYTES,
                )
                with spending(allowance), named_failures(host_of(answer.url), answered=True):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece

    def _repeat(self, attempt: Callable[[], Result], *, received_bytes: int) -> Result:
        allowance = Allowance(
            seconds=self._settings.fetch_timeout_seconds, received_bytes=received_bytes
        )
        return attempt_repeatedly(
            attempt, attempts=self._settings.fetch_attempts, allowance=allowance
        )

    def _open(
        self, url: str, *, headers: Mapping[str, str], allowed: Collection[int] = ()
    ) -> _Answer:
        """Follow redirects to an answer that is a success or one of the `allowed` statuses."""
        target = _parse(url)
        for _ in range(self._settings.max_redirects + 1):
            response = self._request(url, target, headers=headers)
            location = response.get_redirect_location()
            if not location:
                if 200 <= response.status < 300 or response.status in allowed:
                    return _Answer(url, response)
                discard(response)
                raise failure_of_status(
                    response.status, host=host_of(url), headers=response.headers
                )
            discard(response)
            url, target = _redirected(url, location)
        raise TooManyRedirects(f"more than {self._settings.max_redirects} redirects")

    def _request(self, url: str, target: Url, *, headers: Mapping[str, str]) -> BaseHTTPResponse:
        allowance = current_allowance()
        left = allowance.seconds_left() if allowance else self._settings.fetch_timeout_seconds
        if left <= 0:
            raise FetchTimedOut(f"{host_of(url)} took longer than the limit")
        connect_seconds = min(left, self._settings.connect_timeout_seconds)
        with named_failures(host_of(url)):
            return self._pools.urlopen(
                "GET",
                target.url,
                headers={
                    "User-Agent": self._user_agent,
                    "Accept-Encoding": "identity",
                    **_credentials(target),
                    **headers,
                },
                timeout=Timeout(connect=connect_seconds, read=left),
                redirect=False,
                retries=False,
                preload_content=False,
            )


def _parse(url: str) -> Url:
    try:
        target = parse_url(url)
    except HTTPError:
        raise BadReference("the address cannot be read as a URL") from None  # it names the URL
    if target.scheme not in {"http", "https"} or not target.host:
        raise BadReference("the address is not http(s)://host/…")
    return target


def _redirected(url: str, location: str) -> tuple[str, Url]:
    #: http.client hands bytes on as Latin-1; percent signs bring them through unharmed.
    escaped = "".join(char if char < "\x80" else f"%{ord(char):02X}" for char in location)
    try:
        url = urljoin(url, escaped)
        target = _parse(url)
    except (ValueError, BadReference) as error:
        raise ForbiddenAddress("a redirect leads to what is no http(s) address") from error
    return url, target


def _credentials(target: Url) -> dict[str, str]:
    if not target.auth:
        return {}
    encoded = base64.b64encode(unquote(target.auth).encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def _stat_of(answer: _Answer) -> HttpStat:
    response = answer.response
    encoded = is_encoded(response)
    size = declared_bytes(response)
    partial = response.status in {206, 416}
    if partial:
        size = range_of(response)[1]
    return HttpStat(
        size_bytes=None if encoded else size,
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
        accepts_ranges=partial and not encoded,
        final_url=answer.url,
    )


def _is_past_the_end(url: str, response: BaseHTTPResponse, *, start_byte: int) -> bool:
    if response.status != 416:
        return False
    if range_of(response)[1] != start_byte:
        raise SourceChanged(f"{redact_uri(url)} became shorter while it was read; submit it again")
    return True


def _check_part(
    url: str, response: BaseHTTPResponse, *, start_byte: int, if_match: str | None
) -> None:
    changed = response.status == 412
    if if_match is not None and response.headers.get("ETag") != if_match:
        changed = True
    if changed:
        raise SourceChanged(f"{redact_uri(url)} changed while it was read; submit it again")
    if not start_byte:
        return
    if response.status != 206 or range_of(response)[0] != start_byte or is_encoded(response):
        raise SourceError(
            f"{redact_uri(url)} cannot be continued at byte {start_byte}: its server has no "
            "ranges; download the list and submit the file"
        )


def _source_error(url: str, error: FetchError) -> SourceError:
    return SourceError(f"{redact_uri(url)} cannot be read: {error}")
