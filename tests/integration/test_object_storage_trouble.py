"""S3 servers in trouble: each kind has its reason, within the limits, and shows no secret."""

import time
import traceback
from collections.abc import Callable

import pytest

from shared.errors import (
    FetchError,
    FetchTimedOut,
    ImageForbidden,
    ImageNotFound,
    ImageTooLarge,
    OriginUnavailable,
    RateLimited,
    ServerError,
    SourceError,
)
from shared.object_storage import ObjectStorage
from shared.settings import Settings
from tests.support.fixtures_storage import LIMIT_SECONDS
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer, image_server
from tests.support.s3_servers import S3Server
from tests.support.valkey import free_tcp_port

pytestmark = pytest.mark.usefixtures("quick_retries")

MAX_BYTES = 2**20

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>"


@pytest.mark.parametrize(
    ("answer", "error", "requests"),
    [
        (Answer(status=404), ImageNotFound, 1),
        (Answer(status=403), ImageForbidden, 1),
        (Answer(status=400), FetchError, 1),
        (Answer(status=500), ServerError, 3),
        (Answer(status=429), RateLimited, 3),
        (Answer(status=503, body=SLOW_DOWN), RateLimited, 3),
        (Answer(status=503, headers={"Retry-After": "60"}), ServerError, 1),
        (Answer(raw=b""), OriginUnavailable, 3),
        (Answer(body=b"half", declared_bytes=100), FetchError, 3),
        (Answer(body=b"half", reset_after_bytes=2), FetchError, 3),
        (Answer(body=b"x", declared_bytes=MAX_BYTES + 1), ImageTooLarge, 1),
        (Answer(hang=True), FetchTimedOut, 1),
        (Answer(body=b"x" * 1000, seconds_per_body_byte=0.05), FetchTimedOut, 1),
        (Answer(headers={"Filler": "x" * 1000}, seconds_per_head_byte=0.05), FetchTimedOut, 1),
    ],
)
def test_trouble_has_its_reason_within_the_limit_and_shows_no_secret(
    misbehaving: tuple[ImageServer, ObjectStorage],
    answer: Answer,
    error: type[FetchError],
    requests: int,
) -> None:
    server, storage = misbehaving
    server.answer("bucket/a.jpg", answer)
    began = time.monotonic()

    with pytest.raises(FetchError) as caught:
        storage.read("bucket", "a.jpg", max_bytes=MAX_BYTES)

    assert type(caught.value) is error
    assert server.count("bucket/a.jpg") == requests
    assert time.monotonic() - began < LIMIT_SECONDS + 2.0
    shown = "".join(traceback.format_exception(caught.value))
    assert S3Server(endpoint_url="").secret_key not in shown
    assert "Signature" not in shown


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(status=503, body=SLOW_DOWN),
        Answer(status=500),
        Answer(raw=b""),
        Answer(body=b"half", declared_bytes=100),
    ],
)
def test_trouble_that_passes_is_not_seen(
    misbehaving: tuple[ImageServer, ObjectStorage], trouble: Answer
) -> None:
    server, storage = misbehaving
    server.answer("bucket/a.jpg", trouble, trouble, Answer(body=b"image"))

    assert storage.read("bucket", "a.jpg", max_bytes=MAX_BYTES) == b"image"


def test_an_endpoint_that_is_down_is_unavailable(
    open_storage: Callable[[Settings], ObjectStorage],
) -> None:
    nobody = S3Server(endpoint_url=f"http://127.0.0.1:{free_tcp_port()}")
    storage = open_storage(nobody.settings())

    with pytest.raises(OriginUnavailable):
        storage.read("bucket", "a.jpg", max_bytes=MAX_BYTES)
    with pytest.raises(SourceError, match="cannot be connected to"):
        storage.list_keys("bucket", "", start_after=None)


def test_proxies_of_the_environment_are_ignored(
    misbehaving: tuple[ImageServer, ObjectStorage],
    monkeypatch: pytest.MonkeyPatch,
    open_storage: Callable[[Settings], ObjectStorage],
) -> None:
    server, _ = misbehaving
    server.put("bucket/a.jpg", b"from the server")
    with image_server({"bucket/a.jpg": b"from the proxy"}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        endpoint = S3Server(endpoint_url=server.url("").rstrip("/"))
        storage = open_storage(endpoint.settings())

        assert storage.read("bucket", "a.jpg", max_bytes=MAX_BYTES) == b"from the server"
        assert proxy.requests == []
