"""Lists over http: what they are, where to go on, and what when they change or break."""

import time
from collections.abc import Iterator

import pytest

from shared.errors import SourceChanged, SourceError
from shared.http_download import PIECE_BYTES, HttpDownloader, HttpStat
from shared.settings import Settings
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer

pytestmark = pytest.mark.usefixtures("quick_retries")

BODY = b"".join(b"https://example.com/%06d.jpg\n" % number for number in range(20_000))
LIMIT_SECONDS = 1.0


@pytest.fixture
def downloader() -> Iterator[HttpDownloader]:
    opened = HttpDownloader(Settings(fetch_timeout_seconds=LIMIT_SECONDS))
    yield opened
    opened.close()


def whole(downloader: HttpDownloader, url: str, **options: object) -> bytes:
    return b"".join(downloader.stream(url, **options))  # type: ignore[arg-type]


def test_stat_tells_size_version_and_ranges(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.put("list.txt", BODY)
    moved = images_over_http.redirect("moved.txt", "/list.txt")

    stat = downloader.stat(moved)

    assert stat.etag is not None
    assert stat == HttpStat(
        size_bytes=len(BODY),
        etag=stat.etag,
        last_modified="Sun, 05 Jan 2025 10:00:00 GMT",
        accepts_ranges=True,
        final_url=url,
    )


def test_stat_of_a_server_without_ranges_and_etags_says_so(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    images_over_http.ranges = images_over_http.etags = False

    stat = downloader.stat(images_over_http.put("list.txt", BODY))

    assert (stat.size_bytes, stat.etag, stat.accepts_ranges) == (len(BODY), None, False)


def test_stat_of_an_empty_list_is_zero_bytes(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    assert downloader.stat(images_over_http.put("list.txt", b"")).size_bytes == 0


def test_the_size_of_a_compressed_answer_is_not_the_size_of_the_list(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer(
        "list.txt", Answer(body=b"x" * 10, headers={"Content-Encoding": "gzip"})
    )

    stat = downloader.stat(url)

    assert (stat.size_bytes, stat.accepts_ranges) == (None, False)


@pytest.mark.parametrize("start_byte", [0, 1, 29 * 777, len(BODY) - 1, len(BODY)])
def test_a_list_is_read_from_any_byte(
    downloader: HttpDownloader, images_over_http: ImageServer, start_byte: int
) -> None:
    url = images_over_http.put("list.txt", BODY)
    etag = downloader.stat(url).etag

    assert whole(downloader, url, start_byte=start_byte, if_match=etag) == BODY[start_byte:]


def test_a_list_comes_in_pieces(downloader: HttpDownloader, images_over_http: ImageServer) -> None:
    pieces = list(downloader.stream(images_over_http.put("list.txt", BODY)))

    assert b"".join(pieces) == BODY
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_a_reader_may_stop_and_leaves_nothing_open(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    stream = downloader.stream(images_over_http.put("list.txt", BODY))

    assert BODY.startswith(next(stream))
    stream.close()  # type: ignore[attr-defined]  # generators have it


@pytest.mark.parametrize("honours_if_match", [True, False])
def test_a_list_that_changed_is_noticed(
    downloader: HttpDownloader, images_over_http: ImageServer, honours_if_match: bool
) -> None:
    url = images_over_http.put("list.txt", BODY)
    etag = downloader.stat(url).etag
    images_over_http.put("list.txt", BODY + b"more\n")
    if not honours_if_match:
        images_over_http.answer(
            "list.txt",
            Answer(
                status=206,
                body=BODY[29:],
                headers={"ETag": '"another"', "Content-Range": f"bytes 29-9/{len(BODY)}"},
            ),
        )

    with pytest.raises(SourceChanged, match="submit it again"):
        whole(downloader, url, start_byte=29, if_match=etag)


def test_a_list_that_became_shorter_is_noticed_even_without_an_etag(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    images_over_http.etags = False
    url = images_over_http.put("list.txt", BODY[:100])

    with pytest.raises(SourceChanged):
        whole(downloader, url, start_byte=200)


def test_a_server_without_ranges_cannot_go_on_in_the_middle(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    images_over_http.ranges = False
    url = images_over_http.put("list.txt", BODY)

    assert whole(downloader, url) == BODY
    with pytest.raises(SourceError, match="no ranges; download the list"):
        whole(downloader, url, start_byte=29)


def test_a_range_that_starts_elsewhere_is_refused(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    part = {"Content-Range": f"bytes 0-99/{len(BODY)}"}
    url = images_over_http.answer("list.txt", Answer(status=206, body=BODY[:100], headers=part))

    with pytest.raises(SourceError, match="cannot be continued at byte 29"):
        whole(downloader, url, start_byte=29)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.put("list.txt", BODY)
    etag = downloader.stat(url).etag or ""
    broken = Answer(body=BODY[:300_000], declared_bytes=len(BODY), headers={"ETag": etag})
    images_over_http.answer("list.txt", broken, None)

    read = whole(downloader, url, if_match=etag)

    assert read == BODY
    first, last = images_over_http.requests[-2:]
    assert "Range" not in first.headers
    assert last.headers["Range"] > "bytes=1"


def test_a_list_that_always_breaks_is_given_up(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    broken = Answer(body=b"", declared_bytes=1000, headers={"ETag": '"1"'})
    url = images_over_http.answer("list.txt", broken)

    with pytest.raises(SourceError, match="broke off"):
        whole(downloader, url, if_match='"1"')

    assert images_over_http.count("list.txt") == 3


def test_a_broken_list_without_a_version_is_not_glued_together(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer("list.txt", Answer(body=BODY[:1000], declared_bytes=2000))

    with pytest.raises(SourceError, match="broke off"):
        whole(downloader, url)

    assert images_over_http.count("list.txt") == 1


def test_a_slow_list_may_take_longer_than_an_image_may(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    images_over_http.put("list.txt", BODY)
    began = time.monotonic()
    size_bytes = 0

    for piece in downloader.stream(images_over_http.url("list.txt")):
        size_bytes += len(piece)
        time.sleep(LIMIT_SECONDS / 6)

    assert size_bytes == len(BODY)
    assert time.monotonic() - began > LIMIT_SECONDS


def test_a_list_that_hangs_is_given_up(
    downloader: HttpDownloader, images_over_http: ImageServer
) -> None:
    url = images_over_http.answer(
        "list.txt", Answer(body=BODY, seconds_per_body_byte=0.01, headers={"ETag": '"1"'})
    )
    began = time.monotonic()

    with pytest.raises(SourceError, match="longer than the limit"):
        whole(downloader, url)

    assert time.monotonic() - began < LIMIT_SECONDS + 2.0


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_list_that_cannot_be_had_is_a_source_error_without_secrets(
    downloader: HttpDownloader, images_over_http: ImageServer, status: int
) -> None:
    images_over_http.answer("list.txt", Answer(status=status))
    url = f"http://me:HIDDEN@{images_over_http.host}/list.txt?sig=HIDDEN"

    for ask in (downloader.stat, lambda url: whole(downloader, url)):
        with pytest.raises(SourceError) as caught:
            ask(url)

        shown = f"http://{images_over_http.host}/list.txt cannot be read: "
        assert str(caught.value) == f"{shown}{images_over_http.host} answered {status}"
