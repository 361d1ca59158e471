"""Images over http: redirects, names, what is no address, and secrets in addresses."""

import socket
import traceback

import pytest

from shared.bounded_sockets import Address
from shared.errors import (
    BadReference,
    FetchError,
    ForbiddenAddress,
    NameNotResolved,
    OriginUnavailable,
    TooManyRedirects,
)
from shared.http_download import HttpDownloader
from shared.settings import Settings
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer
from tests.support.valkey import free_tcp_port

pytestmark = pytest.mark.usefixtures("quick_retries")

MAX_BYTES = 2**20


def read(downloader: HttpDownloader, url: str) -> bytes:
    return downloader.read(url, max_bytes=MAX_BYTES)


def test_redirects_are_followed_up_to_the_limit(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    images_over_http.put("end/a.jpg", b"image")
    images_over_http.redirect("hop1", "/hop2", status=301)
    images_over_http.redirect("hop2", images_over_http.url("hop3"), status=307)
    images_over_http.redirect("hop3", "end/a.jpg", status=308)
    images_over_http.redirect("hop0", "hop1")

    assert read(impatient_downloader, images_over_http.url("hop1")) == b"image"
    with pytest.raises(TooManyRedirects, match="more than 3"):
        read(impatient_downloader, images_over_http.url("hop0"))


def test_a_circle_of_redirects_ends(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.redirect("round", "/round")

    with pytest.raises(TooManyRedirects):
        read(impatient_downloader, url)

    assert images_over_http.count("round") == 4


def test_a_redirect_in_unescaped_unicode_is_followed(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    images_over_http.put("größe.jpg", b"image")
    url = images_over_http.redirect("a.jpg", "/größe.jpg")

    assert read(impatient_downloader, url) == b"image"


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://127.0.0.1/a", "s3://bucket/key", "http://[::1/a"]
)
def test_a_redirect_may_not_leave_http(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer, location: str
) -> None:
    url = images_over_http.redirect("a.jpg", location)

    with pytest.raises(ForbiddenAddress):
        read(impatient_downloader, url)


def test_a_redirect_without_a_goal_is_a_failure(
    impatient_downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("a.jpg", Answer(status=302))

    with pytest.raises(FetchError, match="answered 302"):
        read(impatient_downloader, url)


def test_a_port_that_nobody_listens_on_is_unavailable(impatient_downloader: HttpDownloader) -> None:
    with pytest.raises(OriginUnavailable, match="cannot be connected to"):
        read(impatient_downloader, f"http://127.0.0.1:{free_tcp_port()}/a.jpg")


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


def test_a_name_without_an_address_is_not_resolved(impatient_downloader: HttpDownloader) -> None:
    with pytest.raises(NameNotResolved, match="has no address"):
        read(impatient_downloader, f"http://{'a' * 64}.example/a.jpg")


@pytest.mark.parametrize(
    "url", ["http:///a.jpg", "http://[::1/a", "ftp://host/a", "a.jpg", "http://host:99999999/a", ""]
)
def test_what_is_no_http_address_is_a_bad_reference(
    impatient_downloader: HttpDownloader, url: str
) -> None:
    with pytest.raises(BadReference):
        read(impatient_downloader, url)


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
    impatient_downloader: HttpDownloader, images_over_http: ImageServer, trouble: str
) -> None:
    images_over_http.answer(trouble, TROUBLE[trouble])
    path = trouble.replace(" ", "%20")

    with pytest.raises(FetchError) as caught:
        read(
            impatient_downloader,
            f"http://me:HIDDEN@{images_over_http.host}/{path}?sig=HIDDEN#HIDDEN",
        )

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
    impatient_downloader: HttpDownloader, url: str
) -> None:
    with pytest.raises(FetchError) as caught:
        read(impatient_downloader, url)

    assert "HIDDEN" not in "".join(messages_of(caught.value))
