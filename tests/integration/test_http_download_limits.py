"""Images over http: the byte limit and the wall-clock limit hold against any server."""

import gzip
import socket
import time
import tracemalloc
from threading import Event

import pytest

from shared.bounded_sockets import Address
from shared.errors import (
    FetchError,
    FetchTimedOut,
    ImageTooLarge,
    OriginUnavailable,
    ServerError,
)
from shared.http_download import HttpDownloader
from shared.settings import Settings
from tests.support.fixtures_storage import LIMIT_SECONDS
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer

MAX_BYTES = 2**20


def read(downloader: HttpDownloader, url: str) -> bytes:
    return downloader.read(url, max_bytes=MAX_BYTES)


@pytest.mark.parametrize("chunked", [False, True])
def test_the_last_allowed_byte_is_allowed_and_the_next_is_not(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer, chunked: bool
) -> None:
    fits = images_over_http.answer("fits", Answer(body=b"x" * MAX_BYTES, chunked=chunked))
    large = images_over_http.answer("large", Answer(body=b"x" * (MAX_BYTES + 1), chunked=chunked))

    assert len(read(impatient_downloader, fits)) == MAX_BYTES
    with pytest.raises(ImageTooLarge, match="more than 1048576 bytes"):
        read(impatient_downloader, large)
    assert images_over_http.count("large") == 1


def test_a_large_file_is_refused_before_its_body_is_sent(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer(
        "a.jpg", Answer(body=b"x", declared_bytes=MAX_BYTES + 1, seconds_per_body_byte=60)
    )

    with pytest.raises(ImageTooLarge):
        read(impatient_downloader, url)


def test_bytes_beyond_a_content_length_that_is_too_small_are_not_read(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(body=b"x" * 100_000, declared_bytes=10))

    assert read(impatient_downloader, url) == b"x" * 10


def test_a_content_length_that_is_too_large_is_a_broken_answer(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(body=b"image", declared_bytes=1000))

    with pytest.raises(FetchError, match="broke off") as caught:
        read(impatient_downloader, url)

    assert type(caught.value) is FetchError


def test_a_compressed_body_is_unpacked_only_up_to_the_limit(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    bomb = gzip.compress(bytes(200 * MAX_BYTES), compresslevel=1)
    headers = {"Content-Encoding": "gzip"}
    url = images_over_http.answer("bomb", Answer(body=bomb, headers=headers))
    tracemalloc.start()

    with pytest.raises(ImageTooLarge):
        read(impatient_downloader, url)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(bomb) < MAX_BYTES
    assert peak_bytes < 8 * MAX_BYTES


def test_a_compressed_body_within_the_limit_is_unpacked(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    headers = {"Content-Encoding": "gzip"}
    url = images_over_http.answer("a", Answer(body=gzip.compress(b"image"), headers=headers))
    broken = images_over_http.answer("b", Answer(body=b"not gzip", headers=headers))

    assert read(impatient_downloader, url) == b"image"
    with pytest.raises(FetchError, match="not encoded as it says"):
        read(impatient_downloader, broken)


def test_framing_that_dwarfs_the_image_is_cut_off(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    one_byte = b"1;filler=" + b"x" * 1000 + b"\r\nx\r\n"
    body = one_byte * 8000 + b"0\r\n\r\n"
    url = images_over_http.answer("a.jpg", Answer(raw=head + body))

    with pytest.raises(ImageTooLarge, match="far more bytes"):
        read(impatient_downloader, url)


def test_an_endless_chunk_size_is_a_failure(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    url = images_over_http.answer("a.jpg", Answer(raw=head + b"0" * (8 * MAX_BYTES)))

    with pytest.raises(FetchError):
        read(impatient_downloader, url)


DRIPPING = {
    "body": Answer(body=b"x" * 1000, seconds_per_body_byte=0.05),
    "body in chunks": Answer(body=b"x" * 1000, chunked=True, seconds_per_body_byte=0.05),
    "head": Answer(body=b"x", headers={"Filler": "x" * 1000}, seconds_per_head_byte=0.05),
    "nothing": Answer(hang=True),
}


@pytest.mark.parametrize("kind", DRIPPING)
def test_a_server_that_drips_meets_the_wall_clock(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer, kind: str
) -> None:
    url = images_over_http.answer("a.jpg", DRIPPING[kind])
    began = time.monotonic()

    with pytest.raises(FetchTimedOut):
        read(impatient_downloader, url)

    assert LIMIT_SECONDS * 0.9 <= time.monotonic() - began < LIMIT_SECONDS + 2.0
    assert images_over_http.count("a.jpg") == 1


def test_the_wall_clock_goes_on_between_reads(images_over_http: ImageServer) -> None:
    slow_head_then_nothing = Answer(
        body=b"xx", seconds_per_head_byte=0.9 / 38, seconds_per_body_byte=60.0
    )
    url = images_over_http.answer("a.jpg", slow_head_then_nothing)
    downloader = HttpDownloader(Settings(fetch_timeout_seconds=1.2))
    began = time.monotonic()

    with pytest.raises(FetchTimedOut):
        read(downloader, url)

    assert time.monotonic() - began < 1.8  # one more whole time-out would make it 2.1
    downloader.close()


def test_attempts_have_growing_pauses_between_them(
    patient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(status=503))
    began = time.monotonic()

    with pytest.raises(ServerError):
        read(patient_downloader, url)

    assert (
        time.monotonic() - began >= 0.1 + 0.2
    )  # half of 0.2 and of 0.4: the most that jitter takes


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

    assert time.monotonic() - began < LIMIT_SECONDS + 2.0
    downloader.close()


def test_a_connection_after_a_time_out_starts_with_a_fresh_clock(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    late = Answer(status=200, body=b"x" * 10, seconds_per_body_byte=0.06)
    url = images_over_http.answer("late.jpg", late)

    assert [read(impatient_downloader, url) for _ in range(3)] == [b"x" * 10] * 3
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


def test_a_host_that_takes_no_connections_is_unavailable(
    impatient_downloader: HttpDownloader,
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        address = silent.getsockname()
        with socket.create_connection(address):  # fills the queue: the next one gets no answer
            began = time.monotonic()

            with pytest.raises(OriginUnavailable, match="timed out"):
                read(impatient_downloader, f"http://127.0.0.1:{address[1]}/a.jpg")

    assert 0.5 < time.monotonic() - began < LIMIT_SECONDS + 2.0
