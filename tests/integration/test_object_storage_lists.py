"""Listings and lists from real S3 servers: pages, places to go on, changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import (
    SourceChanged,
    SourceError,
)
from shared.http_download import PIECE_BYTES
from shared.object_storage import ObjectKey, ObjectStorage
from tests.support.http_answers import Answer
from tests.support.image_server import ImageServer
from tests.support.s3_servers import S3Server


def test_a_large_prefix_is_listed_in_pages_and_goes_on_after_any_key(
    rclone_bucket: Path, rclone_storage: ObjectStorage
) -> None:
    names = [f"cats/{number:05d}.jpg" for number in range(2500)]
    for folder in ("cats", "dogs"):
        (rclone_bucket / folder).mkdir()
    for name in names:
        (rclone_bucket / name).write_bytes(b"x" * (int(name[5:10]) % 7))
    (rclone_bucket / "dogs" / "00000.jpg").write_bytes(b"x")

    pages = list(_pages(rclone_storage, rclone_bucket.name, "cats/"))
    resumed, _ = rclone_storage.list_keys(rclone_bucket.name, "cats/", start_after=names[1233])

    assert [len(page) for page in pages] == [1000, 1000, 500]
    listed = [(found.key, found.size_bytes) for page in pages for found in page]
    assert listed == [(name, int(name[5:10]) % 7) for name in names]
    assert [found.key for found in resumed] == names[1234:2234]


def test_the_end_of_a_full_page_is_known(
    moto_s3: S3Server, moto_bucket: str, moto_storage: ObjectStorage
) -> None:
    moto_s3.put_objects(moto_bucket, {f"{n}.jpg": b"x" for n in range(6)})

    first, more = moto_storage.list_keys(moto_bucket, "", start_after=None, page_size=3)
    rest, more_still = moto_storage.list_keys(
        moto_bucket, "", start_after=first[-1].key, page_size=3
    )

    assert ([one.key for one in first], more) == (["0.jpg", "1.jpg", "2.jpg"], True)
    assert ([one.key for one in rest], more_still) == (["3.jpg", "4.jpg", "5.jpg"], False)


def test_an_empty_prefix_has_no_keys(moto_bucket: str, moto_storage: ObjectStorage) -> None:

    assert moto_storage.list_keys(moto_bucket, "nothing/", start_after=None) == ([], False)


def _pages(storage: ObjectStorage, bucket: str, prefix: str) -> Iterator[list[ObjectKey]]:
    after: str | None = None
    more = True
    while more:
        page, more = storage.list_keys(bucket, prefix, start_after=after)
        after = page[-1].key
        yield page


BODY = b"".join(b"s3://bucket/%06d.jpg\n" % number for number in range(20_000))


@pytest.mark.parametrize("start_byte", [0, 1, len(BODY) // 2, len(BODY)])
def test_a_list_is_read_from_any_byte(
    rclone_bucket: Path, rclone_storage: ObjectStorage, start_byte: int
) -> None:
    (rclone_bucket / "list.txt").write_bytes(BODY)
    stat = rclone_storage.stat(rclone_bucket.name, "list.txt")

    pieces = list(
        rclone_storage.stream(
            rclone_bucket.name, "list.txt", start_byte=start_byte, if_match=stat.etag
        )
    )

    assert stat.size_bytes == len(BODY)
    assert b"".join(pieces) == BODY[start_byte:]
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)


@pytest.mark.parametrize("new_body", [BODY + b"more", BODY[:10]], ids=["longer", "shorter"])
def test_a_list_that_changed_is_noticed(
    moto_s3: S3Server, moto_bucket: str, moto_storage: ObjectStorage, new_body: bytes
) -> None:
    moto_s3.put_objects(moto_bucket, {"list.txt": BODY})
    etag = moto_storage.stat(moto_bucket, "list.txt").etag
    moto_s3.put_objects(moto_bucket, {"list.txt": new_body})

    with pytest.raises(SourceChanged, match=f"s3://{moto_bucket}/list.txt changed"):
        list(moto_storage.stream(moto_bucket, "list.txt", start_byte=100, if_match=etag))


def test_a_list_that_broke_is_taken_up_where_it_broke(
    misbehaving: tuple[ImageServer, ObjectStorage],
) -> None:
    server, storage = misbehaving
    server.put("bucket/list.txt", BODY)
    etag = storage.stat("bucket", "list.txt").etag
    broken = Answer(body=BODY[:200_000], declared_bytes=len(BODY), headers={"ETag": etag})
    server.answer("bucket/list.txt", broken, None)

    pieces = list(storage.stream("bucket", "list.txt", if_match=etag))

    assert b"".join(pieces) == BODY
    first, last = server.requests[-2:]
    assert "Range" not in first.headers
    assert last.headers["Range"] > "bytes=1"


def test_a_server_without_ranges_cannot_go_on_in_the_middle(
    misbehaving: tuple[ImageServer, ObjectStorage],
) -> None:
    server, storage = misbehaving
    server.answer("bucket/list.txt", Answer(body=BODY))

    with pytest.raises(SourceError, match="no ranges; download the list"):
        list(storage.stream("bucket", "list.txt", start_byte=19))


def test_a_list_that_is_missing_is_a_source_error(
    moto_bucket: str, moto_storage: ObjectStorage
) -> None:

    with pytest.raises(SourceError, match=r"list\.txt cannot be read: .* answered 404"):
        moto_storage.stat(moto_bucket, "list.txt")
    with pytest.raises(SourceError, match=r"list\.txt cannot be read: .* answered 404"):
        list(moto_storage.stream(moto_bucket, "list.txt"))
