"""Reads sources in tests: all items, from every cursor, and lists that lie in memory."""

from collections.abc import Iterator
from hashlib import sha256

from producer.sources.base import Page, Source, SourceItem
from producer.sources.csv_list import CsvFormat
from producer.sources.cursor import Pin
from producer.sources.json_list import JsonFormat
from producer.sources.list_source import ListFormat, ListSource
from producer.sources.options import SourceOptions
from producer.sources.text_list import TextFormat

FORMATS: dict[str, ListFormat] = {
    "txt": TextFormat(),
    "csv": CsvFormat("csv", delimiter=","),
    "tsv": CsvFormat("tsv", delimiter="\t"),
    "jsonl": JsonFormat(),
}


class ListInMemory:
    """The bytes of a list, handed out in chunks of a set size."""

    def __init__(self, content: bytes, *, chunk_bytes: int = 1000) -> None:
        self.name = "the list"
        self.content = content
        self._chunk_bytes = chunk_bytes

    def pin(self) -> Pin:
        return {"sha256": sha256(self.content).hexdigest()}

    def read_from(self, offset: int) -> Iterator[bytes]:
        for start in range(offset, len(self.content), self._chunk_bytes):
            yield self.content[start : start + self._chunk_bytes]


def source_of(
    content: bytes | str,
    kind: str,
    *,
    options: SourceOptions | None = None,
    base: str = "/base",
    chunk_bytes: int = 1000,
) -> ListSource:
    """A list source over bytes in memory."""
    data = content if isinstance(content, bytes) else content.encode()
    stream = ListInMemory(data, chunk_bytes=chunk_bytes)
    return ListSource(stream, format_=FORMATS[kind], base=base, options=options or SourceOptions())


def items_of(source: Source, cursor: str | None = None) -> list[SourceItem]:
    """All items from a cursor on."""
    return [item for page in source.pages(cursor) for item in page.items]


def assert_resumes_everywhere(source: Source) -> list[Page]:
    """Check that each cursor is followed by exactly the rest; gives the pages of one pass."""
    pages = list(source.pages(None))
    for number, page in enumerate(pages, start=1):
        rest = [item for later in pages[number:] for item in later.items]
        assert items_of(source, page.cursor) == rest
    return pages
