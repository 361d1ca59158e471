"""Fixtures for the servers that images are fetched from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest

from shared import fetch_failures
from shared.http_download import HttpDownloader
from shared.object_storage import ObjectStorage
from shared.settings import Settings
from tests.support.fixtures_servers import require_package
from tests.support.image_server import ImageServer, image_server
from tests.support.s3_servers import S3Server, moto_server, rclone_server

#: What `impatient_downloader` gives an image.
LIMIT_SECONDS = 0.7


@pytest.fixture
def images_over_http() -> Iterator[ImageServer]:
    """An empty image server; put files and answers into it."""
    with image_server() as server:
        yield server


@pytest.fixture(scope="session")
def impatient_downloader() -> Iterator[HttpDownloader]:
    """A downloader with `LIMIT_SECONDS` for an image and three redirects."""
    opened = HttpDownloader(
        Settings(fetch_timeout_seconds=LIMIT_SECONDS, connect_timeout_seconds=0.2, max_redirects=3)
    )
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def patient_downloader() -> Iterator[HttpDownloader]:
    """A downloader with as much time as a busy machine may need."""
    opened = HttpDownloader(Settings())
    yield opened
    opened.close()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts a tenth as long, for tests that only count attempts."""
    monkeypatch.setattr(fetch_failures, "FIRST_PAUSE_SECONDS", 0.02)


@pytest.fixture(scope="session")
def moto_s3() -> Iterator[S3Server]:
    """The session's moto; take a bucket of your own from `moto_bucket`."""
    require_package("moto")
    with moto_server() as server:
        yield server


@pytest.fixture
def moto_bucket(moto_s3: S3Server) -> str:
    """The name of a fresh, empty bucket of `moto_s3`."""
    name = f"bucket-{uuid4().hex[:12]}"
    moto_s3.create_bucket(name)
    return name


@pytest.fixture(scope="session")
def rclone_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `rclone_s3` serves: a subfolder is a bucket."""
    return tmp_path_factory.mktemp("rclone")


@pytest.fixture(scope="session")
def rclone_s3(rclone_folder: Path) -> Iterator[S3Server]:
    """The session's rclone, which refuses wrong secrets."""
    with rclone_server(rclone_folder) as server:
        yield server


@pytest.fixture
def rclone_bucket(rclone_s3: S3Server, rclone_folder: Path) -> Path:
    """The folder of a fresh, empty bucket of `rclone_s3`; its name is the bucket's."""
    folder = rclone_folder / f"bucket-{uuid4().hex[:12]}"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def moto_storage(moto_s3: S3Server) -> Iterator[ObjectStorage]:
    """A reader of `moto_s3`."""
    with closing(ObjectStorage(moto_s3.settings())) as storage:
        yield storage


@pytest.fixture(scope="session")
def rclone_storage(rclone_s3: S3Server) -> Iterator[ObjectStorage]:
    """A reader of `rclone_s3`."""
    with closing(ObjectStorage(rclone_s3.settings())) as storage:
        yield storage


@pytest.fixture
def open_storage() -> Iterator[Callable[[Settings], ObjectStorage]]:
    """Opens readers that are closed at the end."""
    with ExitStack() as opened:
        yield lambda settings: opened.enter_context(closing(ObjectStorage(settings)))


@pytest.fixture(scope="session")
def impatient_server() -> Iterator[tuple[ImageServer, ObjectStorage]]:
    with image_server() as server:
        settings = S3Server(endpoint_url=server.url("").rstrip("/")).settings(
            fetch_timeout_seconds=LIMIT_SECONDS, connect_timeout_seconds=0.2
        )
        with closing(ObjectStorage(settings)) as storage:
            yield server, storage


@pytest.fixture
def misbehaving(
    impatient_server: tuple[ImageServer, ObjectStorage],
) -> tuple[ImageServer, ObjectStorage]:
    """A server that answers as it is told, and a storage that takes it for S3."""
    impatient_server[0].forget()
    return impatient_server
