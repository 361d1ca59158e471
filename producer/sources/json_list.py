"""`.jsonl`: a JSON object a line; its keys are the columns, and may differ from line to line."""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

from producer.sources.base import SourceItem
from producer.sources.lines import START, Line, Place
from producer.sources.options import SourceOptions
from producer.sources.paging import Located
from producer.sources.records import Columns, find_columns, item_of_row, problem_item
from shared.errors import BadReference, SourceError

#: Some object among this many first lines must name an image, else the list is refused whole.
_HEAD_LINES = 100


class JsonFormat:
    """Lists of JSON lines."""

    kind = "jsonl"

    def parser(self, *, base: str, name: str, options: SourceOptions) -> "JsonParser":
        """Make a parser."""
        return JsonParser(base=base, name=name, options=options)


class JsonParser:
    """Reads JSON lines."""

    def __init__(self, *, base: str, name: str, options: SourceOptions) -> None:
        self._base = base
        self._name = name

        @lru_cache(maxsize=256)
        def columns_of(names: tuple[str, ...]) -> Columns:
            return find_columns(names, options=options, where=name, may_miss=True)

        self._columns_of = columns_of
        self._options = options

    def read_head(self, lines: Iterator[Line]) -> Place:
        """Check that some of the first objects has a URI."""
        refusal: SourceError | None = None
        for line in islice(lines, _HEAD_LINES):
            try:
                names = tuple(_object_of(line))
                find_columns(names, options=self._options, where=self._name)
            except BadReference:
                continue
            except SourceError as error:
                refusal = refusal or error
            else:
                return START
        if refusal is not None:
            raise refusal
        return START

    def records(self, lines: Iterator[Line]) -> Iterator[Located[Place]]:
        """Yield an item for each line that is not blank."""
        for line in lines:
            if line.raw.strip():
                yield Located(self._item(line), line.after, len(line.raw))

    def _item(self, line: Line) -> SourceItem:
        try:
            values = _object_of(line)
            try:
                columns = self._columns_of(tuple(values))
            except SourceError as error:
                raise BadReference("it names no image") from error
            return item_of_row(values, columns=columns, base=self._base, line=line.number)[0]
        except BadReference as error:
            return problem_item(line.raw, error, line=line.number)


def _object_of(line: Line) -> dict[str, Any]:
    text = line.text()
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise BadReference("the JSON is nested too deeply") from error
    except json.JSONDecodeError as error:
        message = f"the line is not valid JSON: {error.msg} (column {error.colno})"
        raise BadReference(message) from error
    except ValueError as error:
        raise BadReference("a number of the line is too long") from error
    if not isinstance(values, dict):
        raise BadReference("the line is no JSON object")
    return values
