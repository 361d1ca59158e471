"""Published weights, downloaded into a cache: whole and verified, or not there at all."""

import contextlib
import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import urllib3
from urllib3.exceptions import HTTPError

from shared.errors import WeightsError
from worker.models.variants import PublishedWeights

Progress = Callable[[int, int | None], None]
"""Is told the bytes that have arrived, and how many there will be where the server says so."""

_CONNECT_TIMEOUT_SECONDS = 10.0
_READ_TIMEOUT_SECONDS = 30.0
_MAX_REDIRECTS = 5
_MAX_FILE_BYTES = 2**30
"""Over twice the largest published file; a server that sends more is not the right one."""
_BLOCK_BYTES = 2**20


def cached_weights(
    published: PublishedWeights,
    cache_dir: Path,
    *,
    base_urls: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the path of the published file in the cache, after downloading it if it is missing.

    What was in the cache before is not verified here, but whenever it is loaded.

    Raises:
        WeightsError: if no address gives the right file, or the cache cannot be written.
    """
    target = cache_dir / published.file_name
    if target.exists():
        return target
    if base_urls is not None:
        published = dataclasses.replace(published, base_urls=base_urls)
    failures = []
    for address in published.urls:
        try:
            _download(address, target, sha256_prefix=published.sha256_prefix, progress=progress)
        except HTTPError as error:
            failures.append((address, _reason(error), error))
        else:
            return target
    told = "; ".join(f"{address}: {reason}" for address, reason, _ in failures)
    raise WeightsError(
        f"cannot download {published.file_name} ({told}); check the network, or fetch the file"
        f" elsewhere and put it at {target}"
    ) from failures[-1][2]


class _WrongFile(HTTPError):
    """The server sent something else than the published file."""


def _download(address: str, target: Path, *, sha256_prefix: str, progress: Progress | None) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_file(target) as file:
            sha256 = _receive(address, file, progress=progress)
            if not sha256.startswith(sha256_prefix):
                raise _WrongFile(
                    f"sent another file: its sha256 starts with"
                    f" {sha256[: len(sha256_prefix)]}, not {sha256_prefix}"
                )
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WeightsError(f"cannot write weights into {target.parent}: {reason}") from error


@contextlib.contextmanager
def _temporary_file(target: Path) -> Iterator[IO[bytes]]:
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False
    ) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def _receive(address: str, file: IO[bytes], *, progress: Progress | None) -> str:
    digest = hashlib.sha256()
    received = 0
    with urllib3.PoolManager() as pool:
        response = pool.request(
            "GET",
            address,
            preload_content=False,
            headers={"Accept-Encoding": "identity"},
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_SECONDS, read=_READ_TIMEOUT_SECONDS),
            retries=urllib3.Retry(total=_MAX_REDIRECTS, connect=1, read=1),
        )
        with contextlib.closing(response):
            if response.status != 200:
                raise _WrongFile(f"answered {response.status}")
            total = _content_length(response)
            for block in response.stream(_BLOCK_BYTES):
                received += len(block)
                if received > _MAX_FILE_BYTES:
                    raise _WrongFile(f"sent more than {_MAX_FILE_BYTES} bytes")
                file.write(block)
                digest.update(block)
                if progress is not None:
                    progress(received, total)
    return digest.hexdigest()


def _content_length(response: urllib3.BaseHTTPResponse) -> int | None:
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdecimal() else None


def _reason(error: HTTPError) -> str:
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        return _reason(error.reason) if isinstance(error.reason, HTTPError) else str(error.reason)
    return " ".join(str(error).split()) or type(error).__name__
