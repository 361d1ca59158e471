"""Splits a stream of bytes into lines, each with its number and the offset right after it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from producer.sources.options import MAX_LINE_BYTES
from shared.errors import BadReference

_BOM = b"\xef\xbb\xbf"
#: This much of an over-long line is kept, to show what it was.
_KEPT_BYTES = 200


class Place(NamedTuple):
    """A place between two lines: the byte offset, and the number of the line that follows."""

    offset: int
    line: int


START = Place(0, 1)


class Line(NamedTuple):
    """One line without its line feed; of an over-long one only the beginning is kept."""

    number: int
    raw: bytes
    after: Place
    is_too_long: bool = False

    def text(self) -> str:
        """Return the line as text.

        Raises:
            BadReference: if it is too long or not UTF-8.
        """
        if self.is_too_long:
            raise BadReference(f"the line is longer than {MAX_LINE_BYTES} bytes")
        try:
            return self.raw.decode()
        except UnicodeDecodeError as error:
            raise BadReference("the line is not valid UTF-8") from error


def read_lines(chunks: Iterable[bytes], *, start: Place = START) -> Iterator[Line]:
    """Yield the lines of a list; a byte order mark at its very start is dropped.

    Memory is bounded by a chunk and `MAX_LINE_BYTES`, however long a line is.
    """
    offset, number = start
    rest = bytearray()
    dropped_bytes = 0
    for chunk in chunks:
        pieces = chunk.split(b"\n")
        for piece in pieces[:-1]:
            rest += piece
            line = _line(bytes(rest), dropped_bytes, offset=offset, number=number, feed_bytes=1)
            yield line
            offset, number = line.after
            rest.clear()
            dropped_bytes = 0
        rest += pieces[-1]
        if len(rest) > MAX_LINE_BYTES:
            dropped_bytes += len(rest) - _KEPT_BYTES
            del rest[_KEPT_BYTES:]
    if rest or dropped_bytes:
        yield _line(bytes(rest), dropped_bytes, offset=offset, number=number, feed_bytes=0)


def _line(raw: bytes, dropped_bytes: int, *, offset: int, number: int, feed_bytes: int) -> Line:
    after = Place(offset + len(raw) + dropped_bytes + feed_bytes, number + 1)
    if offset == 0:
        raw = raw.removeprefix(_BOM)
    if dropped_bytes or len(raw) > MAX_LINE_BYTES:
        return Line(number, raw[:_KEPT_BYTES], after, is_too_long=True)
    return Line(number, raw, after)
