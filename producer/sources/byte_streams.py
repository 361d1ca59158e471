"""The bytes of a list that can be read from any offset: a local file, or one at http(s) or s3."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from producer.sources.cursor import Pin, check_pin
from shared.errors import FetchError, SourceError, SourceUnavailable
from shared.fetch_failures import Transient
from shared.http_download import HttpDownloader
from shared.object_storage import ObjectStorage
from shared.redaction import redact_uri

CHUNK_BYTES = 128 * 1024


class ByteStream(Protocol):
    """Bytes that stay what their pin says; `name` may be shown to people."""

    name: str

    def pin(self) -> Pin:
        """Say what the bytes are now; another pin later means that they changed."""

    def read_from(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes from `offset` to the end."""


class LocalFile:
    """A file of this machine, pinned by its size and modification time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self._pinned: Pin | None = None

    def pin(self) -> Pin:
        """Return size and modification time."""
        with local_errors(self.name):
            self._pinned = _pin_of(self.path.stat())
        return self._pinned

    def read_from(self, offset: int) -> Iterator[bytes]:
        """Yield chunks; after `pin`, only as long as the file is what was pinned."""
        with local_errors(self.name), self.path.open("rb", buffering=0) as file:
            file.seek(offset)
            chunk = b"?"
            while chunk:
                chunk = file.read(CHUNK_BYTES)
                if self._pinned is not None:
                    check_pin(self._pinned, _pin_of(os.fstat(file.fileno())), name=self.name)
                yield chunk


class HttpFile:
    """A file at an http or https address that takes ranges and has a strong ETag."""

    def __init__(self, url: str, *, downloader: HttpDownloader) -> None:
        self._url = url
        self._downloader = downloader
        self._etag: str | None = None
        self.name = redact_uri(url)

    def can_seek(self) -> bool:
        """Whether it can be read from an offset, and be known to be unchanged then."""
        with remote_errors():
            stat = self._downloader.stat(self._url)
        is_strong = stat.etag is not None and not stat.etag.startswith("W/")
        return stat.accepts_ranges and is_strong

    def pin(self) -> Pin:
        """Return the ETag, and the size where the server says it."""
        with remote_errors():
            stat = self._downloader.stat(self._url)
        self._etag = stat.etag
        return {"etag": stat.etag or "", "size": -1 if stat.size_bytes is None else stat.size_bytes}

    def read_from(self, offset: int) -> Iterator[bytes]:
        """Yield chunks; after `pin`, only of the very file that was pinned."""
        with remote_errors():
            yield from self._downloader.stream(self._url, start_byte=offset, if_match=self._etag)


class S3Object:
    """An object of S3, pinned by its ETag and size."""

    def __init__(self, *, bucket: str, key: str, storage: ObjectStorage) -> None:
        self._bucket = bucket
        self._key = key
        self._storage = storage
        self._etag: str | None = None
        self.name = f"s3://{bucket}/{key}"

    def pin(self) -> Pin:
        """Return ETag and size."""
        with remote_errors():
            stat = self._storage.stat(self._bucket, self._key)
        self._etag = stat.etag
        return {"etag": stat.etag, "size": stat.size_bytes}

    def read_from(self, offset: int) -> Iterator[bytes]:
        """Yield chunks; after `pin`, only of the very object that was pinned."""
        with remote_errors():
            yield from self._storage.stream(
                self._bucket, self._key, start_byte=offset, if_match=self._etag
            )


def decompressed(chunks: Iterator[bytes], *, name: str) -> Iterator[bytes]:
    """Undo gzip, of one member or several.

    Raises:
        SourceError: if it is not gzip, damaged, or ends early.
    """
    with gzip.GzipFile(fileobj=io.BufferedReader(_ChunkReader(chunks))) as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SourceError(f"{name} is no whole gzip file: compress it again") from error


@contextmanager
def local_errors(name: str) -> Iterator[None]:
    """Raise what the file system refuses as one line that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{name} does not exist: check the path") from error
    except PermissionError as error:
        raise SourceError(f"{name} may not be read: grant this user access") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise SourceError(f"{name} is not what its name says: {error.strerror}") from error
    except OSError as error:
        raise SourceUnavailable(f"{name} cannot be read now: {error.strerror}") from error


@contextmanager
def remote_errors() -> Iterator[None]:
    """Tell a server that may come back (SourceUnavailable) from a list that cannot be had."""
    try:
        yield
    except SourceError as error:
        cause = error.__cause__
        if isinstance(cause, Transient) or (isinstance(cause, FetchError) and cause.retryable):
            raise SourceUnavailable(str(error)) from error
        raise


def _pin_of(found: os.stat_result) -> Pin:
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}


class _ChunkReader(io.RawIOBase):
    """A raw file over chunks, as `gzip` wants it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is only ever read."""
        return True

    # The type of any writable buffer has no name before Python 3.12.
    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill `buffer` with what is there; 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
