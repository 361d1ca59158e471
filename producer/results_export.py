"""The results of a job as a file: JSON lines, CSV or Parquet, in bounded memory.

A file appears whole or not at all: it is written beside its place and renamed at the end.
"""

import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from producer.result_row import ResultRow
from shared.errors import UsageError

ExportFormat = Literal["jsonl", "csv", "parquet"]
Document = dict[str, Any]

Writer = Callable[[Iterator[Document], BinaryIO], None]


def export_results(
    rows: Iterable[ResultRow], *, format: ExportFormat, out: Path | None, with_raw_uris: bool
) -> int:
    """Write the rows in the order in which they come, and return how many there were.

    `out` None is standard output. URIs, and ids that are URIs, are redacted unless `with_raw_uris`.

    Raises:
        UsageError: if the file cannot be written, or Parquet would go to a terminal.
    """
    if out is None and format == "parquet" and sys.stdout.isatty():
        raise UsageError("parquet is no text for a terminal: name a file with -o FILE")
    write = _writer(format)
    written = 0

    def documents() -> Iterator[Document]:
        nonlocal written
        for row in rows:
            yield row.document(with_raw_uri=with_raw_uris)
            written += 1

    with _output(out) as stream:
        write(documents(), stream)
    return written


def _writer(format: ExportFormat) -> Writer:
    """Import the writer of a format: pyarrow is heavy, and most exports do without."""
    if format == "jsonl":
        from producer.jsonl_results import write_jsonl

        return write_jsonl
    if format == "csv":
        from producer.csv_results import write_csv

        return write_csv
    from producer.parquet_results import write_parquet

    return write_parquet


@contextmanager
def _output(out: Path | None) -> Iterator[BinaryIO]:
    """Open where the results go; what is no plain file (a pipe, a device) is written straight."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        place = out.resolve()
        if place.exists() and not stat.S_ISREG(place.stat().st_mode):
            with place.open("wb") as stream:
                yield stream
            return
        with _renamed_at_end(place) as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from error


@contextmanager
def _renamed_at_end(place: Path) -> Iterator[BinaryIO]:
    partial = place.with_name(f".{place.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)
