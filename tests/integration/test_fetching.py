"""The worker's fetchers: files in all their forms, and the way from a URI to its fetcher."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from shared.errors import (
    BadReference,
    FetchError,
    ImageForbidden,
    ImageNotFound,
    ImageTooLarge,
)
from shared.settings import Settings
from tests.support.image_server import ImageServer
from tests.support.s3_servers import S3Server
from worker.fetching import SchemeFetcher, open_fetcher
from worker.fetching.file_fetcher import FileFetcher


@pytest.fixture
def fetcher() -> Iterator[SchemeFetcher]:
    opened = open_fetcher(Settings(max_image_bytes=1000, s3_anonymous=True))
    yield opened
    opened.close()


@pytest.mark.parametrize("name", ["a.jpg", "a b.jpg", "100%.jpg", "%41.jpg", "wh?t#.jpg", "ü.jpg"])
def test_a_file_is_named_by_its_path_or_its_escaped_address(
    fetcher: SchemeFetcher, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"image")

    assert fetcher.fetch(str(path)) == b"image"
    assert fetcher.fetch(f"file://{quote(str(path))}") == b"image"
    assert fetcher.fetch(f"file://localhost{quote(str(path))}") == b"image"


def test_a_file_name_may_be_no_unicode(fetcher: SchemeFetcher, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(path)).write_bytes(b"image")

    assert fetcher.fetch(f"file://{quote(path)}") == b"image"
    assert fetcher.fetch(os.fsdecode(path)) == b"image"


def test_an_empty_file_is_fetched(fetcher: SchemeFetcher, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()

    assert fetcher.fetch(str(tmp_path / "a.jpg")) == b""


def test_the_last_allowed_byte_of_a_file_is_allowed_and_the_next_is_not(
    fetcher: SchemeFetcher, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * 1000)
    assert len(fetcher.fetch(str(path))) == 1000
    path.write_bytes(b"x" * 1001)

    with pytest.raises(ImageTooLarge, match="more than 1000 bytes"):
        fetcher.fetch(str(path))


def test_a_file_that_says_zero_bytes_and_has_more_is_read_within_the_limit() -> None:
    source = "/proc/self/status"  # the kernel says 0 bytes of it
    expected = Path(source).read_bytes().splitlines()[0]

    assert FileFetcher(Settings()).fetch(source).splitlines()[0] == expected
    with pytest.raises(ImageTooLarge):
        FileFetcher(Settings(max_image_bytes=100)).fetch(source)


def test_what_is_missing_is_not_found(fetcher: SchemeFetcher, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")

    for name in ("missing.jpg", "a.jpg/b.jpg", "dangling"):
        with pytest.raises(ImageNotFound):
            fetcher.fetch(str(tmp_path / name))


def test_a_symbolic_link_to_a_file_is_followed(fetcher: SchemeFetcher, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"image")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")

    assert fetcher.fetch(str(tmp_path / "link.jpg")) == b"image"


def test_a_file_without_permission_is_forbidden(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"image")
    path.chmod(0)
    tmp_path.chmod(0o711)
    program = (
        "import os, sys\n"
        "from shared.settings import Settings\n"
        "from worker.fetching.file_fetcher import FileFetcher\n"
        "fetcher = FileFetcher(Settings())\n"
        "os.geteuid() == 0 and os.setuid(65534)\n"
        "try: fetcher.fetch(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    for parent in list(tmp_path.parents)[:2]:  # pytest keeps its folders to itself
        parent.chmod(0o711)

    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"{ImageForbidden.__name__}\n"


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "socket"])
def test_what_is_no_regular_file_is_refused_at_once(
    fetcher: SchemeFetcher, tmp_path: Path, kind: str
) -> None:
    path = {"device": Path("/dev/zero")}.get(kind, tmp_path / kind)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        os.mknod(path, 0o140600)
    failures: list[BaseException] = []

    def fetch() -> None:
        try:
            fetcher.fetch(str(path))
        except FetchError as error:
            failures.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(timeout=5)

    assert not thread.is_alive()
    assert isinstance(failures[0], BadReference)


@pytest.mark.parametrize(
    "uri",
    [
        "photos/a.jpg",
        "a.jpg",
        "",
        "ftp://host/a.jpg",
        "data:image/png;base64,AAAA",
        "file:a.jpg",
        "file://elsewhere/a.jpg",
        "file://",
        "/a\0.jpg",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "http://",
    ],
)
def test_what_no_fetcher_serves_is_a_bad_reference(fetcher: SchemeFetcher, uri: str) -> None:
    with pytest.raises(BadReference):
        fetcher.fetch(uri)


def test_every_scheme_finds_its_fetcher_from_many_threads(
    images_over_http: ImageServer, moto_s3: S3Server, moto_bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"file")
    moto_s3.put_objects(moto_bucket, {"a b.jpg": b"object"})
    uris = {
        str(tmp_path / "a.jpg"): b"file",
        (tmp_path / "a.jpg").as_uri(): b"file",
        images_over_http.put("a.jpg", b"http"): b"http",
        images_over_http.url("a.jpg").replace("http", "HTTP"): b"http",
        f"s3://{moto_bucket}/a b.jpg": b"object",
    }
    fetcher = open_fetcher(moto_s3.settings())

    with ThreadPoolExecutor(32) as threads:
        contents = list(threads.map(fetcher.fetch, list(uris) * 20))

    assert contents == list(uris.values()) * 20
    fetcher.close()


def test_the_byte_limit_holds_for_every_scheme(
    images_over_http: ImageServer, moto_s3: S3Server, moto_bucket: str, tmp_path: Path
) -> None:
    body = b"x" * 101
    (tmp_path / "a.jpg").write_bytes(body)
    moto_s3.put_objects(moto_bucket, {"a.jpg": body})
    fetcher = open_fetcher(moto_s3.settings(max_image_bytes=100))

    for uri in (
        str(tmp_path / "a.jpg"),
        images_over_http.put("a.jpg", body),
        f"s3://{moto_bucket}/a.jpg",
    ):
        with pytest.raises(ImageTooLarge):
            fetcher.fetch(uri)
    fetcher.close()


def test_files_alone_load_neither_http_nor_s3_libraries(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"image")
    program = (
        "import sys\n"
        "from shared.settings import Settings\n"
        "from worker.fetching import open_fetcher\n"
        "assert open_fetcher(Settings()).fetch(sys.argv[1]) == b'image'\n"
        "print(sorted({'boto3', 'botocore', 'urllib3'} & set(sys.modules)))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.jpg")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"
