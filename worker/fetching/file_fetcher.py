"""Images in files: absolute paths and file:// addresses."""

import errno
import os
import stat
from urllib.parse import unquote_to_bytes

from shared.errors import (
    BadReference,
    FetchError,
    ImageForbidden,
    ImageNotFound,
    ImageTooLarge,
)
from shared.settings import Settings

_FILE_ERRORS: dict[type[OSError], type[FetchError]] = {
    FileNotFoundError: ImageNotFound,
    NotADirectoryError: ImageNotFound,
    PermissionError: ImageForbidden,
}


class FileFetcher:
    """Reads regular files and nothing else, so that no pipe or device can hang a thread."""

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.max_image_bytes

    def fetch(self, uri: str) -> bytes:
        """Read the file."""
        path = _path_of(uri)
        try:
            # Non-blocking: opening a pipe without a writer would wait for ever.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except ValueError as error:
            raise BadReference("the path holds a zero byte") from error
        except OSError as error:
            raise _failure_of(error) from error
        try:
            return self._read(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Do nothing: no file stays open between images."""

    def _read(self, descriptor: int) -> bytes:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BadReference("the path is no regular file")
        too_large = ImageTooLarge(f"the file has more than {self._max_bytes} bytes")
        if found.st_size > self._max_bytes:
            raise too_large
        try:
            content = _read_up_to(descriptor, found.st_size, limit=self._max_bytes + 1)
        except OSError as error:
            raise _failure_of(error) from error
        if len(content) > self._max_bytes:
            raise too_large
        return content


def _read_up_to(descriptor: int, expected_bytes: int, *, limit: int) -> bytes:
    """Read to the end or to `limit`; the file may grow or shrink meanwhile."""
    first = os.read(descriptor, min(expected_bytes + 1, limit))
    if len(first) == expected_bytes:
        return first
    pieces = [first]
    size_bytes = len(first)
    while size_bytes < limit and (piece := os.read(descriptor, min(limit - size_bytes, 2**20))):
        pieces.append(piece)
        size_bytes += len(piece)
    return b"".join(pieces)


def _path_of(uri: str) -> bytes:
    if uri.startswith("/"):
        return os.fsencode(uri)
    host, slash, path = uri.partition("://")[2].partition("/")
    if not slash or host not in {"", "localhost"}:
        raise BadReference("the address is not file:///absolute/path")
    return b"/" + unquote_to_bytes(path)


def _failure_of(error: OSError) -> FetchError:
    if error.errno == errno.ENXIO:  # a socket, or a device without hardware
        return BadReference("the path is no regular file")
    kind = _FILE_ERRORS.get(type(error), FetchError)
    return kind(f"the file cannot be read: {error.strerror}")
