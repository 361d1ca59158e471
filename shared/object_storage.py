"""Objects of S3 and whatever speaks like it: images whole, lists as a stream, keys in pages."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.bounded_sockets import Allowance, spending
from shared.errors import BadReference, FetchError, ImageTooLarge, SourceChanged, SourceError
from shared.fetch_failures import Transient, attempt_repeatedly
from shared.http_answers import READ_BYTES
from shared.http_download import FRAMING_BYTES, PIECE_BYTES
from shared.redaction import host_of, redact_uri
from shared.s3_client import BoundedSender, named_s3_failures, open_client, status_of
from shared.settings import Settings

Result = TypeVar("Result")

#: A page of 1,000 keys of 1,024 bytes, each byte percent-encoded, and its XML.
LISTING_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStat:
    """What the storage says of an object."""

    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKey:
    """An object in a listing."""

    key: str
    size_bytes: int


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/key`; the key stays as it is written, whatever is in it.

    Raises:
        BadReference: if it is no such address.
    """
    scheme, marker, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() != "s3" or not marker or not bucket:
        raise BadReference("the address is not s3://bucket/key")
    return bucket, key


class ObjectStorage:
    """Reads from one S3 endpoint; one for a process, used by all its threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._endpoint = host_of(settings.s3_endpoint_url or "https://s3.amazonaws.com")
        self._sender = BoundedSender(settings)
        self._client = open_client(settings, self._sender)

    def list_keys(
        self, bucket: str, prefix: str, *, start_after: str | None, page_size: int = 1000
    ) -> tuple[list[ObjectKey], bool]:
        """Read one page of keys in key order after `start_after`; True when there is more.

        Raises:
            SourceError: if the bucket cannot be listed.
        """
        after = {} if start_after is None else {"StartAfter": start_after}

        def attempt() -> tuple[list[ObjectKey], bool]:
            answer = self._ask(
                "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=page_size, **after
            )
            found = answer.get("Contents", [])
            keys = [ObjectKey(key=one["Key"], size_bytes=one["Size"]) for one in found]
            return keys, bool(answer.get("IsTruncated"))

        try:
            return self._repeat(attempt, received_bytes=LISTING_BYTES)
        except FetchError as error:
            raise _source_error(bucket, prefix, error) from error

    def stat(self, bucket: str, key: str) -> ObjectStat:
        """Ask for size and ETag.

        Raises:
            SourceError: if the object cannot be had.
        """

        def attempt() -> ObjectStat:
            answer = self._ask("head_object", Bucket=bucket, Key=key)
            return ObjectStat(size_bytes=answer["ContentLength"], etag=answer["ETag"])

        try:
            return self._repeat(attempt, received_bytes=FRAMING_BYTES)
        except FetchError as error:
            raise _source_error(bucket, key, error) from error

    def read(self, bucket: str, key: str, *, max_bytes: int) -> bytes:
        """Read an image, retries included, within `fetch_timeout_seconds`.

        Raises:
            FetchError: the subclass says why.
        """

        def attempt() -> bytes:
            answer = self._ask("get_object", Bucket=bucket, Key=key)
            with closing(answer["Body"]) as body, named_s3_failures(self._endpoint):
                return _read_body(body, answer["ContentLength"], max_bytes=max_bytes)

        return self._repeat(attempt, received_bytes=2 * max_bytes + FRAMING_BYTES)

    def stream(
        self, bucket: str, key: str, *, start_byte: int = 0, if_match: str | None = None
    ) -> Iterator[bytes]:
        """Yield an object from `start_byte` on, in pieces; each has `fetch_timeout_seconds`.

        With `if_match` (an ETag), a connection that breaks is taken up where it broke.

        Raises:
            SourceChanged: if the object no longer has the ETag `if_match`.
            SourceError: if it cannot be read.
        """
        position, failures = start_byte, 0
        while True:
            try:
                for piece in self._stream_once(bucket, key, start_byte=position, etag=if_match):
                    position, failures = position + len(piece), 0
                    yield piece
            except FetchError as error:
                raise _stream_error(bucket, key, error) from error
            except Transient as broken:
                failures += 1
                if if_match is None or failures >= self._settings.fetch_attempts:
                    raise _source_error(bucket, key, broken.error) from broken
            else:
                return

    def close(self) -> None:
        """Close the idle connections."""
        self._sender.close()
        self._client.close()

    def _stream_once(
        self, bucket: str, key: str, *, start_byte: int, etag: str | None
    ) -> Iterator[bytes]:
        wanted: dict[str, str] = {"Bucket": bucket, "Key": key}
        if start_byte:
            wanted["Range"] = f"bytes={start_byte}-"
        if etag is not None:
            wanted["IfMatch"] = etag
        try:
            answer = self._repeat(
                lambda: self._ask("get_object", **wanted), received_bytes=FRAMING_BYTES
            )
        except FetchError as error:
            if (
                status_of(error.__cause__) == 416
                and self.stat(bucket, key).size_bytes == start_byte
            ):
                return
            raise
        with closing(answer["Body"]) as body:
            if etag is not None and answer["ETag"] != etag:
                raise _changed(bucket, key)
            if start_byte and not answer.get("ContentRange", "").startswith(f"bytes {start_byte}-"):
                raise FetchError(f"{self._endpoint} has no ranges; download the list")
            while piece := self._read_piece(body):
                yield piece

    def _read_piece(self, body: Any) -> bytes:
        allowance = Allowance(
            seconds=self._settings.fetch_timeout_seconds,
            received_bytes=2 * PIECE_BYTES + FRAMING_BYTES,
        )
        with spending(allowance), named_s3_failures(self._endpoint):
            piece: bytes = body.read(PIECE_BYTES)
        return piece

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        with named_s3_failures(self._endpoint):
            answer: dict[str, Any] = getattr(self._client, operation)(**parameters)
        return answer

    def _repeat(self, attempt: Callable[[], Result], *, received_bytes: int) -> Result:
        allowance = Allowance(
            seconds=self._settings.fetch_timeout_seconds, received_bytes=received_bytes
        )
        return attempt_repeatedly(
            attempt, attempts=self._settings.fetch_attempts, allowance=allowance
        )


def _read_body(body: Any, declared_bytes: int, *, max_bytes: int) -> bytes:
    too_large = ImageTooLarge(f"the object has more than {max_bytes} bytes")
    if declared_bytes > max_bytes:
        raise too_large
    pieces: list[bytes] = []
    size_bytes = 0
    while piece := body.read(READ_BYTES):
        size_bytes += len(piece)
        if size_bytes > max_bytes:
            raise too_large
        pieces.append(piece)
    return b"".join(pieces)


def _source_error(bucket: str, key: str, error: FetchError) -> SourceError:
    return SourceError(f"{redact_uri(f's3://{bucket}/{key}')} cannot be read: {error}")


def _stream_error(bucket: str, key: str, error: FetchError) -> SourceError:
    status = status_of(error.__cause__)
    return _changed(bucket, key) if status in {412, 416} else _source_error(bucket, key, error)


def _changed(bucket: str, key: str) -> SourceChanged:
    name = redact_uri(f"s3://{bucket}/{key}")
    return SourceChanged(f"{name} changed while it was read; submit it again")
