"""Images over http: every reason, every limit, what is tried again and what is not."""

import gzip
import socket
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.metadata import version
from threading import Event

import pytest

from shared.bounded_sockets import Address
from shared.errors import (
    BadReference,
    FetchError,
    FetchTimedOut,
    ForbiddenAddress,
    ImageForbidden,
    ImageNotFound,
    ImageTooLarge,
    NameNotResolved,
    OriginUnavailable,
    RateLimited,
    ServerError,
    TooManyRedirects,
)
from shared.http_download import HttpDownloader
from shared.settings import Settings
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer, image_server
from tests.support.valkey import free_tcp_port

MAX_BYTES = 2**20
LIMIT_SECONDS = 1.0


@pytest.fixture
def downloader() -> Iterator[HttpDownloader]:
    opened = HttpDownloader(
        Settings(fetch_timeout_seconds=LIMIT_SECONDS, connect_timeout_seconds=0.2, max_redirects=3)
    )
    yield opened
    opened.close()


@pytest.fixture
def patient_downloader() -> Iterator[HttpDownloader]:
    opened = HttpDownloader(Settings(fetch_timeout_seconds=20.0))
    yield opened
    opened.close()


def read(downloader: HttpDownloader, url: str) -> bytes:
    return downloader.read(url, max_bytes=MAX_BYTES)


def test_an_image_comes_whole(downloader: HttpDownloader, images_over_http: ImageServer) -> None:
    body = bytes(range(256)) * 2000
    url = images_over_http.put("an image/ä.jpg", body)

    assert read(downloader, url) == body


def test_a_body_in_chunks_comes_whole(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    body = bytes(range(256)) * 2000
    url = images_over_http.answer("a.jpg", Answer(body=body, chunked=True))

    assert read(downloader, url) == body


def test_connections_are_used_again_even_after_refusals(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.put("a.jpg", b"image")
    elsewhere = images_over_http.redirect("moved.jpg", "/a.jpg")

    for _ in range(5):
        read(downloader, url)
        read(downloader, elsewhere)
        with pytest.raises(ImageNotFound):
            read(downloader, images_over_http.url("missing.jpg"))

    assert images_over_http.connections == 1


def test_nestor_says_who_asks(downloader: HttpDownloader, images_over_http: ImageServer) -> None:
    read(downloader, images_over_http.put("a.jpg", b"image"))

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
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    with image_server({"a.jpg": b"image"}) as other:
        images_over_http.redirect("a.jpg", other.url("a.jpg"))

        read(downloader, f"http://me:p%40ss@{images_over_http.host}/a.jpg")

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


# --- what a server answers ------------------------------------------------------------------


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
    downloader: HttpDownloader,
    images_over_http: ImageServer,
    status: int,
    error: type[FetchError],
    requests: int,
) -> None:
    url = images_over_http.answer("a.jpg", Answer(status=status))

    with pytest.raises(FetchError, match=f"{images_over_http.host} answered {status}") as caught:
        read(downloader, url)

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
    downloader: HttpDownloader, images_over_http: ImageServer, trouble: Answer
) -> None:
    url = images_over_http.answer("a.jpg", trouble, trouble, Answer(body=b"image"))

    assert read(downloader, url) == b"image"
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
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(status=429, headers={"Retry-After": "3600"}))
    began = time.monotonic()

    with pytest.raises(RateLimited):
        read(downloader, url)

    assert time.monotonic() - began < LIMIT_SECONDS
    assert images_over_http.count("a.jpg") == 1


def test_an_unreadable_retry_after_is_as_none(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    busy = Answer(status=503, headers={"Retry-After": "soon"})
    url = images_over_http.answer("a.jpg", busy, Answer(body=b"image"))

    assert read(downloader, url) == b"image"


def test_what_is_not_http_is_no_image(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(raw=b"220 mail.example ESMTP\r\n"))

    with pytest.raises(FetchError, match="does not answer in HTTP"):
        read(downloader, url)


# --- redirects ------------------------------------------------------------------------------


def test_redirects_are_followed_up_to_the_limit(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    images_over_http.put("end/a.jpg", b"image")
    images_over_http.redirect("hop1", "/hop2", status=301)
    images_over_http.redirect("hop2", images_over_http.url("hop3"), status=307)
    images_over_http.redirect("hop3", "end/a.jpg", status=308)
    images_over_http.redirect("hop0", "hop1")

    assert read(downloader, images_over_http.url("hop1")) == b"image"
    with pytest.raises(TooManyRedirects, match="more than 3"):
        read(downloader, images_over_http.url("hop0"))


def test_a_circle_of_redirects_ends(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.redirect("round", "/round")

    with pytest.raises(TooManyRedirects):
        read(downloader, url)

    assert images_over_http.count("round") == 4


def test_a_redirect_in_unescaped_unicode_is_followed(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    images_over_http.put("größe.jpg", b"image")
    url = images_over_http.redirect("a.jpg", "/größe.jpg")

    assert read(downloader, url) == b"image"


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://127.0.0.1/a", "s3://bucket/key", "http://[::1/a"]
)
def test_a_redirect_may_not_leave_http(
    downloader: HttpDownloader, images_over_http: ImageServer, location: str
) -> None:
    url = images_over_http.redirect("a.jpg", location)

    with pytest.raises(ForbiddenAddress):
        read(downloader, url)


def test_a_redirect_without_a_goal_is_a_failure(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(status=302))

    with pytest.raises(FetchError, match="answered 302"):
        read(downloader, url)


# --- the byte limit -------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
def test_the_last_allowed_byte_is_allowed_and_the_next_is_not(
    downloader: HttpDownloader, images_over_http: ImageServer, chunked: bool
) -> None:
    fits = images_over_http.answer("fits", Answer(body=b"x" * MAX_BYTES, chunked=chunked))
    large = images_over_http.answer("large", Answer(body=b"x" * (MAX_BYTES + 1), chunked=chunked))

    assert len(read(downloader, fits)) == MAX_BYTES
    with pytest.raises(ImageTooLarge, match="more than 1048576 bytes"):
        read(downloader, large)
    assert images_over_http.count("large") == 1


def test_a_large_file_is_refused_before_its_body_is_sent(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer(
        "a.jpg", Answer(body=b"x", declared_bytes=MAX_BYTES + 1, seconds_per_body_byte=60)
    )

    with pytest.raises(ImageTooLarge):
        read(downloader, url)


def test_bytes_beyond_a_content_length_that_is_too_small_are_not_read(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(body=b"x" * 100_000, declared_bytes=10))

    assert read(downloader, url) == b"x" * 10


def test_a_content_length_that_is_too_large_is_a_broken_answer(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(body=b"image", declared_bytes=1000))

    with pytest.raises(FetchError, match="broke off") as caught:
        read(downloader, url)

    assert type(caught.value) is FetchError


def test_a_compressed_body_is_unpacked_only_up_to_the_limit(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    bomb = gzip.compress(bytes(200 * MAX_BYTES), compresslevel=1)
    headers = {"Content-Encoding": "gzip"}
    url = images_over_http.answer("bomb", Answer(body=bomb, headers=headers))
    tracemalloc.start()

    with pytest.raises(ImageTooLarge):
        read(downloader, url)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(bomb) < MAX_BYTES
    assert peak_bytes < 8 * MAX_BYTES


def test_a_compressed_body_within_the_limit_is_unpacked(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    headers = {"Content-Encoding": "gzip"}
    url = images_over_http.answer("a", Answer(body=gzip.compress(b"image"), headers=headers))
    broken = images_over_http.answer("b", Answer(body=b"not gzip", headers=headers))

    assert read(downloader, url) == b"image"
    with pytest.raises(FetchError, match="not encoded as it says"):
        read(downloader, broken)


def test_framing_that_dwarfs_the_image_is_cut_off(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    one_byte = b"1;filler=" + b"x" * 1000 + b"\r\nx\r\n"
    body = one_byte * 8000 + b"0\r\n\r\n"
    url = images_over_http.answer("a.jpg", Answer(raw=head + body))

    with pytest.raises(ImageTooLarge, match="far more bytes"):
        read(downloader, url)


def test_an_endless_chunk_size_is_a_failure(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    url = images_over_http.answer("a.jpg", Answer(raw=head + b"0" * (8 * MAX_BYTES)))

    with pytest.raises(FetchError):
        read(downloader, url)


# --- the wall-clock limit -------------------------------------------------------------------

DRIPPING = {
    "body": Answer(body=b"x" * 1000, seconds_per_body_byte=0.05),
    "body in chunks": Answer(body=b"x" * 1000, chunked=True, seconds_per_body_byte=0.05),
    "head": Answer(body=b"x", headers={"Filler": "x" * 1000}, seconds_per_head_byte=0.05),
    "nothing": Answer(hang=True),
}


@pytest.mark.parametrize("kind", DRIPPING)
def test_a_server_that_drips_meets_the_wall_clock(
    downloader: HttpDownloader, images_over_http: ImageServer, kind: str
) -> None:
    url = images_over_http.answer("a.jpg", DRIPPING[kind])
    began = time.monotonic()

    with pytest.raises(FetchTimedOut):
        read(downloader, url)

    assert LIMIT_SECONDS * 0.9 <= time.monotonic() - began < LIMIT_SECONDS + 0.5
    assert images_over_http.count("a.jpg") == 1


def test_redirects_and_retries_share_one_wall_clock(images_over_http: ImageServer) -> None:
    slow = {"Filler": "x" * 20}
    for number in range(20):
        images_over_http.answer(
            f"hop{number}",
            Answer(status=503),
            Answer(
                status=302,
                headers={"Location": f"/hop{number + 1}", **slow},
                seconds_per_head_byte=0.003,
            ),
        )
    downloader = HttpDownloader(
        Settings(fetch_timeout_seconds=LIMIT_SECONDS, max_redirects=100, fetch_attempts=100)
    )
    began = time.monotonic()

    with pytest.raises((FetchTimedOut, ServerError)):
        read(downloader, images_over_http.url("hop0"))

    assert time.monotonic() - began < LIMIT_SECONDS + 0.5
    downloader.close()


def test_a_connection_after_a_time_out_starts_with_a_fresh_clock(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    late = Answer(status=200, body=b"x" * 10, seconds_per_body_byte=0.06)
    url = images_over_http.answer("late.jpg", late)

    assert [read(downloader, url) for _ in range(3)] == [b"x" * 10] * 3
    assert images_over_http.connections == 1


def test_a_name_service_that_hangs_meets_the_wall_clock() -> None:
    released = Event()

    def hang(host: str, port: int) -> list[Address]:
        released.wait(30)
        return []

    downloader = HttpDownloader(Settings(fetch_timeout_seconds=0.3), resolve=hang)
    began = time.monotonic()

    with pytest.raises(FetchTimedOut, match=r"looking up images\.example"):
        read(downloader, "http://images.example/a.jpg")

    assert time.monotonic() - began < 1.0
    released.set()
    downloader.close()


def test_a_host_that_takes_no_connections_is_unavailable(downloader: HttpDownloader) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        address = silent.getsockname()
        with socket.create_connection(address):  # fills the queue: the next one gets no answer
            began = time.monotonic()

            with pytest.raises(OriginUnavailable, match="timed out"):
                read(downloader, f"http://127.0.0.1:{address[1]}/a.jpg")

    assert 0.5 < time.monotonic() - began < LIMIT_SECONDS + 0.5


# --- addresses ------------------------------------------------------------------------------


def test_a_port_that_nobody_listens_on_is_unavailable(downloader: HttpDownloader) -> None:
    with pytest.raises(OriginUnavailable, match="cannot be connected to"):
        read(downloader, f"http://127.0.0.1:{free_tcp_port()}/a.jpg")


def test_a_refused_connection_is_tried_again() -> None:
    ports: list[int] = []

    def note(host: str, port: int) -> list[Address]:
        ports.append(port)
        return [Address(family=socket.AF_INET, sockaddr=("127.0.0.1", port))]

    downloader = HttpDownloader(Settings(fetch_attempts=4), resolve=note)

    with pytest.raises(OriginUnavailable):
        read(downloader, f"http://images.example:{free_tcp_port()}/a.jpg")

    assert len(ports) == 4
    downloader.close()


def test_a_connection_goes_where_resolve_says_under_the_name_that_was_asked(
    images_over_http: ImageServer,
) -> None:
    def resolve(host: str, port: int) -> list[Address]:
        nobody = Address(family=socket.AF_INET, sockaddr=("127.0.0.1", free_tcp_port()))
        server = Address(family=socket.AF_INET, sockaddr=("127.0.0.1", images_over_http.port))
        return [nobody, server] if host == "images.example" else []

    images_over_http.put("a.jpg", b"image")
    downloader = HttpDownloader(Settings(), resolve=resolve)

    assert read(downloader, "http://images.example/a.jpg") == b"image"

    assert images_over_http.requests[0].headers["Host"] == "images.example"
    with pytest.raises(OriginUnavailable):
        read(downloader, "http://other.example/a.jpg")
    downloader.close()


def test_a_host_name_may_be_in_any_script(images_over_http: ImageServer) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [Address(family=socket.AF_INET, sockaddr=("127.0.0.1", images_over_http.port))]

    images_over_http.put("a.jpg", b"image")
    downloader = HttpDownloader(Settings(), resolve=resolve)

    assert read(downloader, "http://bücher.example/a.jpg") == b"image"

    assert asked == ["xn--bcher-kva.example"]
    downloader.close()


def test_a_name_without_an_address_is_not_resolved(downloader: HttpDownloader) -> None:
    with pytest.raises(NameNotResolved, match="has no address"):
        read(downloader, f"http://{'a' * 64}.example/a.jpg")


@pytest.mark.parametrize(
    "url", ["http:///a.jpg", "http://[::1/a", "ftp://host/a", "a.jpg", "http://host:99999999/a", ""]
)
def test_what_is_no_http_address_is_a_bad_reference(downloader: HttpDownloader, url: str) -> None:
    with pytest.raises(BadReference):
        read(downloader, url)


# --- secrets --------------------------------------------------------------------------------

TROUBLE = {
    "missing": Answer(status=404),
    "forbidden": Answer(status=403),
    "limited": Answer(status=429),
    "server": Answer(status=500),
    "large": Answer(body=b"x", declared_bytes=MAX_BYTES + 1),
    "cut": Answer(body=b"x", declared_bytes=10),
    "reset": Answer(body=b"xxxx", reset_after_bytes=1),
    "closed": Answer(raw=b""),
    "no http": Answer(raw=b"hello\r\n"),
    "slow": Answer(hang=True),
    "circle": Answer(status=302, headers={"Location": "/circle?sig=HIDDEN"}),
    "elsewhere": Answer(status=302, headers={"Location": "ftp://me:HIDDEN@host/?HIDDEN"}),
    "bad encoding": Answer(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
}


def messages_of(error: BaseException | None) -> list[str]:
    """What a log would show of an error and its causes, without the lines of this file."""
    if error is None:
        return []
    shown = traceback.format_exception_only(error)
    return shown + messages_of(error.__cause__ or error.__context__)


@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_error_and_none_of_its_causes_shows_a_secret_of_the_address(
    downloader: HttpDownloader, images_over_http: ImageServer, trouble: str
) -> None:
    images_over_http.answer(trouble, TROUBLE[trouble])
    path = trouble.replace(" ", "%20")

    with pytest.raises(FetchError) as caught:
        read(downloader, f"http://me:HIDDEN@{images_over_http.host}/{path}?sig=HIDDEN#HIDDEN")

    assert "HIDDEN" not in "".join(messages_of(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:HIDDEN@127.0.0.1:1/a?sig=HIDDEN",
        "http://me:HIDDEN@[::1/a?sig=HIDDEN",
        "http://me:HIDDEN@host:99999999/a?sig=HIDDEN",
        "gopher://me:HIDDEN@host/a?sig=HIDDEN",
        f"http://me:HIDDEN@{'a' * 64}.example/a?sig=HIDDEN",
    ],
)
def test_no_error_of_an_unusable_address_shows_its_secrets(
    downloader: HttpDownloader, url: str
) -> None:
    with pytest.raises(FetchError) as caught:
        read(downloader, url)

    assert "HIDDEN" not in "".join(messages_of(caught.value))
