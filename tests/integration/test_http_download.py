"""Images over http: who asks, what each answer means, and what is tried again."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.metadata import version

import pytest

from shared.errors import (
    FetchError,
    ImageForbidden,
    ImageNotFound,
    RateLimited,
    ServerError,
)
from shared.http_download import HttpDownloader
from shared.settings import Settings
from tests.support.fixtures_storage import LIMIT_SECONDS
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer, image_server

pytestmark = pytest.mark.usefixtures("quick_retries")

MAX_BYTES = 2**20


def read(downloader: HttpDownloader, url: str) -> bytes:
    return downloader.read(url, max_bytes=MAX_BYTES)


def test_an_image_comes_whole(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    body = bytes(range(256)) * 2000
    url = images_over_http.put("an image/ä.jpg", body)

    assert read(impatient_downloader, url) == body


def test_a_body_in_chunks_comes_whole(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    body = bytes(range(256)) * 2000
    url = images_over_http.answer("a.jpg", Answer(body=body, chunked=True))

    assert read(impatient_downloader, url) == body


def test_connections_are_used_again_even_after_refusals(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.put("a.jpg", b"image")
    elsewhere = images_over_http.redirect("moved.jpg", "/a.jpg")

    for _ in range(5):
        read(impatient_downloader, url)
        read(impatient_downloader, elsewhere)
        with pytest.raises(ImageNotFound):
            read(impatient_downloader, images_over_http.url("missing.jpg"))

    assert images_over_http.connections == 1


def test_nestor_says_who_asks(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    read(impatient_downloader, images_over_http.put("a.jpg", b"image"))

    headers = images_over_http.requests[0].headers
    assert headers["User-Agent"] == f"nestor/{version('nestor')}"
    assert headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in headers


def test_proxies_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, images_over_http: ImageServer
) -> None:
    with image_server({"a.jpg": b"from the proxy"}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        downloader = HttpDownloader(Settings())

        content = read(downloader, images_over_http.put("a.jpg", b"from the server"))

        assert content == b"from the server"
        assert proxy.requests == []
        downloader.close()


def test_user_and_password_of_an_address_are_sent_to_its_host_only(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    with image_server({"a.jpg": b"image"}) as other:
        images_over_http.redirect("a.jpg", other.url("a.jpg"))

        read(impatient_downloader, f"http://me:p%40ss@{images_over_http.host}/a.jpg")

        sent = images_over_http.requests[0].headers
        assert sent["Authorization"] == "Basic bWU6cEBzcw=="
        assert "Authorization" not in other.requests[0].headers


def test_a_downloader_serves_many_threads(
    patient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    bodies = {f"{n}.jpg": f"image {n} ".encode() * (n + 1) * 10 for n in range(200)}
    urls = {name: images_over_http.put(name, body) for name, body in bodies.items()}

    with ThreadPoolExecutor(32) as threads:
        read_bodies = list(threads.map(lambda name: read(patient_downloader, urls[name]), bodies))

    assert read_bodies == list(bodies.values())
    assert images_over_http.connections <= 32


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [
        (400, FetchError, 1),
        (401, ImageForbidden, 1),
        (403, ImageForbidden, 1),
        (404, ImageNotFound, 1),
        (410, ImageNotFound, 1),
        (418, FetchError, 1),
        (451, ImageForbidden, 1),
        (304, FetchError, 1),
        (429, RateLimited, 3),
        (500, ServerError, 3),
        (503, ServerError, 3),
    ],
)
def test_a_refusal_has_its_reason_and_only_what_can_heal_is_tried_again(
    impatient_downloader: HttpDownloader,
    images_over_http: ImageServer,
    status: int,
    error: type[FetchError],
    requests: int,
) -> None:
    url = images_over_http.answer("a.jpg", Answer(status=status))

    with pytest.raises(FetchError, match=f"{images_over_http.host} answered {status}") as caught:
        read(impatient_downloader, url)

    assert type(caught.value) is error
    assert images_over_http.count("a.jpg") == requests


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(status=503),
        Answer(status=429),
        Answer(raw=b""),
        Answer(body=b"half an image", declared_bytes=1000),
        Answer(body=b"half an image", reset_after_bytes=4),
        Answer(body=b"half an image" * 10, chunked=True, reset_after_bytes=40),
    ],
    ids=["503", "429", "closed", "cut short", "reset", "reset in chunks"],
)
def test_trouble_that_passes_is_not_seen(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer, trouble: Answer
) -> None:
    url = images_over_http.answer("a.jpg", trouble, trouble, Answer(body=b"image"))

    assert read(impatient_downloader, url) == b"image"
    assert images_over_http.count("a.jpg") == 3


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_retry_after_is_waited_for(
    patient_downloader: HttpDownloader, images_over_http: ImageServer, as_date: bool
) -> None:
    in_two_seconds = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    busy = Answer(status=429, headers={"Retry-After": in_two_seconds if as_date else "1"})
    url = images_over_http.answer("a.jpg", busy, Answer(body=b"image"))
    began = time.monotonic()

    assert read(patient_downloader, url) == b"image"

    assert 0.8 <= time.monotonic() - began < 5.0


def test_a_retry_after_beyond_the_limit_is_not_waited_for(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(status=429, headers={"Retry-After": "3600"}))
    began = time.monotonic()

    with pytest.raises(RateLimited):
        read(impatient_downloader, url)

    assert time.monotonic() - began < LIMIT_SECONDS + 2.0
    assert images_over_http.count("a.jpg") == 1


def test_an_unreadable_retry_after_is_as_none(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    busy = Answer(status=503, headers={"Retry-After": "soon"})
    url = images_over_http.answer("a.jpg", busy, Answer(body=b"image"))

    assert read(impatient_downloader, url) == b"image"


def test_what_is_not_http_is_no_image(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(raw=b"220 mail.example ESMTP\r\n"))

    with pytest.raises(FetchError, match="does not answer in HTTP"):
        read(impatient_downloader, url)
