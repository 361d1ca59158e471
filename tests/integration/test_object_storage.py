"""Objects from real S3 servers: rclone checks signatures, moto takes any key."""

import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.errors import (
    BadReference,
    FetchError,
    FetchTimedOut,
    ImageForbidden,
    ImageNotFound,
    ImageTooLarge,
    OriginUnavailable,
    RateLimited,
    ServerError,
    SettingsError,
    SourceChanged,
    SourceError,
)
from shared.http_download import PIECE_BYTES
from shared.object_storage import ObjectKey, ObjectStorage, parse_s3_uri
from shared.settings import Settings
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer, image_server
from tests.support.s3_servers import S3Server
from tests.support.valkey import free_tcp_port

MAX_BYTES = 2**20
LIMIT_SECONDS = 1.0
OpenStorage = Callable[[Settings], ObjectStorage]

ODD_KEYS = [
    "with space.jpg",
    "hash#1.jpg",
    "what?.jpg?versionId=x",
    "100%.jpg",
    "%41%2F.jpg",
    "plus+plus.jpg",
    "ünï/写真/🐈.jpg",
    "two//slashes.jpg",
    "/leading.jpg",
    "a/./b/../c.jpg",
    "amp&eq=;,@:$!'()*.jpg",
    'back\\slash"quote<tag>.jpg',
]


@pytest.fixture
def open_storage() -> Iterator[OpenStorage]:
    opened: list[ObjectStorage] = []

    def open_one(settings: Settings) -> ObjectStorage:
        opened.append(ObjectStorage(settings))
        return opened[-1]

    yield open_one
    for storage in opened:
        storage.close()


@pytest.fixture
def misbehaving(
    images_over_http: ImageServer, open_storage: OpenStorage
) -> tuple[ImageServer, ObjectStorage]:
    """A server that answers as it is told, and a storage that takes it for S3."""
    server = S3Server(endpoint_url=images_over_http.url("").rstrip("/"))
    limits = {"fetch_timeout_seconds": LIMIT_SECONDS, "connect_timeout_seconds": 0.2}
    return images_over_http, open_storage(server.settings(**limits))


# --- images ---------------------------------------------------------------------------------


def test_an_object_comes_whole_from_a_server_that_checks_signatures(
    rclone_s3: S3Server, rclone_bucket: Path, open_storage: OpenStorage
) -> None:
    body = bytes(range(256)) * 2000
    (rclone_bucket / "cats").mkdir()
    (rclone_bucket / "cats" / "a b.jpg").write_bytes(body)
    storage = open_storage(rclone_s3.settings())

    assert storage.read(rclone_bucket.name, "cats/a b.jpg", max_bytes=MAX_BYTES) == body


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_may_hold_anything(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage, key: str
) -> None:
    moto_s3.put_objects(moto_bucket, {key: key.encode(), "decoy.jpg": b"decoy"})
    storage = open_storage(moto_s3.settings())
    bucket, parsed = parse_s3_uri(f"s3://{moto_bucket}/{key}")

    assert storage.read(bucket, parsed, max_bytes=MAX_BYTES) == key.encode()
    listed = [found.key for found in storage.list_keys(moto_bucket, "", start_after=None)[0]]
    assert sorted(listed) == sorted([key, "decoy.jpg"])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"s3_secret_key": SecretStr("wrong")}, ImageForbidden, "answered 403"),
        ({"s3_access_key": SecretStr("stranger")}, ImageForbidden, "answered 403"),
    ],
    ids=["secret", "key"],
)
def test_wrong_credentials_are_forbidden(
    rclone_s3: S3Server,
    rclone_bucket: Path,
    open_storage: OpenStorage,
    changes: dict[str, object],
    error: type[FetchError],
    message: str,
) -> None:
    (rclone_bucket / "a.jpg").write_bytes(b"image")
    storage = open_storage(rclone_s3.settings(**changes))

    with pytest.raises(error, match=message):
        storage.read(rclone_bucket.name, "a.jpg", max_bytes=MAX_BYTES)
    with pytest.raises(SourceError, match=message):
        storage.list_keys(rclone_bucket.name, "", start_after=None)


def test_a_public_object_needs_no_credentials(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage
) -> None:
    with moto_s3.client() as client:
        client.put_object(Bucket=moto_bucket, Key="a.jpg", Body=b"image", ACL="public-read")
    settings = Settings(s3_endpoint_url=moto_s3.endpoint_url, s3_anonymous=True)

    storage = open_storage(settings)

    assert storage.read(moto_bucket, "a.jpg", max_bytes=MAX_BYTES) == b"image"


def test_credentials_come_from_the_usual_places_if_none_are_set(
    rclone_s3: S3Server,
    rclone_bucket: Path,
    open_storage: OpenStorage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (rclone_bucket / "a.jpg").write_bytes(b"image")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone_s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone_s3.secret_key)

    storage = open_storage(Settings(s3_endpoint_url=rclone_s3.endpoint_url))

    assert storage.read(rclone_bucket.name, "a.jpg", max_bytes=MAX_BYTES) == b"image"


def test_without_any_credentials_the_message_says_what_to_set(
    rclone_s3: S3Server,
    open_storage: OpenStorage,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    storage = open_storage(Settings(s3_endpoint_url=rclone_s3.endpoint_url))

    with pytest.raises(ImageForbidden, match="NESTOR_S3_ACCESS_KEY"):
        storage.read("bucket", "a.jpg", max_bytes=MAX_BYTES)


def test_what_is_missing_is_not_found(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage
) -> None:
    storage = open_storage(moto_s3.settings())

    with pytest.raises(ImageNotFound):
        storage.read(moto_bucket, "missing.jpg", max_bytes=MAX_BYTES)
    with pytest.raises(ImageNotFound):
        storage.read("no-such-bucket", "a.jpg", max_bytes=MAX_BYTES)
    with pytest.raises(SourceError, match="s3://no-such-bucket/cats/ cannot be read"):
        storage.list_keys("no-such-bucket", "cats/", start_after=None)


def test_a_bucket_that_cannot_exist_is_a_bad_reference(
    moto_s3: S3Server, open_storage: OpenStorage
) -> None:
    with pytest.raises(BadReference, match="not a bucket and key"):
        open_storage(moto_s3.settings()).read("two words", "a.jpg", max_bytes=MAX_BYTES)


def test_the_last_allowed_byte_is_allowed_and_the_next_is_not(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage
) -> None:
    moto_s3.put_objects(moto_bucket, {"a.jpg": b"x" * 1000})
    storage = open_storage(moto_s3.settings())

    assert len(storage.read(moto_bucket, "a.jpg", max_bytes=1000)) == 1000
    with pytest.raises(ImageTooLarge, match="more than 999 bytes"):
        storage.read(moto_bucket, "a.jpg", max_bytes=999)


def test_a_storage_serves_many_threads(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage
) -> None:
    objects = {f"{n}.jpg": f"image {n} ".encode() * (n + 1) for n in range(100)}
    moto_s3.put_objects(moto_bucket, objects)
    storage = open_storage(moto_s3.settings())

    with ThreadPoolExecutor(32) as threads:
        bodies = list(
            threads.map(lambda key: storage.read(moto_bucket, key, max_bytes=MAX_BYTES), objects)
        )

    assert bodies == list(objects.values())


def test_an_endpoint_that_is_no_address_is_a_settings_error(open_storage: OpenStorage) -> None:
    with pytest.raises(SettingsError, match="S3 settings cannot be used"):
        open_storage(S3Server(endpoint_url="not an address").settings())


# --- servers in trouble ---------------------------------------------------------------------

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
    assert time.monotonic() - began < LIMIT_SECONDS + 0.5
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


def test_an_endpoint_that_is_down_is_unavailable(open_storage: OpenStorage) -> None:
    nobody = S3Server(endpoint_url=f"http://127.0.0.1:{free_tcp_port()}")
    storage = open_storage(nobody.settings())

    with pytest.raises(OriginUnavailable):
        storage.read("bucket", "a.jpg", max_bytes=MAX_BYTES)
    with pytest.raises(SourceError, match="cannot be connected to"):
        storage.list_keys("bucket", "", start_after=None)


def test_proxies_of_the_environment_are_ignored(
    misbehaving: tuple[ImageServer, ObjectStorage],
    monkeypatch: pytest.MonkeyPatch,
    open_storage: OpenStorage,
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


# --- listings -------------------------------------------------------------------------------


def test_a_large_prefix_is_listed_in_pages_and_goes_on_after_any_key(
    rclone_s3: S3Server, rclone_bucket: Path, open_storage: OpenStorage
) -> None:
    names = [f"cats/{number:05d}.jpg" for number in range(2500)]
    for folder in ("cats", "dogs"):
        (rclone_bucket / folder).mkdir()
    for name in names:
        (rclone_bucket / name).write_bytes(b"x" * (int(name[5:10]) % 7))
    (rclone_bucket / "dogs" / "00000.jpg").write_bytes(b"x")
    storage = open_storage(rclone_s3.settings())

    pages = list(_pages(storage, rclone_bucket.name, "cats/"))
    resumed, _ = storage.list_keys(rclone_bucket.name, "cats/", start_after=names[1233])

    assert [len(page) for page in pages] == [1000, 1000, 500]
    listed = [(found.key, found.size_bytes) for page in pages for found in page]
    assert listed == [(name, int(name[5:10]) % 7) for name in names]
    assert [found.key for found in resumed] == names[1234:2234]


def test_the_end_of_a_full_page_is_known(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage
) -> None:
    moto_s3.put_objects(moto_bucket, {f"{n}.jpg": b"x" for n in range(6)})
    storage = open_storage(moto_s3.settings())

    first, more = storage.list_keys(moto_bucket, "", start_after=None, page_size=3)
    rest, more_still = storage.list_keys(moto_bucket, "", start_after=first[-1].key, page_size=3)

    assert ([one.key for one in first], more) == (["0.jpg", "1.jpg", "2.jpg"], True)
    assert ([one.key for one in rest], more_still) == (["3.jpg", "4.jpg", "5.jpg"], False)


def test_an_empty_prefix_has_no_keys(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage
) -> None:
    storage = open_storage(moto_s3.settings())

    assert storage.list_keys(moto_bucket, "nothing/", start_after=None) == ([], False)


def _pages(storage: ObjectStorage, bucket: str, prefix: str) -> Iterator[list[ObjectKey]]:
    after: str | None = None
    more = True
    while more:
        page, more = storage.list_keys(bucket, prefix, start_after=after)
        after = page[-1].key
        yield page


# --- lists ----------------------------------------------------------------------------------

BODY = b"".join(b"s3://bucket/%06d.jpg\n" % number for number in range(20_000))


@pytest.mark.parametrize("start_byte", [0, 1, len(BODY) // 2, len(BODY)])
def test_a_list_is_read_from_any_byte(
    rclone_s3: S3Server, rclone_bucket: Path, open_storage: OpenStorage, start_byte: int
) -> None:
    (rclone_bucket / "list.txt").write_bytes(BODY)
    storage = open_storage(rclone_s3.settings())
    stat = storage.stat(rclone_bucket.name, "list.txt")

    pieces = list(
        storage.stream(rclone_bucket.name, "list.txt", start_byte=start_byte, if_match=stat.etag)
    )

    assert stat.size_bytes == len(BODY)
    assert b"".join(pieces) == BODY[start_byte:]
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)


@pytest.mark.parametrize("new_body", [BODY + b"more", BODY[:10]], ids=["longer", "shorter"])
def test_a_list_that_changed_is_noticed(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage, new_body: bytes
) -> None:
    moto_s3.put_objects(moto_bucket, {"list.txt": BODY})
    storage = open_storage(moto_s3.settings())
    etag = storage.stat(moto_bucket, "list.txt").etag
    moto_s3.put_objects(moto_bucket, {"list.txt": new_body})

    with pytest.raises(SourceChanged, match=f"s3://{moto_bucket}/list.txt changed"):
        list(storage.stream(moto_bucket, "list.txt", start_byte=100, if_match=etag))


def test_a_list_that_broke_is_taken_up_where_it_broke(
    misbehaving: tuple[ImageServer, ObjectStorage],
) -> None:
    server, storage = misbehaving
    versioned = {"ETag": '"1"'}
    whole_pieces = 3 * PIECE_BYTES  # the rest of a piece is asked for again
    server.answer(
        "bucket/list.txt",
        Answer(body=BODY[: whole_pieces + 1000], declared_bytes=len(BODY), headers=versioned),
        Answer(status=206, body=BODY[whole_pieces:], headers=versioned),
    )

    pieces = list(storage.stream("bucket", "list.txt", if_match='"1"'))

    assert b"".join(pieces) == BODY
    assert server.requests[-1].headers["Range"] == f"bytes={whole_pieces}-"


def test_a_list_that_is_missing_is_a_source_error(
    moto_s3: S3Server, moto_bucket: str, open_storage: OpenStorage
) -> None:
    storage = open_storage(moto_s3.settings())

    with pytest.raises(SourceError, match=r"list\.txt cannot be read: .* answered 404"):
        storage.stat(moto_bucket, "list.txt")
    with pytest.raises(SourceError, match=r"list\.txt cannot be read: .* answered 404"):
        list(storage.stream(moto_bucket, "list.txt"))
