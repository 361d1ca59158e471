"""Objects from real S3 servers: rclone checks signatures, moto takes any key."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.errors import (
    BadReference,
    FetchError,
    ImageForbidden,
    ImageNotFound,
    ImageTooLarge,
    SettingsError,
    SourceError,
)
from shared.object_storage import ObjectStorage, parse_s3_uri
from shared.settings import Settings
from tests.support.s3_servers import S3Server

MAX_BYTES = 2**20

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


def test_an_object_comes_whole_from_a_server_that_checks_signatures(
    rclone_bucket: Path, rclone_storage: ObjectStorage
) -> None:
    body = bytes(range(256)) * 2000
    (rclone_bucket / "cats").mkdir()
    (rclone_bucket / "cats" / "a b.jpg").write_bytes(body)

    assert rclone_storage.read(rclone_bucket.name, "cats/a b.jpg", max_bytes=MAX_BYTES) == body


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_may_hold_anything(
    moto_s3: S3Server, moto_bucket: str, moto_storage: ObjectStorage, key: str
) -> None:
    moto_s3.put_objects(moto_bucket, {key: key.encode(), "decoy.jpg": b"decoy"})
    bucket, parsed = parse_s3_uri(f"s3://{moto_bucket}/{key}")

    assert moto_storage.read(bucket, parsed, max_bytes=MAX_BYTES) == key.encode()
    listed = [found.key for found in moto_storage.list_keys(moto_bucket, "", start_after=None)[0]]
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
    open_storage: Callable[[Settings], ObjectStorage],
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
    moto_s3: S3Server, moto_bucket: str, open_storage: Callable[[Settings], ObjectStorage]
) -> None:
    moto_s3.client.put_object(Bucket=moto_bucket, Key="a.jpg", Body=b"image", ACL="public-read")
    settings = Settings(s3_endpoint_url=moto_s3.endpoint_url, s3_anonymous=True)

    storage = open_storage(settings)

    assert storage.read(moto_bucket, "a.jpg", max_bytes=MAX_BYTES) == b"image"


def test_credentials_come_from_the_usual_places_if_none_are_set(
    rclone_s3: S3Server,
    rclone_bucket: Path,
    open_storage: Callable[[Settings], ObjectStorage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (rclone_bucket / "a.jpg").write_bytes(b"image")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone_s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone_s3.secret_key)

    storage = open_storage(Settings(s3_endpoint_url=rclone_s3.endpoint_url))

    assert storage.read(rclone_bucket.name, "a.jpg", max_bytes=MAX_BYTES) == b"image"


def test_without_any_credentials_the_message_says_what_to_set(
    rclone_s3: S3Server,
    open_storage: Callable[[Settings], ObjectStorage],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    storage = open_storage(Settings(s3_endpoint_url=rclone_s3.endpoint_url))

    with pytest.raises(ImageForbidden, match="NESTOR_S3_ACCESS_KEY"):
        storage.read("bucket", "a.jpg", max_bytes=MAX_BYTES)


def test_what_is_missing_is_not_found(moto_bucket: str, moto_storage: ObjectStorage) -> None:

    with pytest.raises(ImageNotFound):
        moto_storage.read(moto_bucket, "missing.jpg", max_bytes=MAX_BYTES)
    with pytest.raises(ImageNotFound):
        moto_storage.read("no-such-bucket", "a.jpg", max_bytes=MAX_BYTES)
    with pytest.raises(SourceError, match="s3://no-such-bucket/cats/ cannot be read"):
        moto_storage.list_keys("no-such-bucket", "cats/", start_after=None)


def test_a_bucket_that_cannot_exist_is_a_bad_reference(moto_storage: ObjectStorage) -> None:
    with pytest.raises(BadReference, match="not a bucket and key"):
        moto_storage.read("two words", "a.jpg", max_bytes=MAX_BYTES)


def test_the_last_allowed_byte_is_allowed_and_the_next_is_not(
    moto_s3: S3Server, moto_bucket: str, moto_storage: ObjectStorage
) -> None:
    moto_s3.put_objects(moto_bucket, {"a.jpg": b"x" * 1000})

    assert len(moto_storage.read(moto_bucket, "a.jpg", max_bytes=1000)) == 1000
    with pytest.raises(ImageTooLarge, match="more than 999 bytes"):
        moto_storage.read(moto_bucket, "a.jpg", max_bytes=999)


def test_a_storage_serves_many_threads(
    moto_s3: S3Server, moto_bucket: str, moto_storage: ObjectStorage
) -> None:
    objects = {f"{n}.jpg": f"image {n} ".encode() * (n + 1) for n in range(100)}
    moto_s3.put_objects(moto_bucket, objects)

    with ThreadPoolExecutor(32) as threads:
        bodies = list(
            threads.map(
                lambda key: moto_storage.read(moto_bucket, key, max_bytes=MAX_BYTES), objects
            )
        )

    assert bodies == list(objects.values())


def test_an_endpoint_that_is_no_address_is_a_settings_error(
    open_storage: Callable[[Settings], ObjectStorage],
) -> None:
    with pytest.raises(SettingsError, match="S3 settings cannot be used"):
        open_storage(S3Server(endpoint_url="not an address").settings())
