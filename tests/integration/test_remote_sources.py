import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from producer.sources import open_source
from producer.sources.base import Source
from producer.sources.options import SourceOptions
from shared.errors import SourceChanged, SourceError, SourceUnavailable
from shared.settings import Settings
from tests.support.image_server import Answer, ImageServer
from tests.support.local_sources import NAMES, list_text
from tests.support.s3_servers import S3Server
from tests.support.source_reading import assert_resumes_everywhere, items_of

SUFFIXES = [".txt", ".csv", ".tsv", ".jsonl"]


def source_at(
    spec: str, spool_dir: Path, settings: Settings | None = None, **options: Any
) -> Source:
    return open_source(
        spec,
        settings=settings or Settings(),
        options=SourceOptions(**options),
        spool_dir=spool_dir,
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_list_at_http_is_read_by_byte_offset(
    images_over_http: ImageServer, tmp_path: Path, suffix: str
) -> None:
    url = images_over_http.put(f"/lists/l{suffix}", list_text(suffix).encode())
    source = source_at(f"{url}?token=1", tmp_path, page_items=5)

    pages = assert_resumes_everywhere(source)

    items = [item for page in pages for item in page.items]
    assert [item.uri for item in items] == [images_over_http.url(f"lists/{n}") for n in NAMES]
    assert list(tmp_path.iterdir()) == []


def test_resuming_at_http_asks_for_the_rest_only(
    images_over_http: ImageServer, tmp_path: Path
) -> None:
    url = images_over_http.put("l.txt", b"a.jpg\nbb.jpg\n")
    cursor = next(source_at(url, tmp_path, page_items=1).pages(None)).cursor
    before = len(images_over_http.requests)

    items_of(source_at(url, tmp_path), cursor)

    ranges = [one.headers.get("Range") for one in images_over_http.requests[before:]]
    assert "bytes=6-" in ranges


@pytest.mark.parametrize("lacking", ["ranges", "etags"])
def test_a_list_that_cannot_be_sought_is_spooled(
    images_over_http: ImageServer, tmp_path: Path, lacking: str
) -> None:
    setattr(images_over_http, lacking, False)
    url = images_over_http.put("l.csv", list_text(".csv").encode())

    pages = assert_resumes_everywhere(source_at(url, tmp_path / "spool", page_items=5))

    assert [i.uri for p in pages for i in p.items] == [images_over_http.url(n) for n in NAMES]
    assert len(list((tmp_path / "spool").glob("*.spool"))) == 1


def test_a_compressed_list_at_http_is_spooled_whole(
    images_over_http: ImageServer, tmp_path: Path
) -> None:
    halves = [b"path\n" + b"a.jpg\n" * 2, b"b.jpg\n" * 3]
    url = images_over_http.put("l.csv.gz", b"".join(gzip.compress(half) for half in halves))

    pages = assert_resumes_everywhere(source_at(url, tmp_path / "spool", page_items=2))

    assert [len(page.items) for page in pages] == [2, 2, 1]


def test_a_spooled_list_outlives_its_server(images_over_http: ImageServer, tmp_path: Path) -> None:
    url = images_over_http.put("l.txt.gz", gzip.compress(b"a.jpg\nb.jpg\n"))
    cursor = next(source_at(url, tmp_path, page_items=1).pages(None)).cursor
    images_over_http.close()

    assert [item.line for item in items_of(source_at(url, tmp_path), cursor)] == [2]


@pytest.mark.parametrize("is_reopened", [True, False])
def test_a_list_at_http_that_changes_between_pages_is_refused(
    images_over_http: ImageServer, tmp_path: Path, is_reopened: bool
) -> None:
    url = images_over_http.put("l.txt", b"a.jpg\nb.jpg\n")
    pages = source_at(url, tmp_path, page_items=1).pages(None)
    cursor = next(pages).cursor
    images_over_http.put("l.txt", b"a.jpg\nc.jpg\n")

    with pytest.raises(SourceChanged, match="changed while"):
        list(source_at(url, tmp_path).pages(cursor) if is_reopened else pages)


def test_a_parquet_list_at_http_is_spooled(images_over_http: ImageServer, tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": NAMES}), tmp_path / "l.parquet")
    url = images_over_http.put("sub/l.parquet", (tmp_path / "l.parquet").read_bytes())

    pages = assert_resumes_everywhere(source_at(url, tmp_path / "spool", page_items=4))

    found = [item.uri for page in pages for item in page.items]
    assert found == [images_over_http.url(f"sub/{name}") for name in NAMES]


@pytest.mark.parametrize("status", [403, 404])
def test_a_list_that_is_not_to_be_had_is_refused_without_its_secrets(
    images_over_http: ImageServer, tmp_path: Path, status: int
) -> None:
    url = images_over_http.answer("l.txt", Answer(status=status))

    with pytest.raises(SourceError, match=f"answered {status}") as caught:
        items_of(source_at(f"{url}?key=secret", tmp_path))

    assert "secret" not in str(caught.value)


def test_a_server_that_is_down_may_come_back(images_over_http: ImageServer, tmp_path: Path) -> None:
    settings = Settings(fetch_attempts=1)
    url = images_over_http.answer("l.txt", Answer(status=503))
    with pytest.raises(SourceUnavailable, match="answered 503"):
        items_of(source_at(url, tmp_path, settings))

    images_over_http.close()
    with pytest.raises(SourceUnavailable, match=r"cannot be read: .*connect"):
        items_of(source_at(url, tmp_path, settings))


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".txt.gz"])
def test_a_list_at_s3_is_read_from_every_cursor(
    moto_s3: S3Server, moto_bucket: str, tmp_path: Path, suffix: str
) -> None:
    plain = suffix.removesuffix(".gz")
    data = list_text(plain).encode()
    body = data if plain == suffix else gzip.compress(data)
    moto_s3.put_objects(moto_bucket, {f"lists/l{suffix}": body})
    spec = f"s3://{moto_bucket}/lists/l{suffix}"

    pages = assert_resumes_everywhere(source_at(spec, tmp_path, moto_s3.settings(), page_items=8))

    found = [item.uri for page in pages for item in page.items]
    assert found == [f"s3://{moto_bucket}/lists/{name}" for name in NAMES]


def test_a_list_at_s3_that_changes_between_pages_is_refused(
    rclone_s3: S3Server, rclone_bucket: Path, tmp_path: Path
) -> None:
    (rclone_bucket / "l.txt").write_bytes(b"a.jpg\nb.jpg\n")
    spec = f"s3://{rclone_bucket.name}/l.txt"
    cursor = next(source_at(spec, tmp_path, rclone_s3.settings(), page_items=1).pages(None)).cursor
    (rclone_bucket / "l.txt").write_bytes(b"a.jpg\nc.jpg\nd.jpg\n")

    with pytest.raises(SourceChanged, match="changed while"):
        items_of(source_at(spec, tmp_path, rclone_s3.settings()), cursor)


def test_a_prefix_of_2500_keys_is_listed_from_every_cursor(
    rclone_s3: S3Server, rclone_bucket: Path, tmp_path: Path
) -> None:
    names = [f"class {number % 7}/image {number:04}.jpg" for number in range(2500)]
    for name in [*names, "class 0/notes.txt", ".hidden/a.jpg", "class 1/.b.jpg"]:
        path = rclone_bucket / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (rclone_bucket / "set2").mkdir()
    (rclone_bucket / "set2" / "other.jpg").write_bytes(b"x")
    spec = f"s3://{rclone_bucket.name}/set"
    source = source_at(spec, tmp_path, rclone_s3.settings(), page_items=1100)

    pages = assert_resumes_everywhere(source)

    items = [item for page in pages for item in page.items]
    assert [item.uri for item in items] == [f"{spec}/{name}" for name in sorted(names)]
    assert [item.label for item in items] == [name.split("/")[0] for name in sorted(names)]
    assert [len(page.items) for page in pages] == [1100, 1100, 300]
    assert json.loads(pages[0].cursor)["place"]["after"].startswith("set/class")


def test_odd_keys_are_listed_as_they_are(
    moto_s3: S3Server, moto_bucket: str, tmp_path: Path
) -> None:
    keys = ["a b/x+y.jpg", "a b/%20?#&.jpg", "top.jpg", "\N{SNOWMAN}/l\tf.png", "a//double.jpg"]
    folders = {"a b/": b"", "not an image.jpg/": b""}
    moto_s3.put_objects(moto_bucket, {**dict.fromkeys(keys, b"x"), **folders})

    items = items_of(source_at(f"s3://{moto_bucket}", tmp_path, moto_s3.settings()))

    assert [item.uri for item in items] == [f"s3://{moto_bucket}/{key}" for key in sorted(keys)]
    assert {item.uri.rpartition("/")[2]: item.label for item in items} == {
        "x+y.jpg": "a b",
        "%20?#&.jpg": "a b",
        "top.jpg": None,
        "l\tf.png": "\N{SNOWMAN}",
        "double.jpg": None,
    }


def test_an_empty_prefix_and_a_missing_bucket_are_refused(
    moto_s3: S3Server, moto_bucket: str, tmp_path: Path
) -> None:
    moto_s3.put_objects(moto_bucket, {"set2/a.jpg": b"x"})

    with pytest.raises(SourceError, match=f"no images under s3://{moto_bucket}/set/"):
        items_of(source_at(f"s3://{moto_bucket}/set", tmp_path, moto_s3.settings()))
    with pytest.raises(SourceError, match="cannot be read"):
        items_of(source_at("s3://no-such-bucket/set/", tmp_path, moto_s3.settings()))


def test_a_cursor_of_another_prefix_is_refused(
    moto_s3: S3Server, moto_bucket: str, tmp_path: Path
) -> None:
    moto_s3.put_objects(moto_bucket, {"one/a.jpg": b"x", "two/a.jpg": b"x"})
    one = source_at(f"s3://{moto_bucket}/one/", tmp_path, moto_s3.settings())
    two = source_at(f"s3://{moto_bucket}/two/", tmp_path, moto_s3.settings())

    with pytest.raises(SourceChanged):
        items_of(two, next(one.pages(None)).cursor)
