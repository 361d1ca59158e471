"""The first so many items of another source."""

from collections.abc import Iterator

from producer.sources.base import Page, Source
from producer.sources.cursor import Cursor, read_cursor

_KIND = "limited"


class LimitedSource:
    """Ends after `limit` items; its cursor holds how many were given and the source's own."""

    def __init__(self, source: Source, *, limit: int) -> None:
        self._source = source
        self._limit = limit

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """Yield pages from `cursor` (None: from the start) to the limit."""
        given, inner = 0, None
        if cursor is not None:
            resumed = read_cursor(cursor, kind=_KIND)
            given, inner = resumed.number("given"), resumed.text("inner")
        if given >= self._limit:
            return
        for page in self._source.pages(inner):
            items = page.items[: self._limit - given]
            given += len(items)
            here = Cursor(kind=_KIND, place={"given": given, "inner": page.cursor}, pin={})
            yield Page(items=items, cursor=here.to_text())
            if given >= self._limit:
                return
