"""`.parquet`: a row an image. Read by row groups and batches, only the columns that are carried.

Columns that hold bytes (the images themselves, embeddings) are not carried. A row's number stands
for the line number.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from producer.sources.base import Page, SourceItem
from producer.sources.byte_streams import LocalFile, local_errors
from producer.sources.cursor import Cursor, check_pin, read_cursor
from producer.sources.options import SourceOptions
from producer.sources.paging import Located, fill_page
from producer.sources.records import Columns, find_columns, item_of_row, problem_item
from producer.sources.spool import Spool
from shared.errors import BadReference, SourceError

_KIND = "parquet"
#: Rows that are decoded at a time; bounds memory together with what one row holds.
_BATCH_ROWS = 1000
#: Bytes of a column that are read at a time, instead of the whole column of a row group.
_BUFFER_BYTES = 2**20


class RowPlace(NamedTuple):
    """The row that follows: its row group, its place in it, and its 1-based number in the file."""

    row_group: int
    row: int
    number: int


class ParquetSource:
    """A Parquet file of this machine; a remote one is spooled first, since its foot is read."""

    def __init__(self, file: LocalFile | Spool, *, base: str, options: SourceOptions) -> None:
        self._file = file
        self._base = base
        self._options = options

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """Yield pages from `cursor` (None: from the start) to the end."""
        pin = self._file.pin()
        place = RowPlace(0, 0, 1)
        if cursor is not None:
            resumed = read_cursor(cursor, kind=_KIND)
            check_pin(resumed.pin, pin, name=self._file.name)
            place = RowPlace(*(resumed.number(name) for name in RowPlace._fields))
        with _open(self._file.path, name=self._file.name) as parquet:
            located = self._located(parquet, place)
            is_empty = cursor is None
            while filled := fill_page(located, options=self._options):
                is_empty = False
                check_pin(pin, self._file.pin(), name=self._file.name)
                text = Cursor(kind=_KIND, place=filled.after._asdict(), pin=pin).to_text()
                yield Page(items=filled.items, cursor=text)
        if is_empty:
            raise SourceError(f"{self._file.name} has no rows: check that it is the right one")

    def _located(self, parquet: pq.ParquetFile, start: RowPlace) -> Iterator[Located[RowPlace]]:
        schema = parquet.schema_arrow
        names = [field.name for field in schema if not _holds_bytes(field.type)]
        columns = find_columns(names, options=self._options, where=self._file.name)
        wanted = [columns.uri, columns.id, columns.label, *columns.extra]
        projected = [name for name in dict.fromkeys(wanted) if name is not None]
        place = start
        for group in range(start.row_group, parquet.num_row_groups):
            skipped = start.row if group == start.row_group else 0
            for row in _rows(
                parquet, group, columns=projected, skipped=skipped, name=self._file.name
            ):
                place = RowPlace(group, place.row + 1, place.number + 1)
                item, size_bytes = self._item(row, columns=columns, number=place.number - 1)
                yield Located(item, place, size_bytes)
            place = RowPlace(group + 1, 0, place.number)

    def _item(
        self, row: dict[str, Any], *, columns: Columns, number: int
    ) -> tuple[SourceItem, int]:
        try:
            broken = next((name for name, value in row.items() if value is _NOT_TEXT), None)
            if broken is not None:
                raise BadReference(f"its '{broken}' is not valid UTF-8")
            return item_of_row(row, columns=columns, base=self._base, line=number)
        except BadReference as error:
            shown = row.get(columns.uri)
            return problem_item(shown if isinstance(shown, str) else "", error, line=number), 100


class _NotText:
    """Stands for a text of a Parquet file that is not UTF-8."""


_NOT_TEXT = _NotText()


def _open(path: Path, *, name: str) -> pq.ParquetFile:
    with local_errors(name):
        try:
            return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except pa.ArrowInvalid as error:
            raise SourceError(f"{name} is no whole Parquet file: write it again") from error


def _rows(
    parquet: pq.ParquetFile, group: int, *, columns: list[str], skipped: int, name: str
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a row group after the first `skipped`."""
    batches = parquet.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group], columns=columns)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{name} is damaged in row group {group}: write it again") from error
        if batch is None:
            return
        kept = batch.slice(min(skipped, batch.num_rows))
        skipped -= batch.num_rows - kept.num_rows
        values = [_values(kept.column(place)) for place in range(kept.num_columns)]
        for row in zip(*values, strict=True):
            yield dict(zip(kept.schema.names, row, strict=True))


def _values(column: pa.Array) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        return [_text_or_not(value) for value in column.cast(pa.binary()).to_pylist()]
    return values


def _text_or_not(value: bytes | None) -> str | _NotText | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return _NOT_TEXT


def _holds_bytes(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _holds_bytes(type_.value_type)
    if pa.types.is_nested(type_):
        return any(_holds_bytes(type_.field(place).type) for place in range(type_.num_fields))
    is_binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(check(type_) for check in is_binary) or pa.types.is_binary_view(type_)
