"""A list of images with one record after the other: what `.txt`, `.csv`, `.tsv`, `.jsonl` share."""

from collections.abc import Iterator
from typing import Protocol

from producer.sources.base import Page
from producer.sources.byte_streams import ByteStream
from producer.sources.cursor import Cursor, check_pin, read_cursor
from producer.sources.lines import START, Line, Place, read_lines
from producer.sources.options import SourceOptions
from producer.sources.paging import Located, fill_page
from shared.errors import SourceError

_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")


class RecordParser(Protocol):
    """Reads one list; made anew for each pass over it."""

    def read_head(self, lines: Iterator[Line]) -> Place:
        """Look at the beginning of the list and return where its records start.

        Raises:
            SourceError: if the list cannot be what it should be.
        """

    def records(self, lines: Iterator[Line]) -> Iterator[Located[Place]]:
        """Yield the records that the lines hold; unreadable ones as problems."""


class ListFormat(Protocol):
    """One format of lists; `kind` marks its cursors."""

    kind: str

    def parser(self, *, base: str, name: str, options: SourceOptions) -> RecordParser:
        """Make a parser; `base` is what relative names are relative to."""


class ListSource:
    """A list whose bytes can be read from any offset.

    Each page is read by a request of its own, so that a consumer may take as long as it likes
    between two pages without holding a connection or a file open.
    """

    def __init__(
        self, stream: ByteStream, *, format_: ListFormat, base: str, options: SourceOptions
    ) -> None:
        self._stream = stream
        self._format = format_
        self._base = base
        self._options = options

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """Yield pages from `cursor` (None: from the start) to the end."""
        resumed = read_cursor(cursor, kind=self._format.kind) if cursor is not None else None
        pin = self._stream.pin()
        if resumed is not None:
            check_pin(resumed.pin, pin, name=self._stream.name)
        parser = self._format.parser(base=self._base, name=self._stream.name, options=self._options)
        place = parser.read_head(read_lines(_checked_encoding(self._stream)))
        if resumed is not None:
            place = Place(resumed.number("offset"), resumed.number("line"))
        is_empty = resumed is None
        while True:
            lines = read_lines(self._stream.read_from(place.offset), start=place)
            filled = fill_page(parser.records(lines), options=self._options)
            if filled is None:
                break
            place, is_empty = filled.after, False
            text = Cursor(kind=self._format.kind, place=place._asdict(), pin=pin).to_text()
            yield Page(items=filled.items, cursor=text)
        if is_empty:
            raise SourceError(
                f"{self._stream.name} names no images: check that it is the right one"
            )


def start_of_list(lines: Iterator[Line]) -> Place:
    """Return where records start in a list without a head, having looked at its first line."""
    next(lines, None)
    return START


def _checked_encoding(stream: ByteStream) -> Iterator[bytes]:
    chunks = stream.read_from(0)
    first = next(chunks, b"")
    if first.startswith(_OTHER_ENCODINGS):
        raise SourceError(f"{stream.name} is UTF-16: save it as UTF-8")
    yield first
    yield from chunks
