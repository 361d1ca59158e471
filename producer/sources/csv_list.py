"""`.csv` and `.tsv`: a header, then a record a line, or several where a quoted field has breaks.

Quoting is the standard library's, strict. A record that stays open too long, or is malformed, is a
problem of its first line, and reading goes on at its second: an unbalanced quote costs one line.
"""

import csv
from collections import deque
from collections.abc import Iterator

from producer.sources.base import SourceItem
from producer.sources.lines import Line, Place
from producer.sources.options import MAX_LINE_BYTES, SourceOptions
from producer.sources.paging import Located
from producer.sources.records import Columns, find_columns, item_of_row, problem_item
from shared.errors import BadReference, SourceError


class CsvFormat:
    """Lists with a header and one delimiter."""

    def __init__(self, kind: str, *, delimiter: str) -> None:
        self.kind = kind
        self._delimiter = delimiter

    def parser(self, *, base: str, name: str, options: SourceOptions) -> "CsvParser":
        """Make a parser."""
        return CsvParser(base=base, name=name, options=options, delimiter=self._delimiter)


class CsvParser:
    """Reads one list; the header has to be read first."""

    def __init__(self, *, base: str, name: str, options: SourceOptions, delimiter: str) -> None:
        self._base = base
        self._name = name
        self._options = options
        self._delimiter = delimiter
        self._names: list[str] = []
        self._columns = Columns(uri="", id=None, label=None, extra=())

    def read_head(self, lines: Iterator[Line]) -> Place:
        """Read the header: the first line that is not blank."""
        for first, fields, after in _records(lines, delimiter=self._delimiter):
            if isinstance(fields, BadReference):
                raise SourceError(f"{self._name} has no readable header: {fields}")
            self._names = [name.strip() or f"column_{n}" for n, name in enumerate(fields, 1)]
            self._columns = find_columns(self._names, options=self._options, where=self._name)
            del first
            return after
        raise SourceError(f"{self._name} is empty: its first line has to name the columns")

    def records(self, lines: Iterator[Line]) -> Iterator[Located[Place]]:
        """Yield an item for each record."""
        for first, fields, after in _records(lines, delimiter=self._delimiter):
            size_bytes = after.offset - (first.after.offset - len(first.raw))
            yield Located(self._item(first, fields), after, size_bytes)

    def _item(self, first: Line, fields: "list[str] | BadReference") -> SourceItem:
        try:
            if isinstance(fields, BadReference):
                raise fields
            if len(fields) != len(self._names):
                raise BadReference(f"it has {len(fields)} columns, not {len(self._names)}")
            values = dict(zip(self._names, fields, strict=True))
            return item_of_row(values, columns=self._columns, base=self._base, line=first.number)[0]
        except BadReference as error:
            return problem_item(first.raw, error, line=first.number)


def _records(
    lines: Iterator[Line], *, delimiter: str
) -> Iterator[tuple[Line, "list[str] | BadReference", Place]]:
    """Yield each record's first line, its fields or why there are none, and the place after it."""
    waiting: deque[Line] = deque()
    while True:
        taken = _Taken(waiting, lines)
        try:
            fields = next(csv.reader(taken, delimiter=delimiter, strict=True), None)
        except (csv.Error, BadReference) as error:
            first = taken.lines[0]
            waiting.extendleft(reversed(taken.lines[1:]))
            yield first, _as_bad_reference(error), first.after
            continue
        if fields is None:
            return
        if fields:
            yield taken.lines[0], fields, taken.lines[-1].after


class _Taken:
    """The lines that one record has taken so far, as text for `csv.reader`."""

    def __init__(self, waiting: deque[Line], following: Iterator[Line]) -> None:
        self.lines: list[Line] = []
        self._waiting = waiting
        self._following = following
        self._size_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._following)
        self.lines.append(line)
        self._size_bytes += len(line.raw) + 1
        if self._size_bytes > MAX_LINE_BYTES + 1:
            raise BadReference("a quoted field has no end")
        return line.text() + "\n"


def _as_bad_reference(error: Exception) -> BadReference:
    if isinstance(error, BadReference):
        return error
    return BadReference(f"the line is not valid CSV: {error}")
