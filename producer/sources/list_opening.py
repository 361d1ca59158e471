"""Chooses how the bytes of a list are read: from where it lies, or spooled first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

from producer.sources.addresses import file_name, local_path
from producer.sources.byte_streams import (
    CHUNK_BYTES,
    ByteStream,
    HttpFile,
    LocalFile,
    S3Object,
    decompressed,
)
from producer.sources.options import SourceOptions
from producer.sources.spool import Spool
from producer.sources.uris import scheme_of
from shared.errors import BadReference, SourceError
from shared.http_download import HttpDownloader
from shared.object_storage import ObjectStorage, parse_s3_uri
from shared.redaction import redact_uri
from shared.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """What is to be opened, and what it may use: `spool_dir` belongs to one job alone."""

    spec: str
    settings: Settings
    options: SourceOptions
    spool_dir: Path
    standard_input: BinaryIO | None

    @property
    def stem(self) -> str:
        """The name of the job's spool of this source."""
        return sha256(self.spec.encode(errors="surrogateescape")).hexdigest()[:16]


class OpenedList(NamedTuple):
    """A list's bytes, and what relative names in it are relative to."""

    stream: ByteStream
    base: str


class OpenedFile(NamedTuple):
    """Like `OpenedList`, with the bytes in a file of this machine."""

    stream: LocalFile | Spool
    base: str


def open_list(request: SourceRequest) -> OpenedList:
    """Open a list where it lies if its bytes can be read from any offset there, else spool it."""
    path = local_path(request.spec)
    if path is not None and not _is_compressed(request):
        return OpenedList(LocalFile(path), str(path.parent))
    spool = _spool(request)
    if spool.is_finished or request.spec == "-" or _is_compressed(request):
        return OpenedList(spool, _base(request, spool))
    remote = _remote(request)
    can_seek = isinstance(remote, S3Object) or remote.can_seek()
    return OpenedList(remote if can_seek else spool, request.spec)


def open_whole_file(request: SourceRequest) -> OpenedFile:
    """Open a list that has to be a file of this machine; any other is spooled."""
    path = local_path(request.spec)
    if path is not None and not _is_compressed(request):
        return OpenedFile(LocalFile(path), str(path.parent))
    spool = _spool(request)
    return OpenedFile(spool, _base(request, spool))


def _spool(request: SourceRequest) -> Spool:
    name = "standard input" if request.spec == "-" else redact_uri(request.spec)
    spool = Spool(
        _filler(request, name=name),
        folder=request.spool_dir,
        stem=request.stem,
        name=name,
        facts={"folder": str(Path.cwd())} if request.spec == "-" else None,
    )
    if request.spec == "-" and request.standard_input is not None:
        spool.pin()  # now, since only this process can read it
    return spool


def _filler(request: SourceRequest, *, name: str) -> Callable[[], Iterator[bytes]]:
    def fill() -> Iterator[bytes]:
        chunks = _all_bytes(request)
        return decompressed(chunks, name=name) if _is_compressed(request) else chunks

    return fill


def _all_bytes(request: SourceRequest) -> Iterator[bytes]:
    if request.spec == "-":
        return _standard_input(request.standard_input)
    path = local_path(request.spec)
    return (LocalFile(path) if path is not None else _remote(request)).read_from(0)


def _standard_input(stream: BinaryIO | None) -> Iterator[bytes]:
    if stream is None:
        raise SourceError("standard input was not kept with the job: submit the list again")
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _remote(request: SourceRequest) -> HttpFile | S3Object:
    if scheme_of(request.spec) != "s3":
        return HttpFile(request.spec, downloader=HttpDownloader(request.settings))
    try:
        bucket, key = parse_s3_uri(request.spec)
    except BadReference as error:
        raise SourceError(f"{request.spec} is no s3 address: write s3://bucket/key") from error
    return S3Object(bucket=bucket, key=key, storage=ObjectStorage(request.settings))


def _base(request: SourceRequest, spool: Spool) -> str:
    if request.spec == "-":  # the folder of the process that read it
        return str(spool.pin()["folder"])
    path = local_path(request.spec)
    return request.spec if path is None else str(path.parent)


def _is_compressed(request: SourceRequest) -> bool:
    return file_name(request.spec).lower().endswith(".gz")
