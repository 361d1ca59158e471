"""Sources of images: one table from kind to opener, one kind a file.

A source is a folder, a `.txt .csv .tsv .jsonl .parquet` list (also `.gz`, also at http(s) or s3),
an S3 prefix, or a list on standard input.
"""

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from producer.sources.addresses import file_name, local_path
from producer.sources.base import Page, Source, SourceItem
from producer.sources.byte_streams import local_errors
from producer.sources.limited import LimitedSource
from producer.sources.list_opening import SourceRequest, open_list, open_whole_file
from producer.sources.list_source import ListFormat, ListSource
from producer.sources.options import SourceOptions
from producer.sources.uris import scheme_of
from shared.errors import BadReference, SourceError
from shared.redaction import redact_uri
from shared.settings import Settings

__all__ = ["Page", "Source", "SourceItem", "SourceOptions", "open_source", "source_kind"]

_SUFFIXES = {
    ".txt": "txt",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_ALL_KINDS = (
    "a folder, a .txt .csv .tsv .jsonl or .parquet list (also .gz, also at http(s) or s3), "
    "s3://bucket/prefix/ or - for standard input"
)


def open_source(
    spec: str,
    *,
    settings: Settings,
    options: SourceOptions,
    spool_dir: Path,
    standard_input: BinaryIO | None = None,
) -> Source:
    """Open a source by its address.

    What cannot be read twice or from an offset is spooled below `spool_dir`, which must belong to
    one job and outlive its listing. Standard input is read at once, by the process that has it;
    others find the spool and pass None.

    Raises:
        SourceError: if the kind of source cannot be told, or it is not there.
        SourceUnavailable: if it cannot be reached just now.
    """
    request = SourceRequest(
        spec=spec,
        settings=settings,
        options=options,
        spool_dir=spool_dir,
        standard_input=standard_input,
    )
    source = _OPENERS[source_kind(spec, options=options)](request)
    return source if options.limit is None else LimitedSource(source, limit=options.limit)


def source_kind(spec: str, *, options: SourceOptions) -> str:
    """Say which kind of source an address is: `folder`, `s3`, or a format of lists.

    Raises:
        SourceError: if it cannot be told.
    """
    if spec == "-":
        return options.list_format or "txt"
    path = local_path(spec)
    if path is not None:
        with local_errors(str(path)):
            if stat.S_ISDIR(path.stat().st_mode):
                return "folder"
    name = file_name(spec)
    if options.list_format is not None and name:
        return options.list_format
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if scheme_of(spec) == "s3":
        return "s3"
    shown = path or redact_uri(spec)
    raise SourceError(f"cannot tell what {shown} is: name its list format, or give {_ALL_KINDS}")


def _open_folder(request: SourceRequest) -> Source:
    from producer.sources.folder import FolderSource

    folder = local_path(request.spec)
    if folder is None:
        raise SourceError(f"{request.spec} is no folder")
    return FolderSource(
        folder, options=request.options, spool_dir=request.spool_dir, stem=request.stem
    )


def _open_text(request: SourceRequest) -> Source:
    from producer.sources.text_list import TextFormat

    return _open_format(request, TextFormat())


def _open_csv(request: SourceRequest) -> Source:
    from producer.sources.csv_list import CsvFormat

    return _open_format(request, CsvFormat("csv", delimiter=","))


def _open_tsv(request: SourceRequest) -> Source:
    from producer.sources.csv_list import CsvFormat

    return _open_format(request, CsvFormat("tsv", delimiter="\t"))


def _open_json_lines(request: SourceRequest) -> Source:
    from producer.sources.json_list import JsonFormat

    return _open_format(request, JsonFormat())


def _open_parquet(request: SourceRequest) -> Source:
    from producer.sources.parquet_list import ParquetSource

    file, base = open_whole_file(request)
    return ParquetSource(file, base=base, options=request.options)


def _open_s3_prefix(request: SourceRequest) -> Source:
    from producer.sources.s3_prefix import S3PrefixSource
    from shared.object_storage import ObjectStorage, parse_s3_uri

    try:
        bucket, prefix = parse_s3_uri(request.spec)
    except BadReference as error:
        raise SourceError(f"{request.spec} names no bucket: write s3://bucket/prefix/") from error
    storage = ObjectStorage(request.settings)
    return S3PrefixSource(bucket=bucket, prefix=prefix, storage=storage, options=request.options)


def _open_format(request: SourceRequest, format_: ListFormat) -> Source:
    stream, base = open_list(request)
    return ListSource(stream, format_=format_, base=base, options=request.options)


_OPENERS: Mapping[str, Callable[[SourceRequest], Source]] = {
    "folder": _open_folder,
    "txt": _open_text,
    "csv": _open_csv,
    "tsv": _open_tsv,
    "jsonl": _open_json_lines,
    "parquet": _open_parquet,
    "s3": _open_s3_prefix,
}
