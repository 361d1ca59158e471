"""Fixtures for the servers that images are fetched from."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.fixtures_servers import require_package
from tests.support.image_server import ImageServer, image_server
from tests.support.s3_servers import S3Server, moto_server, rclone_server


@pytest.fixture
def images_over_http() -> Iterator[ImageServer]:
    """An empty image server; put files and answers into it."""
    with image_server() as server:
        yield server


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
