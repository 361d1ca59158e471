"""What a source is to the enumerator."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceItem:
    """One image as the source names it.

    `label` is the true class as written there (an id, a name or an index), not yet resolved.
    `problem` says why a list line is no reference; `line` is its 1-based number.
    """

    uri: str
    id: str | None = None
    label: str | None = None
    extra: Mapping[str, Any] | None = None
    problem: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some items in source order, and the cursor that continues right after them."""

    items: list[SourceItem]
    cursor: str


class Source(Protocol):
    """An ordered set of images that can be read again from any cursor it gave."""

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """Yield pages from `cursor` (None: from the start) to the end.

        A cursor is opaque text (JSON). It pins what the source was (size and mtime, or ETag).

        Raises:
            SourceChanged: if the source is no longer what the cursor was pinned to.
            SourceError: if it cannot be read; the message says what to do.
        """
